import type { Service } from '../kubernetes/objects.ts';
import type { MirroredEndpoint } from './mirrored-service.ts';
import { workloadSelector } from './workload-entries.ts';
import type { Mode } from './workload-mode.ts';

/** Which objects the endpoints of a service are written to. kube-proxy reads both kinds of slices, Istio the plain ones only. */
export interface Spread {
  readonly plain: readonly MirroredEndpoint[];
  readonly passedOver: readonly MirroredEndpoint[];
  readonly entries: readonly MirroredEndpoint[];
}

export interface SpreadOptions {
  /** False in an ambient mesh, which passes over no slice. */
  readonly slices: boolean;
  /** Of pods Istio knows more than we do, and a WorkloadEntry would take the place of the pod's own Services. */
  readonly isPod: (address: string) => boolean;
}

/**
 * | for                            | plain slices | slices that Istio passes over | WorkloadEntries |
 * |--------------------------------|--------------|-------------------------------|-----------------|
 * | service                        | all          | none                          | none            |
 * | istio                          | pods         | all others                    | all others      |
 * | both, while a Service switches | all          | all but pods                  | all but pods    |
 */
export function spreadOf(
  endpoints: readonly MirroredEndpoint[],
  modes: readonly Mode[],
  { slices, isPod }: SpreadOptions,
): Spread {
  const others = modes.includes('istio') ? endpoints.filter(({ address }) => !isPod(address)) : [];
  return {
    plain: modes.includes('service') ? endpoints : endpoints.filter(({ address }) => isPod(address)),
    passedOver: slices ? others : [],
    entries: others,
  };
}

/** The mode that a Service was written for. Whoever adds to the selector makes it one that selects nothing of ours. */
export function modeOf({ name, selector }: Service): Mode {
  const ours = Object.entries(workloadSelector(name));
  return selector.size === ours.length && ours.every(([key, value]) => selector.get(key) === value)
    ? 'istio'
    : 'service';
}
