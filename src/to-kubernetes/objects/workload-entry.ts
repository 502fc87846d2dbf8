import type { ToKubernetesConfig } from '../../config/schema.ts';
import type { WorkloadEntry } from '../../kubernetes/objects.ts';
import { ANNOTATION } from '../../mark.ts';
import { PORT_NAMES } from '../desired/mirrored-ports.ts';
import { endpointPorts } from './ports.ts';
import type { MirroredEndpoint, MirroredService } from '../desired/mirrored-service.ts';
import { writeHosts } from './hosts-annotation.ts';
import { APP_LABEL, labelsOf, localityOf, serviceAccountOf } from './workload-labels.ts';
import { workloadSelector } from './service.ts';
import type { Labels } from './body.ts';

/** An instance as Istio should know it: selected by the Service, found by subsets through its labels. */
export interface DesiredWorkloadEntry {
  readonly name: string;
  readonly consulService: string;
  readonly serviceName: string;
  readonly address: string;
  /** By the target port of the Service, so that each instance has its own number. */
  readonly ports: ReadonlyMap<string, number>;
  readonly labels: ReadonlyMap<string, string>;
  readonly locality: string;
  readonly weight: number;
  /** Empty for an instance without a sidecar. */
  readonly serviceAccount: string;
  /** The host name that the address was resolved from; empty when Consul has the address itself. */
  readonly host: string;
}

/**
 * One for each endpoint: instances at the same address and port are one endpoint already. An endpoint whose instance Consul does
 * not show keeps the entry that it has.
 * @param observed the entries as they are
 */
export function desiredWorkloadEntries(
  serviceName: string,
  mirrored: Pick<MirroredService, 'consulService' | 'ports'>,
  endpoints: readonly MirroredEndpoint[],
  { labels, locality, serviceAccountMeta }: Omit<ToKubernetesConfig['istio'], 'slices'>,
  observed: readonly WorkloadEntry[] = [],
): DesiredWorkloadEntry[] {
  const { consulService } = mirrored;
  return endpoints.map(({ address, port, protocol, host, instance }) => {
    const name = `${serviceName}-${address.replaceAll(':', '-')}-${port}`;
    const place = { name, consulService, serviceName, address, host };
    const kept = instance ? undefined : observed.find((entry) => isAt(entry, address, port));
    if (kept) return { ...place, ...asItIs(kept) };
    return {
      ...place,
      ports: new Map(endpointPorts(mirrored, { port, protocol }).map(({ name }) => [name, port])),
      labels: new Map([
        ...(instance ? labelsOf(instance, labels) : []),
        [APP_LABEL, serviceName],
        ...Object.entries(workloadSelector(serviceName)),
      ]),
      locality: instance ? localityOf(instance, locality) : '',
      // To Istio 0 is as good as nothing said, which is 1.
      weight: Math.max(1, Math.trunc(instance?.weight ?? 1)),
      serviceAccount: instance ? serviceAccountOf(instance, serviceAccountMeta) : '',
    };
  });
}

function isAt(entry: WorkloadEntry, address: string, port: number): boolean {
  return entry.address === address && entry.ports.get(PORT_NAMES.TCP.main) === port;
}

function asItIs({
  ports,
  workloadLabels: labels,
  locality,
  weight = 1,
  serviceAccount,
}: WorkloadEntry): Omit<DesiredWorkloadEntry, 'name' | 'consulService' | 'serviceName' | 'address' | 'host'> {
  return { ports, labels, locality, weight, serviceAccount };
}

/** Its own labels may be more than ours (policies put some on everything), but none that we wrote and no longer want. */
export function sameWorkloadEntry(desired: DesiredWorkloadEntry, observed: WorkloadEntry): boolean {
  return (
    desired.address === observed.address &&
    desired.locality === observed.locality &&
    desired.weight === (observed.weight ?? 1) &&
    desired.serviceAccount === observed.serviceAccount &&
    (observed.annotations.get(ANNOTATION.hosts) ?? null) === writeHosts([desired]) &&
    isSameMap(desired.ports, observed.ports) &&
    isSameMap(desired.labels, observed.workloadLabels) &&
    [...desired.labels].every(([key, value]) => observed.labels.get(key) === value)
  );
}

/** Labels that were ours and are not wanted any more: Istio would take them from either place. */
function outdatedLabels(desired: DesiredWorkloadEntry, observed: WorkloadEntry): string[] {
  return [...observed.workloadLabels.keys()].filter((key) => !desired.labels.has(key));
}

function isSameMap<V>(a: ReadonlyMap<string, V>, b: ReadonlyMap<string, V>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}

/** @param observed the entry as it is, when there is one: a merge patch takes away only what it mentions */
export function workloadEntryBody(
  labels: Labels,
  desired: DesiredWorkloadEntry,
  owner: object,
  observed?: WorkloadEntry,
) {
  const { consulService, address, ports, locality, weight, serviceAccount } = desired;
  const gone = observed ? Object.fromEntries(outdatedLabels(desired, observed).map((key) => [key, null])) : {};
  const portsGone = observed ? [...observed.ports.keys()].filter((name) => !ports.has(name)) : [];
  const nothing = observed ? null : undefined;
  const ofWorkload = Object.fromEntries(desired.labels);
  return {
    metadata: {
      // Versions of Istio differ in which of the two places they read.
      labels: { ...gone, ...ofWorkload, ...labels },
      annotations: { [ANNOTATION.consulService]: consulService, [ANNOTATION.hosts]: writeHosts([desired]) },
      ownerReferences: [owner],
    },
    fields: {
      spec: {
        address,
        ports: { ...Object.fromEntries(portsGone.map((name) => [name, null])), ...Object.fromEntries(ports) },
        labels: { ...gone, ...ofWorkload },
        locality: locality === '' ? nothing : locality,
        weight: weight === 1 ? nothing : weight,
        serviceAccount: serviceAccount === '' ? nothing : serviceAccount,
      },
    },
    immutable: {},
  };
}
