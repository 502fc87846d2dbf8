import { selects } from '../config/pattern.ts';
import type { ToKubernetesConfig } from '../config/schema.ts';
import type { ServiceInstance } from '../consul/types.ts';
import { cameFromKubernetes } from '../reconcile/mark.ts';

/** Names that are never mirrored: Consul's and Consular's own, and what belongs to a service rather than being one. */
export function isNeverMirrored(name: string): boolean {
  return name === 'consul' || name === 'consular' || /-(management|sidecar-proxy)$/.test(name);
}

/** Lower-case names that are worth reading at all. */
export function isCandidate({ services }: Pick<ToKubernetesConfig, 'services'>, name: string): boolean {
  return !isNeverMirrored(name) && selects(services, name);
}

/**
 * The instances that live outside Kubernetes: not registered by Consular (of any cluster) or by consul-k8s, no proxy or
 * gateway, and not at an address and port that we registered. A pod that registers itself is one of them.
 */
export function foreignInstances(instances: readonly ServiceInstance[]): ServiceInstance[] {
  const ours = new Set(instances.filter(({ meta }) => cameFromKubernetes(meta)).map(locationOf));
  return instances.filter(
    (instance) => instance.kind === '' && !cameFromKubernetes(instance.meta) && !ours.has(locationOf(instance)),
  );
}

function locationOf({ address, nodeAddress, port }: ServiceInstance): string {
  return `${(address || nodeAddress).toLowerCase()} ${port}`;
}
