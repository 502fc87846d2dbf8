import { describe, expect, it } from '@jest/globals';
import { explainConsulService } from '../../../../src/commands/explain/consul-service.ts';
import type { Explanation } from '../../../../src/commands/explain/explanation.ts';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import { ANNOTATION, MANAGED_BY, META } from '../../../../src/mark.ts';
import { annotations, instance, marked, service, strings } from '../../builders.ts';
import { idOf } from '../../to-consul/observed/memory-nodes.ts';
import { podNamed } from '../../to-consul/planning.ts';
import type { Told } from '../../../../src/commands/told.ts';
import { worldOf, type WorldGiven } from './world.ts';

async function explain(
  given: WorldGiven,
  name = 'billing',
  namespaces: readonly Told[] = [],
): Promise<Explanation | undefined> {
  const { config, world, consul, end } = await worldOf(given);
  const explanation = await explainConsulService(config, world, consul, name, namespaces);
  end();
  return explanation;
}

const ofInstance = (overrides: Partial<ServiceInstance>, given: WorldGiven = {}) =>
  explain({ foreign: [instance(overrides)], ...given });
const others = service({ name: 'billing' });
const copy = service({
  ...{ name: 'billing', labels: marked(), selector: strings() },
  annotations: strings({ [ANNOTATION.consulService]: 'billing' }),
});
const byConsular = (cluster: Readonly<Record<string, string>>) => strings({ [META.managedBy]: MANAGED_BY, ...cluster });

describe('whether a Consul service is mirrored', () => {
  const not = (why: string) => `it is not mirrored: ${why}`;
  it.each<[string, WorldGiven, string]>([
    ['where it is wanted', {}, 'it is mirrored into namespace shop'],
    ['not where that direction is off', { toKubernetes: { enabled: false } }, not('toKubernetes.enabled is false')],
    [
      'not where it is not selected',
      { toKubernetes: { services: { exclude: ['bill*'] } } },
      not('toKubernetes.services does not select it'),
    ],
    [
      'not where as many others are as may be',
      { foreign: [instance(), instance({ service: 'accounts' })], toKubernetes: { maxServices: 1 } },
      not('1 services are already (toKubernetes.maxServices)'),
    ],
    [
      'not where it only is a proxy',
      { foreign: [instance({ kind: 'connect-proxy' })] },
      not('no instance of it is one from outside Kubernetes that the settings ask for; why not is said of each'),
    ],
    [
      'not where it only is a management entry',
      { foreign: [instance({ id: 'b-1', tags: ['management'] })] },
      not(
        "all that it has outside Kubernetes are Spring's management entries: vm-1/b-1: it has the tag management; they would be if toKubernetes.services.include had its name, billing",
      ),
    ],
    [
      'where it is a management entry that the settings have the name of',
      { foreign: [instance({ tags: ['management'] })], toKubernetes: { services: { include: ['billing'] } } },
      'it is mirrored into namespace shop',
    ],
    [
      'not where somebody else has its name',
      { services: [others] },
      not('Services of others have its name in namespace shop'),
    ],
    ['not where nothing can be written', { closed: ['shop'] }, not('nothing can be written into namespace shop')],
    [
      'where Consul has no instance any more: its Service goes',
      { foreign: [], services: [copy] },
      not('Consul has no instance of it'),
    ],
  ])('is told: %s', async (_, given, rule) => {
    expect((await explain({ foreign: [instance()], ...given }))?.decision.rule).toBe(rule);
  });

  it('is told of a name that never leaves Consul', async () => {
    expect((await explain({}, 'consul'))?.decision.rule).toBe(not('the name is one of those that never are'));
  });

  it('is told for each namespace, where its name is free in some of them only', async () => {
    const toKubernetes = { namespaces: ['shop', 'web'] };
    const explanation = await explain({ foreign: [instance()], services: [others], toKubernetes });
    expect(explanation?.decision).toMatchObject({
      rule: 'it is mirrored into namespace web',
      notes: expect.arrayContaining([
        'not into namespace shop: a Service of somebody else has its name there',
      ]) as unknown,
    });
    expect(explanation?.rejections).toMatchObject([{ object: 'Service shop/billing', reason: 'NameConflict' }]);
  });

  it('has a note when no instance is healthy: callers would find nobody', async () => {
    expect((await ofInstance({ status: 'critical' }))?.decision.notes).toContain(
      'none of its instances outside Kubernetes is healthy enough: the Service has no endpoints',
    );
  });

  it('has a note when some of its instances are management entries', async () => {
    const told = await explain({ foreign: [instance(), instance({ id: 'b-1', tags: ['management'] })] });
    expect(told?.decision.notes).toContain(
      "without Spring's management entries: vm-1/b-1: it has the tag management; they would be if toKubernetes.services.include had its name, billing",
    );
  });

  it('is told of a service that stands for a tag, with the instances that have it', async () => {
    const toKubernetes = { tagServices: [{ service: 'bill*', tags: ['master'] }], services: { include: ['billing'] } };
    const told = await explain(
      { foreign: [instance(), instance({ id: 'b-1', tags: ['master'] })], toKubernetes },
      'billing/master',
    );
    expect(told?.decision.rule).toBe('it is mirrored into namespace shop');
    expect(told?.observed.map(({ id }) => id)).toEqual(['b-1']);
  });

  it('is nothing to tell where nobody knows or wants the service', async () => {
    expect(await explain({})).toBeUndefined();
  });
});

describe('an instance of a Consul service', () => {
  it.each<[string, Partial<ServiceInstance>, string]>([
    ['foreign', {}, 'foreign'],
    ['a proxy', { kind: 'connect-proxy' }, 'foreign, a connect-proxy'],
    ['of consul-k8s', { meta: strings({ 'external-source': 'kubernetes' }) }, 'out of Kubernetes, not by Consular'],
    ['of a VM with the tag of consul-k8s', { tags: ['k8s'] }, 'foreign'],
    ['of another cluster', { meta: byConsular({ [META.cluster]: 'stage' }) }, 'of the Consular of cluster stage'],
    ['of a cluster that is not told', { meta: byConsular({}) }, 'of the Consular of cluster (unknown)'],
    ['ours', { id: idOf('a'), meta: byConsular({ [META.cluster]: 'prod' }) }, 'ours, for Pod shop/a'],
  ])('that is %s has its origin told', async (_, overrides, origin) => {
    expect((await ofInstance(overrides))?.observed).toMatchObject([{ origin }]);
  });

  it('has the address of its node when it has none', async () => {
    expect((await ofInstance({ address: '', nodeAddress: '10.20.0.9' }))?.observed).toMatchObject([
      { address: '10.20.0.9', port: 8080 },
    ]);
  });
});

describe('each instance of a Consul service', () => {
  const billing = (number: number, overrides: Partial<ServiceInstance> = {}) =>
    instance({ id: `billing-${number}`, address: `10.20.0.${number}`, ...overrides });
  const said = (explanation?: Explanation) =>
    explanation?.observed.map(({ id, endpoint }) => `${id}: ${endpoint ?? ''}`);

  it('is said to be an endpoint, of which Services and where, or why it is none', async () => {
    const taker = service({ annotations: annotations({ import: 'Billing' }) });
    const foreign = [
      billing(1),
      billing(2, { address: '', nodeAddress: '::ffff:10.20.0.2' }),
      billing(3, { address: '10.20.0.1', node: 'vm-2' }),
      billing(4, { status: 'critical' }),
      billing(5, { kind: 'connect-proxy' }),
      billing(6, { address: '127.0.0.1' }),
      billing(7, { meta: strings({ 'external-source': 'kubernetes' }) }),
      billing(8, { port: 0 }),
    ];
    expect(said(await explain({ foreign, services: [copy, taker] }))).toEqual([
      'billing-1: endpoint of Service shop/billing, Service shop/orders at 10.20.0.1:8080, which it shares with vm-2/billing-3',
      'billing-2: endpoint of Service shop/billing, Service shop/orders at 10.20.0.2:8080',
      'billing-3: endpoint of Service shop/billing, Service shop/orders at 10.20.0.1:8080',
      'billing-4: no endpoint: it is critical',
      'billing-5: no endpoint: it is a connect-proxy',
      expect.stringMatching(/^billing-6: no endpoint: its address .*loopback/),
      'billing-7: no endpoint: it came out of Kubernetes',
      'billing-8: no endpoint: its port is 0',
    ]);
  });

  it.each<[string, WorldGiven, string]>([
    ['before its Service is made', {}, 'billing-1: endpoint of Service shop/billing at 10.20.0.1:8080'],
    [
      'where it is not selected',
      { toKubernetes: { services: { exclude: ['*'] } } },
      'no Service has the Consul service',
    ],
    ['where somebody else has its name', { services: [others] }, 'no Service has the Consul service'],
    ['where nothing can be written', { closed: ['shop'] }, 'no Service has the Consul service'],
    ['where the direction is off', { toKubernetes: { enabled: false } }, 'billing-1: '],
  ])('is said to be one or none %s', async (_, given, expected) => {
    expect(said(await explain({ foreign: [billing(1)], ...given }))?.[0]).toMatch(
      new RegExp(`${expected.replaceAll('.', '\\.')}$`),
    );
  });

  it('at a host name that DNS does not know is none, and the name is told', async () => {
    expect(said(await explain({ foreign: [billing(1, { address: 'vm-1.example.com' })] }))).toEqual([
      expect.stringMatching(/^billing-1: no endpoint: .*vm-1\.example\.com/),
    ]);
  });
});

describe('an update of what belongs to a Consul service', () => {
  it('names each field that differs, of a Service and of its slices', async () => {
    const edited = service({ ...copy, type: 'NodePort', selector: strings({ app: 'x' }) });
    const explanation = await explain({ foreign: [instance()], services: [edited] });
    const update = explanation?.changes.find(({ action }) => action === 'update');
    expect(update).toMatchObject({ kind: 'Service', object: 'shop/billing' });
    expect(update?.differences).toEqual(
      expect.arrayContaining([
        { field: 'type', desired: 'ClusterIP', observed: 'NodePort' },
        { field: 'selector', desired: '(none)', observed: 'app=x' },
        { field: `annotation ${ANNOTATION.portChoice}`, desired: '80,8080', observed: '(none)' },
      ]),
    );
  });
});

describe('what belongs to a Consul service in Kubernetes', () => {
  const found = (explanation?: Explanation) => explanation?.found.map(({ what, value }) => `${what}: ${value}`);

  it('is its copy, in any case of the name', async () => {
    const explanation = await explain({ foreign: [instance()], services: [copy] }, 'Billing');
    expect(found(explanation)).toEqual(['instances: 1', 'outside Kubernetes: 1', 'mirrored as: Service shop/billing']);
    expect(explanation?.changes.map(({ action, kind }) => `${action} ${kind}`)).toContain('create EndpointSlice');
  });

  it('is each Service that takes it in, also where it is not mirrored', async () => {
    const taker = service({ annotations: annotations({ import: 'Billing' }) });
    const toKubernetes = { services: { exclude: ['billing'] } };
    expect(found(await explain({ services: [taker], foreign: [instance()], toKubernetes }))).toContain(
      'taken in by: Service shop/orders',
    );
  });

  it('are the pods that want to be instances of it, in order, and no others', async () => {
    const wants = { annotations: annotations({ 'service-name': 'Billing' }) };
    const explanation = await explain({ pods: [podNamed('b', wants), podNamed('a', wants), podNamed('c')] });
    expect(explanation?.pods).toEqual([
      { pod: 'shop/a', says: '0 in Consul, 1 to create: the pod is Ready' },
      { pod: 'shop/b', says: '0 in Consul, 1 to create: the pod is Ready' },
    ]);
    expect(explanation?.exists).toBe(false);
  });

  it('are no pods where nothing is registered', async () => {
    const pods = [podNamed('a', { annotations: annotations({ 'service-name': 'billing' }) })];
    expect((await ofInstance({}, { pods, toConsul: { enabled: false } }))?.pods).toEqual([]);
  });
});

describe('a namespace that cannot be written', () => {
  const message = 'nothing is planned for it: there is no such namespace';
  const told: Told = { reason: 'NamespaceClosed', object: 'Namespace web', message, isWarning: false };
  const given: WorldGiven = { closed: ['web'], toKubernetes: { namespaces: ['shop', 'web'] } };

  it('is named where a service should be mirrored into it', async () => {
    const explanation = await explain({ foreign: [instance()], ...given }, 'billing', [told]);
    expect(explanation?.decision).toEqual({
      rule: 'it is mirrored into namespace shop',
      notes: expect.arrayContaining(['not into namespace web: nothing can be written there']),
    });
    expect(explanation?.rejections).toEqual([{ object: 'Namespace web', reason: 'NamespaceClosed', message }]);
  });

  it('is named where what is left of a service that is going cannot be removed, and there alone', async () => {
    const refused: Told = { reason: 'WriteRefused', object: 'Namespace shop', message: 'no right', isWarning: false };
    const elsewhere: Told = { ...refused, object: 'Namespace web' };
    const explanation = await explain({ services: [copy] }, 'billing', [refused, elsewhere]);
    expect(explanation?.changes.map(({ action, kind }) => `${action} ${kind}`)).toContain('remove Service');
    expect(explanation?.rejections).toEqual([
      { object: 'Namespace shop', reason: 'WriteRefused', message: 'no right' },
    ]);
  });

  it('is not named where it should not', async () => {
    const explanation = await explain({ foreign: [instance({ kind: 'connect-proxy' })], ...given }, 'billing', [told]);
    expect(explanation?.rejections).toEqual([]);
  });
});
