import type { Owner } from '../../mark.ts';
import type { ToKubernetesConfig } from '../../config/schema.ts';
import type { Views, Catalog } from '../views.ts';
import { OwnObjects } from '../observed/own-objects.ts';
import { Addresses } from '../addresses/addresses.ts';
import { KnownPods } from '../istio/known-pods.ts';
import { Leftovers } from '../observed/leftovers.ts';
import type { Service } from '../../kubernetes/objects.ts';
import { instancesToMirror } from '../requests/selection.ts';
import { mirror, type Mirroring } from '../desired/mirrored-service.ts';
import { MAIN_PORT } from '../desired/mirrored-ports.ts';
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
}

export interface ModedMirroring extends Mirroring {
  /** The mode that it should be in. */
  readonly mode: Mode;
}

/** @param observed the Service that has the name: ours, or a released one whose addresses are kept */
export function mirrorOf(
  { owner, config, catalog, addresses }: PlanSources,
  name: string,
  observed: Service | undefined,
): ModedMirroring {
  const foreign = instancesToMirror(catalog.instances(name) ?? [], owner.cluster, config);
  const mirroring = mirror(catalog.spelling(name), foreign, config, observed, addresses.network());
  // Those that are missing may say something else: what they chose stays.
  if (observed && !catalog.isComplete(name)) return asChosen(mirroring, observed);
  // Istio lets no headless Service select WorkloadEntries.
  const mode = mirroring.mirrored.shape.headless ? 'service' : wishedMode(foreign, config.mode);
  return { mode, ...mirroring };
}

function asChosen(mirroring: Mirroring, observed: Service): ModedMirroring {
  const { mirrored } = mirroring;
  const appProtocol = observed.ports.find(({ name }) => name === MAIN_PORT)?.appProtocol ?? mirrored.appProtocol;
  return { ...mirroring, mirrored: { ...mirrored, appProtocol }, mode: modeOf(observed) };
}
