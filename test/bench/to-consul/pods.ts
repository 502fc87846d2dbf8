/** A pod of the benchmark: where it is and what it is part of, computed from its number. */
export interface BenchPod {
  readonly index: number;
  /** How often it was replaced. */
  readonly generation: number;
  readonly name: string;
  readonly ip: string;
  readonly node: string;
  /** The name of its Kubernetes Service and of its Consul service. */
  readonly service: string;
}

/** Pods that are flipped: each the only one of its service, so that Consul tells exactly when it changed. */
export const PROBES = 20;
const PODS_OF_A_SERVICE = 10;
const PODS_OF_A_BLOCK = 1000;
const NODES_OF_A_BLOCK = 10;

/**
 * For every 1 000 pods there are 100 services and 10 nodes, so that a cluster of any size has the same shape and can
 * grow. The pods of a service are on different nodes. Of the first 20 services only the first pod is left, the probe; the
 * others went to the rest of the first 100.
 */
export function podAt(index: number, generation = 0): BenchPod {
  const service = Math.floor(index / PODS_OF_A_SERVICE);
  const node = Math.floor(index / PODS_OF_A_BLOCK) * NODES_OF_A_BLOCK + (index % NODES_OF_A_BLOCK);
  const isOfProbes = service < PROBES;
  const isProbe = isOfProbes && index % PODS_OF_A_SERVICE === 0;
  const ofBlock = PODS_OF_A_BLOCK / PODS_OF_A_SERVICE - PROBES;
  const name = isProbe ? `probe-${service}` : `service-${isOfProbes ? PROBES + (index % ofBlock) : service}`;
  // A replaced pod gets an address that no pod had: 65 536 of them a generation, clear of the Service CIDR.
  const address = index + generation * 65_536;
  return {
    index,
    generation,
    name: isProbe ? `probe-${service}` : `pod-${index}-${generation}`,
    ip: `10.${128 + (address >> 16)}.${(address >> 8) & 255}.${address & 255}`,
    node: `node-${node}`,
    service: name,
  };
}

export function isProbe({ name }: BenchPod): boolean {
  return name.startsWith('probe-');
}
