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

/** How many pods a service has whose pods are flipped. */
export const CLASSES = [1, 10, 100] as const;
export type Class = (typeof CLASSES)[number];

/** Pods of each class that are flipped. */
export const PROBES = 20;
const LARGE_SERVICES = 2;
/** The numbers of the pods before these are alone in their service, then come the large services, then all others. */
const FIRST_OF_LARGE = PROBES;
const FIRST_OF_ORDINARY = FIRST_OF_LARGE + 100 * LARGE_SERVICES;
const PODS_OF_A_SERVICE = 10;
const PODS_OF_A_BLOCK = 1000;
const NODES_OF_A_BLOCK = 10;

/**
 * For every 1 000 pods there are 100 services and 10 nodes, so that a cluster of any size has the same shape and can
 * grow. The pods of a service are on different nodes. The first 1 000 have 20 services of one pod and 2 of 100.
 */
export function podAt(index: number, generation = 0): BenchPod {
  const node = Math.floor(index / PODS_OF_A_BLOCK) * NODES_OF_A_BLOCK + (index % NODES_OF_A_BLOCK);
  // A replaced pod gets an address that no pod had: 65 536 of them a generation, clear of the Service CIDR.
  const address = index + generation * 65_536;
  return {
    index,
    generation,
    name: `pod-${index}-${generation}`,
    ip: `10.${128 + (address >> 16)}.${(address >> 8) & 255}.${address & 255}`,
    node: `node-${node}`,
    service: serviceOf(index),
  };
}

function serviceOf(index: number): string {
  if (index < FIRST_OF_LARGE) return `single-${index}`;
  if (index < FIRST_OF_ORDINARY) return `large-${Math.floor((index - FIRST_OF_LARGE) / 100)}`;
  return `service-${Math.floor(index / PODS_OF_A_SERVICE)}`;
}

/** The pods of services of that size that are flipped, spread over the nodes; of these only one alone shows when it changed. */
export function probesOf(size: Class): BenchPod[] {
  return Array.from({ length: PROBES }, (_, i) => podAt(probeIndex(size, i)));
}

function probeIndex(size: Class, i: number): number {
  switch (size) {
    case 1:
      return i;
    case 10:
      return FIRST_OF_ORDINARY + PODS_OF_A_SERVICE * i + (i % NODES_OF_A_BLOCK);
    case 100:
      return FIRST_OF_LARGE + 100 * (i % LARGE_SERVICES) + 11 * Math.floor(i / LARGE_SERVICES);
  }
}

const INDEXES_OF_PROBES: ReadonlySet<number> = new Set(CLASSES.flatMap(probesOf).map(({ index }) => index));

/** Probes are never replaced. */
export function isProbe({ index }: BenchPod): boolean {
  return INDEXES_OF_PROBES.has(index);
}
