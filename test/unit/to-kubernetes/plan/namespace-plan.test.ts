import { describe, expect, it } from '@jest/globals';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import {
  SERVICE_NAME_LABEL,
  type Endpoints,
  type EndpointSlice,
  type Service,
} from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION, LABEL, SLICE_MANAGER } from '../../../../src/mark.ts';
import type { DesiredSlice } from '../../../../src/to-kubernetes/objects/slice.ts';
import type { NamespacePlan } from '../../../../src/to-kubernetes/plan/namespace-plan.ts';
import { toHashedServiceName } from '../../../../src/to-kubernetes/names/service-name.ts';
import {
  endpoint,
  endpointPort,
  instance,
  marked,
  owner,
  service,
  servicePort,
  slice,
  strings,
  toKubernetesConfig,
} from '../../builders.ts';
import { Planner } from '../../../../src/to-kubernetes/plan/planner.ts';
import type { Refusals } from '../../../../src/to-kubernetes/plan/sources.ts';
import { catalogOf, NO_HOSTS, views } from '../views.ts';
import { importing, shown, stage } from '../imports/stage.ts';
import { workloadSelector } from '../../../../src/to-kubernetes/objects/service.ts';

const NOTHING = { create: [], update: [], remove: [] };
const vm = (last: number, overrides: Partial<ServiceInstance> = {}) =>
  instance({ node: `vm-${last}`, id: `billing-${last}`, address: `10.20.0.${last}`, ...overrides });

/** What is to become of Consul service Billing in the namespace shop; undefined when nothing is. */
function planOf(
  services: readonly Service[],
  instances: readonly ServiceInstance[],
  slices: readonly EndpointSlice[] = [],
  expired = false,
): NamespacePlan | undefined {
  return stage(services, instances, slices).mirrors.plan('billing', expired).namespaces[0];
}

describe('an endpoint that the API server refuses', () => {
  const planWith = (refusals: Refusals) => {
    const consul = new Map([['billing', [vm(1), vm(2)]]]);
    const config = toKubernetesConfig({ namespaces: ['shop'] });
    const planner = new Planner(owner, config, views({}), catalogOf(consul), NO_HOSTS, refusals);
    const [plan] = planner.plan('billing', false).namespaces;
    if (!plan) throw new Error('expected a plan');
    const { slices, endpoints, problems } = plan;
    return {
      slices: slices.create.flatMap(({ endpoints }) => endpoints.map(({ address }) => address)),
      endpoints: endpoints.create.flatMap(({ subsets }) => subsets.flatMap(({ addresses }) => addresses)),
      problems: problems.map(({ message }) => message),
    };
  };
  const refusing = (isDue: boolean, refusedKinds: string, isAsked = true): Refusals => ({
    of: (kind, _namespace, _service, { address }) =>
      refusedKinds.split(' ').includes(kind) && address === '10.20.0.2'
        ? { why: 'not here', isDue, askedAt: isAsked ? 0 : undefined }
        : undefined,
  });
  const [one, both] = [['10.20.0.1'], ['10.20.0.1', '10.20.0.2']];
  const tells = (reason: string) => [
    `1 instance of Consul service billing cannot be an endpoint: vm-2/billing-2: ${reason}: not here`,
  ];
  const told = tells('the API server refuses it');

  it.each([
    ['is left out, and told', refusing(false, 'EndpointSlice'), { slices: one, endpoints: one, problems: told }],
    [
      'is tried when it is due, and told still',
      refusing(true, 'EndpointSlice'),
      { slices: both, endpoints: both, problems: told },
    ],
    [
      'in v1 Endpoints only is left out there, and told',
      refusing(false, 'Endpoints'),
      { slices: both, endpoints: one, problems: tells('in v1 Endpoints the API server refuses it') },
    ],
    [
      'in both kinds with the same words is told once',
      refusing(true, 'EndpointSlice Endpoints'),
      { slices: both, endpoints: both, problems: told },
    ],
    [
      'together with others, and not alone yet, is told so',
      refusing(false, 'EndpointSlice', false),
      { slices: one, endpoints: one, problems: tells('the API server refused it together with others') },
    ],
  ])('%s', (_, refusals, expected) => {
    expect(planWith(refusals)).toEqual(expected);
  });

  it('in both kinds with other words is one instance, told with both', () => {
    const refusals: Refusals = {
      of: (kind, _namespace, _service, { address }) =>
        address === '10.20.0.2' ? { why: `no ${kind}`, isDue: true, askedAt: 0 } : undefined,
    };
    expect(planWith(refusals).problems).toEqual([
      '1 instance of Consul service billing cannot be an endpoint: vm-2/billing-2: the API server refuses it: no EndpointSlice; in v1 Endpoints the API server refuses it: no Endpoints',
    ]);
  });
});

describe('a Service that was made while no instance was an endpoint', () => {
  const made = (choice: string) =>
    service({
      ...{ name: 'billing', selector: strings(), labels: marked() },
      annotations: strings({ [ANNOTATION.consulService]: 'Billing', [ANNOTATION.portChoice]: choice }),
    });
  const headless = vm(1, { meta: strings({ 'consular-headless': 'true' }) });
  const filled = slice({
    ...{ name: 'billing-x', labels: marked(owner.cluster, { [SERVICE_NAME_LABEL]: 'billing' }) },
    annotations: strings({ [ANNOTATION.consulService]: 'Billing' }),
    endpoints: [endpoint('10.20.0.1')],
  });

  const letGo = service({ name: 'billing', uid: filled.ownerUid, selector: strings() });

  it('goes, to be made anew, when its first endpoint wants it headless', () => {
    const guessed = made('80,8080?');
    const plan = planOf([guessed], [headless]);
    expect(plan).toMatchObject({ service: { create: [], update: [], remove: [guessed] }, slices: NOTHING });
    expect(planOf([], [headless])?.service.create).toMatchObject([{ shape: { headless: true }, portChoice: '8080' }]);
  });

  it.each<[string, Service, ServiceInstance[], EndpointSlice[]]>([
    ['was made with an endpoint', made('80,8080'), [headless], []],
    ['has no endpoint yet', made('80,8080?'), [{ ...headless, status: 'critical' }], []],
    ['has the shape already', made('80,8080?'), [vm(1)], []],
    ['has endpoints, although the choice could not be written', made('80,8080?'), [headless], [filled]],
    ['is going already', { ...made('80,8080?'), deletionTimestamp: '2026-10-20T10:00:00Z' }, [headless], []],
    ['was let go by its owner', letGo, [headless], [{ ...filled, endpoints: [] }]],
  ])('stays when it %s, and so does what it has', (_, guessed, instances, slices) => {
    const plan = planOf([guessed], instances, slices);
    expect([plan?.service.remove ?? [], plan?.slices.remove ?? []]).toEqual([[], []]);
  });

  it('stays while Consul may have lost instances', () => {
    const { given, mirrors } = stage([made('80,8080?')], [headless]);
    given.isComplete = false;
    const [plan] = mirrors.plan('billing', false).namespaces;
    expect(plan).toMatchObject({ service: { remove: [] }, slices: { create: [expect.anything()] } });
  });
});

describe('the slices of a mirrored Service that was handed over to an import of the same', () => {
  /** The Service as it is now: somebody's own. */
  const handedOver = importing({}, { name: 'billing', selector: strings() });

  const ofService = (name: string) =>
    marked(owner.cluster, { [SERVICE_NAME_LABEL]: name, [LABEL.sliceManagedBy]: SLICE_MANAGER });

  /** What the mirrored Service had for its instances, as Kubernetes has it. */
  function mirroredSlices(instances: readonly ServiceInstance[]): EndpointSlice[] {
    const written = ({ name, addressType, ports, endpoints, consulService }: DesiredSlice) =>
      slice({
        ...{ name, uid: `uid-of-${name}`, addressType, ports, ownerUid: handedOver.uid },
        labels: ofService('billing'),
        annotations: strings({ [ANNOTATION.consulService]: consulService }),
        endpoints: endpoints.map(({ address }) => endpoint(address)),
      });
    const slices = planOf([], instances)?.slices.create.map(written) ?? [];
    if (slices.length === 0) throw new Error('expected the slices of a mirrored Service');
    return slices;
  }

  /** A slice of the import, with these endpoints. */
  const other = (addresses: readonly number[], overrides: Partial<EndpointSlice> = {}) =>
    slice({
      name: 'billing-import',
      labels: ofService('billing'),
      annotations: strings({ [ANNOTATION.importedFrom]: 'Billing' }),
      endpoints: addresses.map((last) => endpoint(`10.20.0.${last}`)),
      ...overrides,
    });

  const two = [vm(1), vm(2)];
  const twoPorts = [vm(1), vm(1, { id: 'billing-admin', port: 9090 })];
  const at9090 = { name: 'billing-9090', ports: [endpointPort({ port: 9090 })] };
  const ofAnother = { name: 'orders-import', labels: ofService('orders') };
  const byHand = { labels: strings({ [SERVICE_NAME_LABEL]: 'billing' }), annotations: strings() };

  it.each<[string, readonly ServiceInstance[], readonly EndpointSlice[]]>([
    ['in no other slice of it', two, []],
    ['in a slice of the import that is still empty', two, [other([])]],
    ['in a slice of the import in part', two, [other([1])]],
    ['in a slice of the import at another port', two, [other([1, 2], at9090)]],
    ['in a slice of the import at one of their ports', twoPorts, [other([1])]],
    ['in a slice of another Service', two, [other([1, 2], ofAnother)]],
    [
      'in a slice of the import in part, and the rest in a slice of another Service',
      two,
      [other([1]), other([2], ofAnother)],
    ],
    ['in a slice of that name in another namespace', two, [other([1, 2], { namespace: 'warehouse' })]],
  ])('stay while their endpoints are %s', (_, instances, others) => {
    const plan = planOf([handedOver], instances, [...mirroredSlices(instances), ...others]);
    expect(plan).toMatchObject({ conflict: undefined, service: NOTHING, slices: NOTHING });
  });

  it.each<[string, readonly ServiceInstance[], readonly EndpointSlice[]]>([
    ['in a slice of the import', two, [other([1, 2])]],
    ['in a slice that somebody made', two, [other([1, 2], byHand)]],
    ['in a slice of the import with more', two, [other([3, 2, 1])]],
    [
      'in slices of the import and of somebody else',
      two,
      [other([1]), other([2], { ...byHand, name: 'billing-by-hand' })],
    ],
    ['in slices of the import, each at its port', twoPorts, [other([1]), other([1], at9090)]],
  ])('go when all their endpoints are %s', (_, instances, others) => {
    const slices = mirroredSlices(instances);
    const plan = planOf([handedOver], instances, [...slices, ...others]);
    expect(plan).toMatchObject({ conflict: undefined, service: NOTHING, slices: { ...NOTHING, remove: slices } });
  });

  it('stay beside those of the import until the second port is taken out of the Service', () => {
    const withPorts = (...names: string[]) =>
      importing(
        {},
        {
          ...handedOver,
          ports: names.map((name) => servicePort({ name, port: name === 'main' ? 80 : 8080 })),
          resourceVersion: String(100 + names.length),
        },
      );
    const slices = mirroredSlices(two);
    const { apply, plan, mirrors, views } = stage([withPorts('main', 'alias')], two, slices);
    const mirroredPlan = () => mirrors.plan('billing', false).namespaces[0]?.slices ?? NOTHING;
    expect(mirroredPlan()).toEqual(NOTHING);
    apply(plan('shop/billing'));
    expect([...views.endpointSlices.values()].map(({ ports }) => ports.map(({ name }) => name))).toEqual([
      ['main', 'alias'],
      ['main'],
    ]);
    expect(mirroredPlan()).toEqual(NOTHING);
    expect(shown(plan('shop/billing'))).toEqual([]);
    views.services.replace(new Map([['shop/billing', withPorts('main')]]));
    expect(mirroredPlan()).toEqual({ ...NOTHING, remove: slices });
    expect(shown(plan('shop/billing'))).toEqual([]);
  });

  it('stay without any endpoints until there is another slice of it', () => {
    const dead = [vm(1, { status: 'critical' })];
    const empty = mirroredSlices([vm(1)]).map((observed) => ({ ...observed, endpoints: [] }));
    expect(planOf([handedOver], dead, empty)?.slices).toEqual(NOTHING);
    expect(planOf([handedOver], dead, [...empty, other([])])?.slices).toEqual({ ...NOTHING, remove: empty });
  });
});

describe('a Service that was let go while no instance was healthy, so that it has v1 Endpoints only', () => {
  const letGo = service({
    name: 'billing',
    labels: strings({ [LABEL.cluster]: owner.cluster }),
    annotations: strings({ [ANNOTATION.consulService]: 'Billing' }),
    selector: strings(),
  });
  const endpointsOf = (ownerUid: string): Endpoints => ({
    ...{ namespace: 'shop', name: 'billing', uid: 'uid-of-endpoints', resourceVersion: '1', deletionTimestamp: '' },
    labels: marked(owner.cluster, { [LABEL.skipMirror]: 'true' }),
    annotations: strings({ [ANNOTATION.consulService]: 'Billing' }),
    ...{ subsets: [], ownerUid },
  });

  function planWith(observed: Endpoints, instances: readonly ServiceInstance[]): NamespacePlan | undefined {
    const { views, mirrors } = stage([letGo], instances);
    views.endpoints.get('shop')?.put(observed);
    return mirrors.plan('billing', false).namespaces[0];
  }

  it('keeps them, and gets its endpoints when instances are healthy again', () => {
    const observed = endpointsOf(letGo.uid);
    expect(planWith(observed, [vm(1, { status: 'critical' })])).toMatchObject({ slices: NOTHING, endpoints: NOTHING });
    const plan = planWith(observed, [vm(1), vm(2)]);
    expect(plan).toMatchObject({ conflict: letGo, service: NOTHING });
    expect(plan?.slices.create.map(({ endpoints }) => endpoints.map(({ address }) => address))).toEqual([
      ['10.20.0.1', '10.20.0.2'],
    ]);
    expect(plan?.endpoints.update.map(({ desired }) => desired.subsets[0]?.addresses)).toEqual([
      ['10.20.0.1', '10.20.0.2'],
    ]);
  });

  it("is somebody else's when they belong to an earlier Service of that name", () => {
    const observed = endpointsOf('uid-of-another');
    expect(planWith(observed, [vm(1)])).toMatchObject({
      ...{ conflict: letGo, service: NOTHING, slices: NOTHING },
      endpoints: { ...NOTHING, remove: [observed] },
    });
  });
});

describe('a Service with the marks of Consular, when the Consul service is gone for good', () => {
  const ofBilling = (overrides: Partial<Service>) =>
    service({
      name: 'billing',
      labels: marked(),
      annotations: strings({ [ANNOTATION.consulService]: 'Billing' }),
      selector: strings(),
      ...overrides,
    });
  const removed = (observed: Service, expired = true) => planOf([observed], [], [], expired)?.service.remove ?? [];
  const hashed = toHashedServiceName('billing');

  it.each<[string, Partial<Service>]>([
    ['the name that it gets and no selector', {}],
    ['the name that it gets beside another and no selector', { name: hashed }],
    ['the selector of its WorkloadEntries', { selector: strings({ ...workloadSelector('billing') }) }],
    [
      'the name that it gets beside another and the selector of its WorkloadEntries',
      { name: hashed, selector: strings({ ...workloadSelector(hashed) }) },
    ],
  ])('goes with %s', (_, overrides) => {
    const observed = ofBilling(overrides);
    expect(removed(observed)).toEqual([observed]);
    expect(removed(observed, false)).toEqual([]);
  });

  it.each<[string, Partial<Service>]>([
    ['a name of its own', { name: 'billing-canary' }],
    ['a name with a hash of its own', { name: 'billing-0123abcd' }],
    ['a selector of its own', { selector: strings({ app: 'billing' }) }],
    ['a name and a selector of its own', { name: 'billing-canary', selector: strings({ app: 'billing' }) }],
    ['the selector of the WorkloadEntries of another', { selector: strings({ ...workloadSelector('orders') }) }],
    [
      'more in the selector than its WorkloadEntries have',
      { selector: strings({ ...workloadSelector('billing'), app: 'billing' }) },
    ],
  ])('stays with %s', (_, overrides) => {
    expect(removed(ofBilling(overrides))).toEqual([]);
  });
});
