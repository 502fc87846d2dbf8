/** An instance of the benchmark in Consul: where it is and what it is part of, computed from its number. */
export interface BenchInstance {
  readonly service: string;
  readonly node: string;
  readonly id: string;
  readonly address: string;
}

/** Instances that are flipped, each of another service when there are enough of them. */
export const PROBES = 100;
/** Up to here every service has 10 instances; beyond, 20 for every 3 services. */
const SMALL = 1000;
const INSTANCES_OF_A_NODE = 10;

export const PORT = 8080;

export function instancesOf(services: number): number {
  return services <= SMALL ? services * 10 : Math.round((services * 20) / 3);
}

/** The instances of a service are on different nodes, as many applications are on one virtual machine. */
export function instanceAt(index: number, services: number): BenchInstance {
  const service = `service-${String(index % services).padStart(5, '0')}`;
  return {
    service,
    node: `vm-${Math.floor(index / INSTANCES_OF_A_NODE)}`,
    id: `${service}-${index}`,
    address: addressOf(index),
  };
}

/** The instances of one service that is much larger than the others; their numbers follow those of the others. */
export function giant(size: number, services: number): BenchInstance[] {
  const first = 2 * instancesOf(services);
  return Array.from({ length: size }, (_, i) => ({
    service: 'giant',
    node: `giant-vm-${Math.floor(i / INSTANCES_OF_A_NODE)}`,
    id: `giant-${i}`,
    address: addressOf(first + i),
  }));
}

/** How many others come before one that came goes again: what is noticed late must still be there then. */
const STAY = 3;

/** In which order so many instances come, and go again. */
export function comeAndGo(instances: number): { readonly number: number; readonly added: boolean }[] {
  const numbers = Array.from({ length: instances + STAY }, (_, i) => i);
  return numbers.flatMap((number) => [
    ...(number < instances ? [{ number, added: true }] : []),
    ...(number >= STAY ? [{ number: number - STAY, added: false }] : []),
  ]);
}

/** Evenly over all services: those that come first must not stand for all. */
export function probesOf(services: number): BenchInstance[] {
  const probes = Math.min(PROBES, services);
  return Array.from({ length: probes }, (_, i) => instanceAt(Math.floor((i * services) / probes), services));
}

/** 10.16.0.0 and up: clear of the Service CIDR, and of each other for four million instances. */
function addressOf(index: number): string {
  return `10.${16 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
}
