import type {
  Endpoint,
  Endpoints,
  EndpointPort,
  EndpointSlice,
  EndpointSubset,
  KubernetesObject,
  Service,
  ServicePort,
  WorkloadEntry,
} from '../../kubernetes/objects.ts';
import { ANNOTATION, LABEL, SLICE_MANAGER } from '../../mark.ts';
import type { DesiredEndpoints } from './endpoints.ts';
import { writeHosts } from './hosts-annotation.ts';
import { workloadSelector, type DesiredService } from './service.ts';
import type { DesiredSlice } from './slice.ts';
import type { DesiredWorkloadEntry } from './workload-entry.ts';

/** One field of an object that is not as it should be, as text for people. */
export interface Difference {
  readonly field: string;
  readonly desired: string;
  readonly observed: string;
}

/** A field as it should be and as it is; undefined where it is not there. */
type Pair = readonly [field: string, desired: string | undefined, observed: string | undefined];
type Texts = ReadonlyMap<string, string>;

/** Field by field what `sameService` compares. */
export function serviceDifferences(desired: DesiredService, observed: Service): Difference[] {
  const { mode, name, shape, ports } = desired;
  const selector = mode === 'istio' ? new Map(Object.entries(workloadSelector(name))) : new Map<string, string>();
  const isDual = observed.ipFamilyPolicy.endsWith('DualStack');
  return differing([
    ['type', 'ClusterIP', observed.type],
    ['selector', textOf(selector), textOf(observed.selector)],
    [
      'ipFamilyPolicy',
      shape.dualStack && !isDual ? 'PreferDualStack' : observed.ipFamilyPolicy,
      observed.ipFamilyPolicy,
    ],
    ...pairs('port', byPort(ports), byPort(observed.ports)),
    annotation(ANNOTATION.consulService, desired.consulService, observed),
    annotation(ANNOTATION.portChoice, desired.portChoice, observed),
    annotation(ANNOTATION.consulK8sSync, 'false', observed),
    annotation(ANNOTATION.consulTags, desired.tags ?? undefined, observed),
  ]);
}

/** Field by field what `sameSlice` compares. */
export function sliceDifferences(desired: DesiredSlice, observed: EndpointSlice): Difference[] {
  const wanted = desired.endpoints.map(
    ({ address, zone, ready = true }) => [address, inZone(ready ? 'ready' : 'not ready, not serving', zone)] as const,
  );
  const found = observed.endpoints.map((endpoint) => [endpoint.address, textOfEndpoint(endpoint)] as const);
  return differing([
    label(LABEL.sliceManagedBy, SLICE_MANAGER, observed),
    label(LABEL.headless, desired.headless ? '' : undefined, observed),
    annotation(ANNOTATION.hosts, writeHosts(desired.endpoints) ?? undefined, observed),
    ...pairs('port', byPort(desired.ports), byPort(observed.ports)),
    ...pairs('endpoint', new Map(wanted), new Map(found)),
  ]);
}

/** Field by field what `sameEndpoints` compares. */
export function endpointsDifferences(desired: DesiredEndpoints, observed: Endpoints): Difference[] {
  const { headless, truncated, subsets } = desired;
  return differing([
    label(LABEL.skipMirror, 'true', observed),
    label(LABEL.headless, headless ? '' : undefined, observed),
    annotation(ANNOTATION.overCapacity, truncated ? 'truncated' : undefined, observed),
    ...pairs('address', byAddress(subsets), byAddress(observed.subsets)),
  ]);
}

/** Field by field what `sameWorkloadEntry` compares. */
export function workloadEntryDifferences(desired: DesiredWorkloadEntry, observed: WorkloadEntry): Difference[] {
  const { address, locality, weight, serviceAccount, ports, labels } = desired;
  const numbers = (of: ReadonlyMap<string, number>) => new Map([...of].map(([name, port]) => [name, String(port)]));
  return differing([
    ['address', address, observed.address],
    ['locality', locality, observed.locality],
    ['weight', String(weight), String(observed.weight ?? 1)],
    ['serviceAccount', serviceAccount, observed.serviceAccount],
    annotation(ANNOTATION.hosts, writeHosts([desired]) ?? undefined, observed),
    ...pairs('port', numbers(ports), numbers(observed.ports)),
    ...pairs('spec.labels', labels, observed.workloadLabels),
    ...[...labels].map(([key, value]) => label(key, value, observed)),
  ]);
}

function differing(pairs: readonly Pair[]): Difference[] {
  return pairs
    .filter(([, desired, observed]) => desired !== observed)
    .map(([field, desired, observed]) => ({ field, desired: shown(desired), observed: shown(observed) }));
}

function shown(text: string | undefined): string {
  if (text === undefined) return '(none)';
  return text === '' ? '(empty)' : text;
}

function pairs(what: string, desired: Texts, observed: Texts): Pair[] {
  const keys = new Set([...desired.keys(), ...observed.keys()]);
  return [...keys].map((key) => [`${what} ${key}`, desired.get(key), observed.get(key)]);
}

function label(key: string, desired: string | undefined, { labels }: KubernetesObject): Pair {
  return [`label ${key}`, desired, labels.get(key)];
}

function annotation(key: string, desired: string | undefined, { annotations }: KubernetesObject): Pair {
  return [`annotation ${key}`, desired, annotations.get(key)];
}

function textOf(map: Texts): string | undefined {
  return map.size === 0 ? undefined : [...map].map(([key, value]) => `${key}=${value}`).join(',');
}

/** By its name and place in the list, which counts too. */
function byPort(ports: readonly (EndpointPort | ServicePort)[]): Texts {
  return new Map(
    ports.map((port, i) => {
      const { name, protocol, appProtocol } = port;
      const target = 'targetPort' in port ? ` to ${port.targetPort}` : '';
      const spoken = appProtocol === '' ? '' : `, ${appProtocol}`;
      return [String(i + 1), `${name} ${port.port}/${protocol}${target}${spoken}`];
    }),
  );
}

function textOfEndpoint({ ready, serving, terminating, zone, target }: Endpoint): string {
  const conditions = [
    ready ? 'ready' : 'not ready',
    ...(serving ? [] : ['not serving']),
    ...(terminating ? ['terminating'] : []),
  ];
  return inZone(conditions.join(', '), zone) + (target ? `, of ${target.kind} ${target.name}` : '');
}

function inZone(text: string, zone: string): string {
  return zone === '' ? text : `${text} in zone ${zone}`;
}

/** With the subset that it is in, as each says which ports its addresses have. */
function byAddress(subsets: readonly EndpointSubset[]): Texts {
  return new Map(
    subsets.flatMap(({ addresses, ports }, i) =>
      addresses.map((address, j): [string, string] => [
        `${address} in subset ${i + 1}`,
        `${j + 1}. of ${[...byPort(ports).values()].join('; ')}`,
      ]),
    ),
  );
}
