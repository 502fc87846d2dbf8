import type { ServiceInstance } from '../../consul/types.ts';

/** How the instances of a service are read from Consul. */
export interface ForeignSource {
  /** Names with at least one instance on a node that is not ours, as Consul spells them. Consul looks at every instance for it. */
  names(): Promise<readonly string[]>;
  /** All instances of others, and perhaps some of ours. @throws ConsulError, UntrustworthyAnswer */
  read(service: string): Promise<readonly ServiceInstance[]>;
  /**
   * Tells the instances each time that they changed, until the returned function is called.
   * @param onRefused told when Consul allows no more connections
   */
  follow(
    service: string,
    onInstances: (instances: readonly ServiceInstance[]) => void,
    onRefused: () => void,
  ): () => void;
}
