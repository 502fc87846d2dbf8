import { describe, expect, it } from '@jest/globals';
import type { EventRecorder } from '../../../../src/kubernetes/events.ts';
import type { Service } from '../../../../src/kubernetes/objects.ts';
import { createMetrics } from '../../../../src/observability/metrics.ts';
import { problem, type Problem } from '../../../../src/to-kubernetes/problem.ts';
import type { Views } from '../../../../src/to-kubernetes/views.ts';
import { createReporter } from '../../../../src/to-kubernetes/report/reporter.ts';
import { PREFIX, service } from '../../builders.ts';
import { RESOURCES, refusal } from '../plain-api.ts';
import { logged, namePlan, namespacePlan } from '../plans.ts';
import { views } from '../views.ts';

const NONE: ReadonlyMap<string, unknown> = new Map();
const mirrored = service({ name: 'billing' });
const ASKED = { namespace: 'shop', request: undefined };

function stage(services: readonly Service[] = [mirrored], given: Partial<Views['namespaces']> = {}) {
  const { log, records } = logged();
  const shown = views({ services });
  const metrics = createMetrics();
  const events: string[] = [];
  const record: EventRecorder['report'] = ({ kind }, { namespace, name }, { reason, note }) =>
    void events.push(`${kind} ${namespace}/${name}: ${reason}: ${note}`);
  const reporter = createReporter({
    ...{ config: { namespaces: ['shop', 'web'], annotationPrefix: PREFIX }, resources: RESOURCES },
    views: { services: shown.services, namespaces: Object.assign(shown.namespaces, given) },
    ...{ events: { report: record }, log, metrics },
  });
  const tell = (...problems: Problem[]) =>
    reporter.plan('billing', namePlan({ namespaces: [namespacePlan({ problems })] }), NONE);
  return { reporter, events, records, metrics, tell };
}

const refused = (what: string) => problem('InstanceRefused', what);

describe('what is wrong with a mirrored service', () => {
  it('is told once for each new message: an Event on its Service, a line in the log and a metric', async () => {
    const { tell, events, records, metrics, reporter } = stage();
    for (const what of ['a', 'a', 'b', 'a']) tell(refused(what));
    const told = ['a', 'b', 'a'];
    expect(events).toEqual(told.map((what) => `Service shop/billing: InstanceRefused: ${what}`));
    expect(records.map(({ message, fields }) => [message, fields?.object, fields?.why])).toEqual(
      told.map((what) => ['rejected', 'billing in shop', what]),
    );
    expect((await metrics.rejections.get()).values).toEqual([
      { labels: { direction: 'to-kubernetes', reason: 'InstanceRefused' }, value: 3 },
    ]);
    expect([reporter.count, reporter.messages()]).toEqual([1, ['a']]);
  });

  it('is forgotten when it is mended, reason by reason, and told again when it comes back', () => {
    const { tell, events, reporter } = stage();
    tell(refused('a'), problem('ServiceShape', 'shape'));
    tell(problem('ServiceShape', 'shape'));
    expect([reporter.count, reporter.messages()]).toEqual([1, ['shape']]);
    tell(refused('a'), problem('ServiceShape', 'shape'));
    expect(events.map((event) => event.split(': ')[1])).toEqual(['InstanceRefused', 'ServiceShape', 'InstanceRefused']);
    // A quiet plan has no namespace in it.
    reporter.plan('billing', namePlan(), NONE);
    expect([reporter.count, reporter.messages()]).toEqual([0, []]);
  });

  it('is told on the Service that it is about', () => {
    const { tell, events } = stage();
    const other = service({ name: 'taken' });
    tell(problem('NameConflict', 'taken', other));
    expect(events).toEqual(['Service shop/taken: NameConflict: taken']);
  });

  it.each([
    ['a refused write', undefined, 403, ['Namespace shop/shop: WriteRefused']],
    ['anything else', refused('a'), undefined, []],
  ])('is told of %s on the namespace where there is no Service yet', (_, found, status, expected) => {
    const { reporter, events, records } = stage([]);
    const failures = new Map(
      status === undefined ? [] : [['shop', refusal('create', 'Service', 'shop/billing', status)]],
    );
    const plan = namespacePlan({ problems: found ? [found] : [] });
    reporter.plan('billing', namePlan({ namespaces: [plan] }), failures);
    expect(events.map((event) => event.split(': ').slice(0, 2).join(': '))).toEqual(expected);
    expect(records).toHaveLength(1);
  });

  it('is not a failure that passes by itself', () => {
    const { reporter, records } = stage();
    reporter.plan('billing', namePlan(), new Map([['shop', refusal('patch', 'Service', 'shop/billing', 409)]]));
    expect(records).toEqual([]);
  });

  it('in every namespace is told in the log, and on no object', () => {
    const { reporter, events, records } = stage();
    const plan = namePlan({ overLimit: true, problems: [problem('TooManyServices', 'too many')] });
    for (let i = 0; i < 2; i++) reporter.plan('billing', plan, NONE);
    expect(records.map(({ fields }) => [fields?.object, fields?.reason])).toEqual([['billing', 'TooManyServices']]);
    expect(events).toEqual([]);
  });
});

describe('namespaces that are closed', () => {
  const gone = 'nothing is written into namespace web, and nothing removed: there is no such namespace';
  const noRights = 'nothing is written into namespace shop, and nothing removed: there is no right to list endpoints';

  it('are told once each, on the Namespace where there is one, and counted until they are open', async () => {
    const closed = new Map([
      ['shop', 'there is no right to list endpoints'],
      ['web', 'there is no such namespace'],
    ]);
    const { reporter, events, records, metrics } = stage([], { closed, isThere: (name) => name !== 'web' });
    const count = async () => (await metrics.closedNamespaces.get()).values.map(({ value }) => value);
    for (let i = 0; i < 2; i++) reporter.namespaces();
    expect(events).toEqual([`Namespace shop/shop: NamespaceClosed: ${noRights}`]);
    expect(records.map(({ fields }) => [fields?.object, fields?.why])).toEqual([
      ['Namespace shop', noRights],
      ['Namespace web', gone],
    ]);
    expect([reporter.count, reporter.messages(), await count()]).toEqual([2, [noRights, gone], [2]]);
    closed.clear();
    reporter.namespaces();
    expect([reporter.count, await count()]).toEqual([0, [0]]);
  });
});

describe('what the API server refuses to all alike', () => {
  const quota = (used: number) =>
    `exceeded quota: small, requested: services=1, used: services=${used}, limited: services=2`;
  const forbidden = (name: string, why: string) =>
    new Map([['shop', refusal('create', 'Service', `shop/${name}`, 403, `services "${name}" is forbidden: ${why}`)]]);
  const told = 'exceeded quota: small, requested: services=1, limited: services=2';

  it('is told once, on the Namespace, however many meet it, and until the last of them does not', () => {
    const { reporter, events, records } = stage([]);
    const names = Array.from({ length: 50 }, (_, i) => `service-${i}`);
    for (const [i, name] of names.entries()) reporter.plan(name, namePlan(), forbidden(name, quota(i)));
    expect(events).toEqual([
      expect.stringMatching(/^Namespace shop\/shop: WriteRefused: .*create Service: exceeded quota/),
    ]);
    expect(events[0]).toContain(told);
    expect([records.length, reporter.count]).toEqual([1, 1]);
    for (const name of names.slice(1)) reporter.plan(name, namePlan(), NONE);
    expect(reporter.count).toBe(1);
    reporter.plan('service-0', namePlan(), NONE);
    expect(reporter.count).toBe(0);
  });

  it('is told of each cause that there is, and once more when one comes back', () => {
    const { reporter, records } = stage([]);
    const rights = 'User "x" cannot create resource "services" in API group "" in the namespace "shop"';
    const count = () => [records.length, reporter.count];
    reporter.plan('a', namePlan(), forbidden('a', quota(2)));
    reporter.plan('b', namePlan(), forbidden('b', rights));
    // Both have one reason, and are one message.
    expect(count()).toEqual([2, 1]);
    expect(reporter.messages()[0]).toMatch(/exceeded quota: .*; .*no right to create services in namespace shop/);
    reporter.plan('b', namePlan(), NONE);
    expect(count()).toEqual([3, 1]);
    reporter.plan('a', namePlan(), NONE);
    expect(count()).toEqual([3, 0]);
    reporter.plan('a', namePlan(), forbidden('a', quota(2)));
    expect(count()).toEqual([4, 1]);
  });

  it('is told in the log alone where the namespace is not there, or is going', () => {
    const { reporter, events, records } = stage([]);
    reporter.plan(
      'a',
      namePlan(),
      forbidden('a', 'unable to create new content in namespace shop because it is being terminated'),
    );
    expect(events).toEqual([]);
    expect(records.map(({ fields }) => fields?.why)).toEqual([
      'nothing is written into namespace shop, and nothing removed: it is being deleted',
    ]);
  });

  it('is told of Services that take something in as well, and of what only one of them meets on that one', () => {
    const { reporter, events } = stage();
    const outcome = { ...ASKED, service: mirrored, problems: [] };
    reporter.imports('shop/billing', outcome, forbidden('x', quota(2)).get('shop'));
    reporter.imports('shop/billing', outcome, refusal('create', 'EndpointSlice', 'shop/x', 422, 'it is invalid'));
    expect(events.map((event) => event.split(': ').slice(0, 2).join(': '))).toEqual([
      'Namespace shop/shop: WriteRefused',
      'Service shop/billing: WriteRefused',
      'Service shop/billing: WriteRefused',
    ]);
    reporter.imports('shop/billing', outcome);
    expect(reporter.count).toBe(0);
  });
});

describe('a right that is missing in a namespace', () => {
  const rights = (namespace: string) =>
    refusal(
      ...(['create', 'EndpointSlice', `${namespace}/x`, 403] as const),
      `endpointslices is forbidden: User "x" cannot create resource "endpointslices" in API group "discovery.k8s.io" in the namespace "${namespace}"`,
    );
  const shownBy = (reporter: ReturnType<typeof stage>['reporter']) => [reporter.count, reporter.messages()];

  it.each([
    ['shop', 'mirror-namespace', 'where Services are mirrored'],
    ['pay', 'import-namespace', 'where Services of others take something in'],
  ])('in namespace %s is told once in the log and as a sum, with the Role %s, %s', (namespace, role) => {
    const { reporter, events, records } = stage([], {});
    const other = service({ name: 'other', namespace });
    const outcome = { namespace, request: undefined, service: other, problems: [] };
    for (const failure of [rights(namespace), rights(namespace)])
      reporter.imports(`${namespace}/other`, outcome, failure);
    const message = `what belongs into namespace ${namespace} is refused: there is no right to create endpointslices.discovery.k8s.io in namespace ${namespace}: apply the Role in deploy/kubernetes/${role} for namespace ${namespace}`;
    expect(shownBy(reporter)).toEqual([1, [message]]);
    expect(records.map(({ fields }) => fields?.why)).toEqual([message]);
    expect(events).toEqual([
      `Namespace ${namespace}/${namespace}: WriteRefused: ${message}`,
      `Service ${namespace}/other: WriteRefused: Service ${namespace}/other: consular.dev/import: ${message}`,
    ]);
    reporter.imports(`${namespace}/other`, outcome);
    expect(shownBy(reporter)).toEqual([0, []]);
  });
});

describe('what is wrong with a Service that takes a Consul service in', () => {
  it('is told on that Service, problems of one reason together', () => {
    const { reporter, events } = stage();
    const problems = [
      problem('InvalidAnnotation', 'a'),
      problem('InvalidPort', 'p'),
      problem('InvalidAnnotation', 'b'),
    ];
    reporter.imports('shop/billing', { ...ASKED, service: mirrored, problems });
    const told = 'Service shop/billing: consular.dev/import: ';
    expect(events).toEqual([
      `Service shop/billing: InvalidAnnotation: ${told}a; b`,
      `Service shop/billing: InvalidPort: ${told}p`,
    ]);
    expect(reporter.count).toBe(2);
    reporter.imports('shop/billing', { ...ASKED, service: mirrored, problems: [] });
    expect(reporter.count).toBe(0);
  });

  it('has no Event when the Service is gone', () => {
    const { reporter, events, records } = stage();
    reporter.imports('shop/billing', { ...ASKED, service: undefined, problems: [problem('ImportDenied', 'a')] });
    expect([events, records.length]).toEqual([[], 1]);
  });
});
