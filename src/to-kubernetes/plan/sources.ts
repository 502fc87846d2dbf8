import { locationOf } from '../../address.ts';
import type { Owner } from '../../mark.ts';
import type { ToKubernetesConfig } from '../../config/schema.ts';
import type { Views, Catalog } from '../views.ts';
import { OwnObjects } from '../observed/own-objects.ts';
import { Addresses } from '../addresses/addresses.ts';
import { KnownPods } from '../istio/known-pods.ts';
import { Leftovers } from '../observed/leftovers.ts';
import type { Protocol, Service } from '../../kubernetes/objects.ts';
import type { ManagementEntries } from '../requests/management-entries.ts';
import { consulServiceOf } from '../requests/tag-services.ts';
import { instancesToMirror, isNamed } from '../requests/selection.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import { mirror, type MirroredEndpoint, type Mirroring, type RefusedInstance } from '../desired/mirrored-service.ts';
import { PORT_NAMES, type MirroredPorts } from '../desired/mirrored-ports.ts';
import { PROTOCOLS } from '../../consul/protocol.ts';
import type { Place } from '../objects/ports.ts';
import { modeOf, type Mode } from '../objects/service.ts';
import { wishedMode } from '../istio/wished-mode.ts';

/** What a plan is made from. */
export interface PlanSources {
  readonly owner: Owner;
  readonly config: ToKubernetesConfig;
  readonly views: Views;
  readonly catalog: Catalog;
  readonly own: OwnObjects;
  readonly addresses: Addresses;
  readonly pods: KnownPods;
  readonly leftovers: Leftovers;
  readonly refusals: Refusals;
  readonly management: Pick<ManagementEntries, 'markOf'>;
}

/** What the API server answered when an endpoint was to be written. */
export interface Refusal {
  readonly why: string;
  /** True when it is to be tried again. */
  readonly isDue: boolean;
  /** When it was refused alone the last time, in milliseconds; undefined when only others were, which stood for it. */
  readonly askedAt: number | undefined;
}

/** Endpoints that the API server refused when they were written. */
export interface Refusals {
  of(kind: 'EndpointSlice' | 'Endpoints', namespace: string, serviceName: string, place: Place): Refusal | undefined;
}

/** Of those who write nothing. */
export const NO_REFUSALS: Refusals = { of: () => undefined };

/**
 * Without the endpoints that the API server refuses: these are told as whatever else cannot be one.
 * @param protocol of the port that they are behind; their own by default
 */
export function withoutRefused<M extends Mirroring>(
  { refusals }: Pick<PlanSources, 'refusals'>,
  mirroring: M,
  namespace: string,
  serviceName: string,
  protocol?: Protocol,
): M {
  const { mirrored, refused } = mirroring;
  const found = new Map(
    mirrored.endpoints.flatMap((endpoint) => {
      const place = { ...endpoint, protocol: protocol ?? endpoint.protocol };
      const refusal = refusals.of('EndpointSlice', namespace, serviceName, place);
      return refusal ? [[endpoint, refusal]] : [];
    }),
  );
  if (found.size === 0) return mirroring;
  const reasons = [...found].map(([endpoint, refusal]) => refusedInstance(endpoint, refusalText(refusal)));
  const endpoints = mirrored.endpoints.filter((endpoint) => found.get(endpoint)?.isDue !== false);
  return { ...mirroring, mirrored: { ...mirrored, endpoints }, refused: [...refused, ...reasons] };
}

/** Why an endpoint cannot be one, in one clause. */
export function refusalText({ why, askedAt }: Refusal): string {
  return `the API server ${askedAt === undefined ? 'refused it together with others' : 'refuses it'}: ${why}`;
}

/** @param reason why it cannot be an endpoint */
export function refusedInstance({ instance, address, port }: MirroredEndpoint, reason: string): RefusedInstance {
  const lost = `one at ${locationOf(address, port)} that Consul does not show`;
  return { instance: instance ? `${instance.node}/${instance.id}` : lost, reason };
}

export interface ModedMirroring extends Mirroring {
  /** The mode that it should be in. */
  readonly mode: Mode;
}

/** The instances that Kubernetes should see of a Consul service that no Service asks for: no management entries. */
export function mirroredInstances(sources: PlanSources, name: string): ServiceInstance[] {
  const foreign = importedInstances(sources, name);
  return isNamed(sources.config, consulServiceOf(sources.config.tagServices, name))
    ? foreign
    : foreign.filter((instance) => sources.management.markOf(instance) === undefined);
}

/** The same where a Service asks for it: all that live outside Kubernetes. */
export function importedInstances({ owner, config, catalog }: PlanSources, name: string): ServiceInstance[] {
  return instancesToMirror(catalog.instances(name) ?? [], owner.cluster, config);
}

/** @param observed the Service that has the name: ours, or a released one whose addresses are kept */
export function mirrorOf(
  { config, catalog, addresses }: PlanSources,
  name: string,
  foreign: readonly ServiceInstance[],
  observed: Service | undefined,
): ModedMirroring {
  const mirroring = mirror(catalog.spelling(name), foreign, config, observed, addresses.network());
  // Those that are missing may say something else, and where there is none nobody does: what was chosen stays.
  if (observed && (!catalog.isComplete(name) || foreign.length === 0)) return asChosen(mirroring, observed);
  // Istio lets no headless Service select WorkloadEntries.
  const mode = mirroring.mirrored.shape.headless ? 'service' : wishedMode(mirroring.voters, config.mode);
  return { mode, ...mirroring };
}

function asChosen(mirroring: Mirroring, observed: Service): ModedMirroring {
  const { mirrored } = mirroring;
  const ports = PROTOCOLS.flatMap((protocol): MirroredPorts[] => {
    const { main, alias } = PORT_NAMES[protocol];
    const port = (portName: string) => observed.ports.find(({ name }) => name === portName);
    const [now, chosen] = [mirrored.ports.find((of) => of.protocol === protocol), port(main)];
    if (!chosen) return now ? [now] : [];
    const { port: number, appProtocol } = chosen;
    return [{ protocol, main: number, alias: port(alias)?.port, ...now, appProtocol }];
  });
  return { ...mirroring, mirrored: { ...mirrored, ports }, mode: modeOf(observed) };
}
