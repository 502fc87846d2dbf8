import type { ControlPlane } from '../control-plane/index.ts';

export const CLUSTER = 'demo';
/** Short, so that nobody has to wait for a mirrored Service to go. */
export const REMOVAL_GRACE = '2s';

export function settings({ kubernetes, consul }: ControlPlane): object {
  return {
    cluster: CLUSTER,
    kubernetes: { kubeconfig: kubernetes.kubeconfig },
    consul: { address: consul.address },
    toKubernetes: { removalGrace: REMOVAL_GRACE },
  };
}
