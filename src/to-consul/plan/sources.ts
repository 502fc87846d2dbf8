import type { ServiceInstance } from '../../consul/types.ts';
import type { NamedInstance, NodeState, OwnInstance } from '../observed/own-instance.ts';

/** What is ours in Consul, as planning looks at it. */
export interface Ours {
  /** The pods that have instances of ours. */
  podKeys(): Iterable<string>;
  /** By `node/id`. */
  ofPod(podKey: string): ReadonlyMap<string, OwnInstance>;
  /** What the instances of the pod are called. */
  namesOfPod(podKey: string): readonly NamedInstance[];
  /** Those of a Consul service, in any case of its name. */
  ofService(service: string): Iterable<OwnInstance>;
  node(name: string): NodeState;
}

/** What others have in Consul. */
export interface Others {
  /**
   * The foreign instances of a service, in any case of its name; undefined when they have to be read first.
   * @param podKey of the pod that wants to be an instance of it
   */
  of(service: string, podKey: string): readonly ServiceInstance[] | undefined;
}
