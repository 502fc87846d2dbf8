import { SAMPLE_SIZES } from './names.ts';

/** Which pods a service has: consecutive numbers. */
export interface ServiceLayout {
  readonly firstPod: number;
  readonly pods: number;
}

/** A cluster of any size with the same shape: 30 pods a node, 15 pods a service, as the largest that Kubernetes is made for. */
export interface Layout {
  readonly pods: number;
  readonly nodes: number;
  readonly services: readonly ServiceLayout[];
  /** Pods that are flipped, by how many pods their service has. */
  readonly probes: ReadonlyMap<ProbedSize, readonly number[]>;
}

/** How many pods the services have whose pods are flipped. */
export const PROBED_SIZES = [1, 10, 100] as const;
export type ProbedSize = (typeof PROBED_SIZES)[number];

const PODS_OF_A_NODE = 30;
/** Services of which pods are flipped, by their size. */
const PROBED_SERVICES: Readonly<Record<ProbedSize, number>> = { 1: 20, 10: 10, 100: 2 };
const PROBES_OF_A_SIZE = 20;

export function layOut(pods: number): Layout {
  const services: ServiceLayout[] = [];
  const add = (size: number) => services.push({ firstPod: next(services), pods: size });
  const probes = new Map<ProbedSize, readonly number[]>();
  for (const size of PROBED_SIZES) {
    const first = services.length;
    for (let i = 0; i < PROBED_SERVICES[size]; i++) add(size);
    probes.set(size, probesOf(services.slice(first)));
  }
  // Only such sizes as there is a recorded slice of.
  for (const size of [...SAMPLE_SIZES].filter((each) => each <= 15).reverse())
    while (pods - next(services) >= size) add(size);
  return { pods, nodes: Math.ceil(pods / PODS_OF_A_NODE), services, probes };
}

/** The pods of a service are on different nodes. */
export function nodeOf({ nodes }: Layout, pod: number): number {
  return pod % nodes;
}

/** The number of a pod's service. */
export function serviceOf({ services }: Layout, pod: number): number {
  let low = 0;
  let high = services.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((services[middle]?.firstPod ?? 0) <= pod) low = middle;
    else high = middle - 1;
  }
  return low;
}

function next(services: readonly ServiceLayout[]): number {
  const last = services.at(-1);
  return last ? last.firstPod + last.pods : 0;
}

/** As many of each service, in turn. */
function probesOf(services: readonly ServiceLayout[]): number[] {
  return Array.from({ length: PROBES_OF_A_SIZE }, (_, i) => {
    const service = services[i % services.length];
    return (service?.firstPod ?? 0) + Math.floor(i / services.length);
  });
}
