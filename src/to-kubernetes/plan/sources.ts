import type { Owner } from '../../mark.ts';
import type { ToKubernetesConfig } from '../../config/schema.ts';
import type { Views, Catalog } from '../views.ts';
import { OwnObjects } from '../observed/own-objects.ts';
import { Addresses } from '../addresses/addresses.ts';
import { KnownPods } from '../istio/known-pods.ts';
import { Leftovers } from '../observed/leftovers.ts';
import type { Service } from '../../kubernetes/objects.ts';
import type { ManagementEntries } from '../requests/management-entries.ts';
import { instancesToMirror, isNamed } from '../requests/selection.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import { mirror, type Mirroring } from '../desired/mirrored-service.ts';
import type { Mode } from '../objects/service.ts';
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
  readonly management: Pick<ManagementEntries, 'markOf'>;
}

export interface ModedMirroring extends Mirroring {
  /** The mode that it should be in. */
  readonly mode: Mode;
}

/** The instances that Kubernetes should see of a Consul service that no Service asks for: no management entries. */
export function mirroredInstances(sources: PlanSources, name: string): ServiceInstance[] {
  const foreign = importedInstances(sources, name);
  return isNamed(sources.config, name)
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
  // Istio lets no headless Service select WorkloadEntries.
  const mode = mirroring.mirrored.shape.headless ? 'service' : wishedMode(mirroring.voters, config.mode);
  return { mode, ...mirroring };
}
