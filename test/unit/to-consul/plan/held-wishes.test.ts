import { describe, expect, it } from '@jest/globals';
import { SERVICE_NAME_LABEL, type Service } from '../../../../src/kubernetes/objects.ts';
import { annotations, endpoint, endpointPort, pod, service, servicePort, slice, strings } from '../../builders.ts';
import { planning, registered } from '../planning.ts';

const POD = pod({ name: 'ord-0', uid: 'uid-of-ord-0' });
const TARGET = endpoint('10.1.0.7', { target: { kind: 'Pod', namespace: 'shop', name: 'ord-0' } });

function asking(name: string, text: Readonly<Record<string, string>>, port = 'http'): Service {
  const said = annotations({ 'service-name': 'ord', 'service-tags': name, [`service-meta-${name}`]: 'said', ...text });
  return service({ name, annotations: said, ports: [servicePort({ name: port })] });
}
const slices = ['ord-a', 'ord-b'].map((name) =>
  slice({ name, labels: strings({ [SERVICE_NAME_LABEL]: name }), endpoints: [TARGET], ports: [endpointPort()] }),
);
const observed = registered({ pods: [POD], services: [asking('ord-a', {}), asking('ord-b', {})], slices });
const planned = (...services: Service[]) =>
  planning({ pods: [POD], services, slices, observed }).planner.plan('shop/ord-0').changes;
const tagsAfter = (...services: Service[]) => planned(...services).update.map(({ desired }) => desired.tags);
const NOTHING = { create: [], update: [], remove: [] };

describe('an instance for which two Services ask', () => {
  it('has what both say', () => {
    expect(observed.map(({ registration }) => registration.tags)).toEqual([['ord-b', 'ord-a']]);
  });

  it.each([
    ['the other port is renamed, and its slices do not have it yet', asking('ord-a', {}), asking('ord-b', {}, 'web')],
    ['the winner is that one', asking('ord-a', {}, 'web'), asking('ord-b', {})],
    ['one is broken', asking('ord-a', {}), asking('ord-b', { 'service-weight': '0' })],
  ])('keeps the tags and the meta of both while %s', (_, a, b) => {
    const { create, update, remove } = planned(a, b);
    expect([create, remove]).toEqual([[], []]);
    for (const { desired } of update) {
      expect(desired.tags).toEqual(['ord-b', 'ord-a']);
      expect([desired.meta.get('ord-a'), desired.meta.get('ord-b')]).toEqual(['said', 'said']);
    }
  });

  it.each([
    ['is broken', { 'service-weight': '0' }, 'http'],
    ['is late', {}, 'web'],
  ])('stays as TLS and as heavy as it was while the one who said so %s', (_, text, port) => {
    const said = { 'service-meta-secure': 'true', 'service-weight': '7' };
    const before = registered({ pods: [POD], services: [asking('ord-a', said), asking('ord-b', {})], slices });
    const services = [asking('ord-a', { ...said, ...text }, port), asking('ord-b', {})];
    const { changes } = planning({ pods: [POD], services, slices, observed: before }).planner.plan('shop/ord-0');
    for (const { desired } of changes.update) expect([desired.meta.get('secure'), desired.weight]).toEqual(['true', 7]);
    expect([changes.create, changes.remove]).toEqual([[], []]);
  });

  it('stays when whoever is marked on it asks no more, and the other is broken', () => {
    const broken = asking('ord-b', { 'service-weight': '0' });
    const off = asking('ord-a', { 'service-sync': 'false' });
    expect([planned(off, broken).remove, planned(broken).remove]).toEqual([[], []]);
  });

  it.each([
    ['a misspelt name', { 'service-name': 'ord' }, { 'service-nmae': 'ord' }],
    ['a misspelt value', { 'service-sync': 'true' }, { 'service-sync': 'True' }],
    ['a misspelt port', { 'service-name.http': 'ord' }, { 'service-name.HTTP': 'ord' }],
  ])('stays when nobody can tell any more what is asked, because of %s', (_, right, wrong) => {
    const asks = (text: Readonly<Record<string, string>>) => service({ name: 'ord-a', annotations: annotations(text) });
    const before = registered({ pods: [POD], services: [asks(right)], slices });
    const plan = planning({ pods: [POD], services: [asks(wrong)], slices, observed: before }).planner.plan(
      'shop/ord-0',
    );
    expect([before.length, plan.changes.remove, plan.held.length]).toEqual([1, [], 1]);
  });

  it('is what the smaller name asks for where both together are more than Consul takes', () => {
    const meta = (of: string) =>
      Object.fromEntries(Array.from({ length: 35 }, (_, i) => [`service-meta-${of}${i}`, 'said']));
    const services = [asking('ord-a', meta('a')), asking('ord-b', meta('b'))];
    const plan = planning({ pods: [POD], services, slices }).planner.plan('shop/ord-0');
    expect(plan.changes.create.map(({ meta }) => [meta.has('a1'), meta.has('b1')])).toEqual([[true, false]]);
    expect([plan.rejections, plan.ofServices.map(({ service, kind }) => `${service} ${kind}`)]).toEqual([
      [],
      ['shop/ord-b wrong'],
    ]);
  });

  it('counts the tag of the smaller name where two contradict each other', () => {
    const services = [
      asking('ord-a', { 'service-tags': 'secure=true' }),
      asking('ord-b', { 'service-tags': 'secure=false' }),
    ];
    const [created] = planning({ pods: [POD], services, slices }).planner.plan('shop/ord-0').changes.create;
    expect([created?.meta.get('secure'), created?.tags.at(-1)]).toEqual(['true', 'secure=true']);
  });

  it('is not written at all while the smaller name goes on, and the other is held', () => {
    expect(planned(asking('ord-a', {}), asking('ord-b', {}, 'web'))).toEqual(NOTHING);
  });

  it('gets what is new from the one, whatever is wrong with the other', () => {
    const more = asking('ord-a', { 'service-tags': 'ord-a,new' });
    expect(tagsAfter(more, asking('ord-b', { 'service-weight': '0' }))).toEqual([['ord-a', 'new', 'ord-b']]);
  });

  it('loses what the one no longer says once nothing is wrong with the other', () => {
    const less = asking('ord-a', { 'service-tags': '' });
    expect(tagsAfter(less, asking('ord-b', {}))).toEqual([['ord-b']]);
  });

  it('loses what a Service said that asks no more', () => {
    expect(tagsAfter(asking('ord-a', {}))).toEqual([['ord-a']]);
    expect(tagsAfter(asking('ord-a', {}), asking('ord-b', { 'service-name': 'another' }))).toEqual([['ord-a']]);
  });

  it('loses what Consul would refuse beside what is new', () => {
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`service-meta-more-${i}`, 'said']));
    const full = asking(
      'ord-b',
      Object.fromEntries(
        Object.entries(many)
          .slice(0, 30)
          .map(([key]) => [`${key}-b`, 'x']),
      ),
    );
    const before = registered({ pods: [POD], services: [asking('ord-a', {}), full], slices });
    const services = [asking('ord-a', many), asking('ord-b', { 'service-weight': '0' })];
    const { changes } = planning({ pods: [POD], services, slices, observed: before }).planner.plan('shop/ord-0');
    const [meta] = changes.update.map(({ desired }) => desired.meta);
    expect([meta?.has('more-49'), meta?.has('more-0-b')]).toEqual([true, false]);
  });
});
