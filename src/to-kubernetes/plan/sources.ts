import type { Owner } from '../../mark.ts';
import type { ToKubernetesConfig } from '../../config/schema.ts';
import type { Views, Catalog } from '../views.ts';
import { OwnObjects } from '../observed/own-objects.ts';
import { Addresses } from '../addresses/addresses.ts';
import { KnownPods } from '../istio/known-pods.ts';
import { Leftovers } from '../observed/leftovers.ts';
import type { Service } from '../../kubernetes/objects.ts';
import { instancesToMirror } from '../requests/selection.ts';
import { mirror } from '../desired/mirrored-service.ts';
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
}

/** @param present the Service as it is, if it is ours */
export function mirrorOf(
  { owner, config, catalog, addresses }: PlanSources,
  name: string,
  present: Service | undefined,
) {
  const foreign = instancesToMirror(catalog.instances(name) ?? [], owner.cluster, config);
  const mirroring = mirror(catalog.spelling(name), foreign, config, present, addresses.of(name));
  // Istio lets no headless Service select WorkloadEntries.
  const mode = mirroring.mirrored.shape.headless ? ('service' as const) : wishedMode(foreign, config.mode);
  return { mode, ...mirroring };
}
