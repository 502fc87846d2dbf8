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
    expect(observed.map(({ registration }) => registration.tags)).toEqual([['ord-a', 'ord-b']]);
  });

  it.each([
    ['the other port is renamed, and its slices do not have it yet', asking('ord-a', {}), asking('ord-b', {}, 'web')],
    ['the winner is that one', asking('ord-a', {}, 'web'), asking('ord-b', {})],
    ['one is broken', asking('ord-a', {}), asking('ord-b', { 'service-weight': '0' })],
  ])('keeps the tags and the meta of both while %s', (_, a, b) => {
    const { create, update, remove } = planned(a, b);
    expect([create, remove]).toEqual([[], []]);
    for (const { desired } of update) {
      expect(desired.tags).toEqual(['ord-a', 'ord-b']);
      expect([desired.meta.get('ord-a'), desired.meta.get('ord-b')]).toEqual(['said', 'said']);
    }
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
