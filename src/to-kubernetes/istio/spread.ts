import type { MirroredEndpoint } from '../desired/mirrored-service.ts';
import type { Mode } from '../objects/service.ts';

/** Which objects the endpoints of a service are written to. kube-proxy reads both kinds of slices, Istio the plain ones only. */
export interface Spread {
  readonly plain: readonly MirroredEndpoint[];
  readonly hiddenFromIstio: readonly MirroredEndpoint[];
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
 * | istio                          | pods, UDP    | all others                    | all others      |
 * | both, while a Service switches | all          | all but these                 | all but these   |
 */
export function spreadOf(
  endpoints: readonly MirroredEndpoint[],
  modes: readonly Mode[],
  { slices, isPod }: SpreadOptions,
): Spread {
  const isForEntry = ({ address, protocol }: MirroredEndpoint) => protocol === 'TCP' && !isPod(address);
  const others = modes.includes('istio') ? endpoints.filter(isForEntry) : [];
  return {
    plain: modes.includes('service') ? endpoints : endpoints.filter((endpoint) => !isForEntry(endpoint)),
    hiddenFromIstio: slices ? others : [],
    entries: others,
  };
}
