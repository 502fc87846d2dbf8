import { describe, expect, it } from '@jest/globals';
import type { Explanation } from '../../../../src/commands/explain/explanation.ts';
import { explainService } from '../../../../src/commands/explain/service.ts';
import type { Service } from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION, META } from '../../../../src/mark.ts';
import { annotations, endpoint, instance, marked, pod, service, slice, strings } from '../../builders.ts';
import { observed, registrationOf } from '../../to-consul/instances.ts';
import { podNamed } from '../../to-consul/planning.ts';
import { worldOf, type WorldGiven } from './world.ts';

async function explain(given: WorldGiven, key = 'shop/orders'): Promise<Explanation | undefined> {
  const { config, world } = await worldOf(given);
  return explainService(config, world, key);
}

const ofService = (overrides: Partial<Service>, given: WorldGiven = {}) =>
  explain({ services: [service(overrides)], ...given });
const asking = service({ annotations: annotations({ 'service-sync': 'true' }) });
const behind = (name: string, ...pods: string[]) =>
  slice({
    endpoints: pods.map((pod) => endpoint('10.1.0.7', { target: { kind: 'Pod', namespace: 'shop', name: pod } })),
    name,
  });
const facts = (explanation?: Explanation) => explanation?.found.map(({ what, value }) => `${what}: ${value}`);
const changes = (explanation?: Explanation) => explanation?.changes.map(({ action, kind }) => `${action} ${kind}`);

/** An instance of pod shop/NAME that Service shop/orders asked for. */
const registeredFor = (name: string, from = 'orders') => {
  const meta = new Map([...registrationOf(name).meta, [META.service, from]]);
  return observed(registrationOf(name, { meta }), { podKey: `shop/${name}`, podUid: `uid-of-${name}` });
};

describe('a Service that was found', () => {
  it('shows where its traffic goes', async () => {
    const ports = [
      { name: '', port: 80, protocol: 'TCP' as const, targetPort: 'web', appProtocol: '' },
      { name: 'dns', port: 53, protocol: 'UDP' as const, targetPort: '5353', appProtocol: '' },
    ];
    expect(facts(await ofService({ selector: strings({ app: 'a', tier: 'b' }), ports }))).toEqual([
      'type: ClusterIP',
      'ClusterIPs: 10.96.0.10',
      'selector: app=a, tier=b',
      'port: 80/TCP to web',
      'port: 53/UDP dns to 5353',
    ]);
  });

  it('says what it does not have', async () => {
    expect(facts(await ofService({ clusterIPs: [], selector: strings(), ports: [] }))).toEqual([
      'type: ClusterIP',
      'ClusterIPs: (none)',
      'selector: (none)',
    ]);
  });

  it('is nothing where neither system knows it', async () => {
    expect(await explain({})).toBeUndefined();
  });

  it('is what its pods still have in Consul because of it when it is gone', async () => {
    const others = [registeredFor('b', 'stock'), { ...registeredFor('c'), podKey: 'web/c' }];
    expect(await explain({ pods: [podNamed('a')], observed: [registeredFor('a'), ...others] })).toMatchObject({
      exists: false,
      decision: { rule: 'there is no such Service', notes: [] },
      pods: [{ pod: 'shop/a' }],
      observed: [{ id: 'prod.shop.a:orders:8080' }],
      imported: [],
    });
  });
});

describe('what decides about a Service', () => {
  it.each<[string, Partial<Service>, string]>([
    ['no annotation', {}, 'the Service asks for nothing: no annotation service-name, and none service-sync: "true"'],
    [
      'a refusal',
      { annotations: annotations({ 'service-sync': 'false' }) },
      'the annotation service-sync of the Service is "false"',
    ],
    [
      'the mark of another cluster',
      { labels: marked('stage'), annotations: annotations({ 'service-sync': 'true' }) },
      'the Service was made by a Consular of another cluster, and asks for nothing',
    ],
    [
      'our mark, and no word from where it came',
      { labels: marked() },
      "the Service is Consular's own, mirrored from Consul service (its annotation is gone)",
    ],
    [
      'a wish to take instances in',
      { annotations: annotations({ import: 'Billing' }) },
      'the Service takes Consul service Billing in, behind its port 80/TCP http',
    ],
  ])('is %s', async (_, overrides, rule) => {
    expect((await ofService(overrides))?.decision).toEqual({ rule, notes: [] });
  });

  it('is the names for single ports where it has no other', async () => {
    const explanation = await ofService({
      annotations: annotations({ 'service-name.http': 'web', 'service-name.8081': 'admin' }),
    });
    expect(explanation?.decision.rule).toBe('the Service asks for its pods to be registered as web, admin');
  });

  it('is both where it asks for its pods and takes instances in', async () => {
    const both = { ...asking, annotations: annotations({ 'service-name': 'orders', import: 'Billing' }) };
    expect((await explain({ services: [both] }))?.decision).toEqual({
      rule: 'the Service asks for its pods to be registered as orders',
      notes: [
        'the Service takes Consul service Billing in, behind its port 80/TCP http',
        'no EndpointSlice of the Service targets a pod',
      ],
    });
  });

  it.each([
    ['asks for its pods', asking, 'the Service asks for its pods to be registered as orders'],
    [
      'takes instances in',
      service({ annotations: annotations({ import: 'Billing' }) }),
      'the Service takes Consul service Billing in, behind its port 80/TCP http',
    ],
  ])('has a note where a Service %s and nothing is registered at all', async (_, given, rule) => {
    const explanation = await explain({ services: [given], toConsul: { enabled: false } });
    expect(explanation?.decision).toEqual({ rule, notes: ['toConsul.enabled is false: nothing is registered'] });
    expect(explanation?.pods).toEqual([]);
  });

  it('says nothing of Consul services where nothing is mirrored', async () => {
    const given = { services: [service({ annotations: annotations({ import: 'Billing' }) })], foreign: [instance()] };
    const explanation = await explain({ ...given, toKubernetes: { enabled: false } });
    expect(explanation?.decision.rule).toContain('the Service asks for nothing');
    expect([explanation?.imported, changes(explanation)]).toEqual([[], []]);
  });
});

describe('the pods of a Service', () => {
  it('are told with what would be done for the Service, and no more', async () => {
    const pods = [podNamed('a'), pod({ name: 'b', uid: 'uid-of-b', podIPs: ['10.1.0.8'] })];
    const slices = [behind('orders-1', 'a', 'b')];
    const explanation = await explain({ pods, services: [asking], slices });
    expect(explanation?.pods.map(({ pod, says }) => `${pod}: ${says}`)).toEqual([
      'shop/a: 0 in Consul, 1 to create: the pod is Ready',
      'shop/b: 0 in Consul, 1 to create: the pod is Ready',
    ]);
    expect(explanation?.changes).toMatchObject([
      { action: 'create', object: 'k8s-prod--worker-1/prod.shop.b:orders:8080' },
    ]);
  });

  it.each([
    ['they are no longer behind it', [podNamed('a', { annotations: strings() })], ['remove ServiceInstance']],
    ['they are gone and nobody saw it', [], ['unproven ServiceInstance']],
  ])('lose what it asked for when %s', async (_, pods, expected) => {
    const services = [{ ...asking, annotations: strings() }];
    expect(changes(await explain({ pods, services, observed: [registeredFor('a')] }))).toEqual(expected);
  });

  it('keep what they have while its annotations are broken, and it says what is wrong', async () => {
    const services = [service({ annotations: annotations({ 'service-sync': 'true', 'service-weight': 'x' }) })];
    const given = { pods: [podNamed('a', { annotations: strings() })], services, slices: [behind('orders-1', 'a')] };
    const explanation = await explain({ ...given, observed: [registeredFor('a')] });
    expect(changes(explanation)).toEqual(['held ServiceInstance']);
    expect(explanation?.rejections).toMatchObject([{ object: 'Service shop/orders', reason: 'InvalidAnnotation' }]);
    expect(explanation?.pods[0]?.says).toBe(
      '1 in Consul, 1 held: the pod is Ready, but something about it is wrong: what is in Consul for that is kept unchanged (held)',
    );
  });

  it('are none of the pods that an address belongs to by itself', async () => {
    const slices = [slice({ endpoints: [endpoint('192.0.2.7')] })];
    const explanation = await explain({ services: [asking], slices });
    expect(explanation?.rejections).toMatchObject([{ object: 'Service shop/orders', reason: 'NoPod' }]);
    expect(explanation?.decision.notes).toEqual(['no EndpointSlice of the Service targets a pod']);
  });
});

describe('a Service and the Consul service of its name', () => {
  const billing = { name: 'billing', selector: strings() };
  const ours = { ...billing, labels: marked(), annotations: strings({ [ANNOTATION.consulService]: 'billing' }) };

  it('shows what a Service of ours lacks', async () => {
    const explanation = await explain({ services: [service(ours)], foreign: [instance()] }, 'shop/billing');
    expect(explanation?.decision.rule).toBe("the Service is Consular's own, mirrored from Consul service billing");
    expect(changes(explanation)).toContain('create EndpointSlice');
  });

  it('shows that a Service of ours goes when Consul has nothing of that name any more', async () => {
    expect(changes(await explain({ services: [service(ours)] }, 'shop/billing'))).toContain('remove Service');
  });

  it('shows that a Service of ours stays as it is where nothing can be written', async () => {
    const explanation = await explain({ services: [service(ours)], closed: ['shop'] }, 'shop/billing');
    const why = 'it stays as it is: nothing can be written into its namespace: there is no such namespace';
    expect([explanation?.decision.notes, changes(explanation)]).toEqual([[why], []]);
  });

  it('names the deletion of a Service of ours that a finalizer holds, and deletes it no second time', async () => {
    const going = service({ ...ours, deletionTimestamp: '2026-01-02T03:04:05Z' });
    const note =
      'the Service is one which is being deleted since 2026-01-02T03:04:05Z and is held by a finalizer: it is made anew when it is gone, if Consul has instances then';
    const explanation = await explain({ services: [going] }, 'shop/billing');
    expect(explanation?.found).toContainEqual({ what: 'deletion', value: '2026-01-02T03:04:05Z' });
    expect([explanation?.decision.notes, changes(explanation)]).toEqual([[note], []]);
  });

  it('shows that a Service of somebody else is in the way', async () => {
    const explanation = await explain({ services: [service(billing)], foreign: [instance()] }, 'shop/billing');
    expect(explanation?.rejections).toMatchObject([{ object: 'Service shop/billing', reason: 'NameConflict' }]);
  });

  it('says nothing of a Service of that name where the Consul service is not mirrored', async () => {
    const given = { services: [service({ ...billing, namespace: 'web' })], foreign: [instance()] };
    expect(await explain(given, 'web/billing')).toMatchObject({ changes: [], rejections: [] });
  });
});
