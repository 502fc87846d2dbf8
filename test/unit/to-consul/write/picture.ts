import type { NodeState, OwnInstance } from '../../../../src/to-consul/observed/own-instance.ts';
import type { Touched } from '../../../../src/to-consul/observed/own-catalog.ts';
import { identityOf, type ConsulNode } from '../../../../src/to-consul/registration/registration.ts';
import type { WrittenCatalog } from '../../../../src/to-consul/write/writer.ts';
import { registrationOf, WORKER_1 } from '../instances.ts';

export const NODE_1: ConsulNode = { name: WORKER_1, address: '192.168.1.11' };
export const NODE_2: ConsulNode = { name: 'k8s-prod--worker-2', address: '192.168.1.12' };

/** The instance of a pod as the catalog has it. */
export function instanceOf(name: string, node = NODE_1, index = 20, tags: readonly string[] = []): OwnInstance {
  return {
    registration: registrationOf(name, { node, tags }),
    podKey: `shop/${name}`,
    podUid: `uid-of-${name}`,
    serviceIndex: index,
    checkIndex: index + 1,
  };
}

/** What is known of Consul, kept in two maps. */
export class Picture implements WrittenCatalog {
  readonly nodes = new Map<string, NodeState>();
  readonly instances = new Map<string, OwnInstance>();
  /** Nodes in the order in which they were read again. */
  readonly reads: string[] = [];
  /** Of each transaction that ended, whether Consul told its index. */
  readonly ended: boolean[] = [];
  /** What reading a node again finds: it changes the maps, and answers with the pods for which something differs. */
  onRead: (node: string) => Promise<Iterable<string>> = () => Promise.resolve([]);
  onTheirWay = 0;

  constructor(nodes: readonly ConsulNode[] = [], instances: readonly OwnInstance[] = []) {
    for (const node of nodes) this.nodeWritten(node, 10);
    for (const instance of instances) this.written(instance);
  }

  node(name: string): NodeState {
    return this.nodes.get(name) ?? { state: 'absent' };
  }

  ofPod(podKey: string): Map<string, OwnInstance> {
    return new Map([...this.instances].filter(([, instance]) => instance.podKey === podKey));
  }

  touch(): void {
    // Nothing is being read behind the test's back.
  }

  refresh(node: string, consistent = false): Promise<Iterable<string>> {
    if (!consistent) throw new Error(`read ${node} again: expected to have the leader asked`);
    this.reads.push(node);
    return this.onRead(node);
  }

  commitBegins(): void {
    this.onTheirWay++;
  }

  commitEnds(_touched: Touched, isIndexKnown: boolean): void {
    this.onTheirWay--;
    this.ended.push(isIndexKnown);
  }

  nodeWritten({ name, address }: ConsulNode, modifyIndex: number): void {
    this.nodes.set(name, { state: 'ours', address, isIntact: true, modifyIndex });
  }

  written(instance: OwnInstance): void {
    this.instances.set(identityOf(instance.registration), instance);
  }

  removed(instance: OwnInstance): void {
    this.instances.delete(identityOf(instance.registration));
  }
}
