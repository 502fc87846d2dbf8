import { systemClock, type Clock } from '../../clock.ts';
import type { Owner } from '../../mark.ts';
import { standsForNode, type ConsulNode } from '../registration/registration.ts';
import { NodeReads, type Known, type NodeSource } from './node-reads.ts';
import { OwnCommits } from './own-commits.ts';
import type { NamedInstance, NodeState, Observation, OwnInstance } from './own-instance.ts';
import { OwnInstances } from './own-instances.ts';

/** What a transaction touches: Consul nodes, and the pods whose instances there; undefined for all of a node. */
export type Touched = ReadonlyMap<string, ReadonlySet<string> | undefined>;

/**
 * Our part of Consul's catalog: our nodes, and on them the instances with our mark, by pod. It is read completely
 * before it exists; afterwards it follows our own commits, and `refresh` and `look` take in what others changed.
 */
export class OwnCatalog implements Known {
  readonly #owner: Owner;
  readonly #nodes = new Map<string, NodeState>();
  readonly #instances = new OwnInstances();
  readonly #commits: OwnCommits;
  readonly #reads: NodeReads;

  private constructor(source: NodeSource, owner: Owner, clock: Clock) {
    this.#owner = owner;
    this.#commits = new OwnCommits(clock);
    this.#reads = new NodeReads(source, owner, this);
  }

  /** @throws ClusterIdentityError when our name is another cluster's; ConsulError when anything could not be read. */
  static async read(source: NodeSource, owner: Owner, clock: Clock = systemClock): Promise<OwnCatalog> {
    const catalog = new OwnCatalog(source, owner, clock);
    await catalog.#reads.readAll();
    return catalog;
  }

  /** How many instances are ours. */
  get size(): number {
    return this.#instances.size;
  }

  podKeys(): IterableIterator<string> {
    return this.#instances.podKeys();
  }

  /** Our instances for that pod, by `node/id`. */
  ofPod(podKey: string): ReadonlyMap<string, OwnInstance> {
    return this.#instances.ofPod(podKey);
  }

  /** What our instances for that pod are called. */
  namesOfPod(podKey: string): readonly NamedInstance[] {
    return this.#instances.namesOfPod(podKey);
  }

  /** Our instances on that node, by `node/id`. */
  ofNode(name: string): ReadonlyMap<string, OwnInstance> {
    return this.#instances.ofNode(name);
  }

  /** Our instances of that Consul service, in any case of its name. */
  ofService(name: string): Iterable<OwnInstance> {
    return this.#instances.ofService(name);
  }

  get nodeCount(): number {
    return this.#nodes.size;
  }

  nodeNames(): Iterable<string> {
    return this.#nodes.keys();
  }

  node(name: string): NodeState {
    return this.#nodes.get(name) ?? { state: 'absent' };
  }

  /** Our nodes for Kubernetes nodes without an instance of ours, each with a number that moves with our commits there. */
  emptyNodes(): Map<string, number> {
    const empty = new Map<string, number>();
    for (const [name, { state }] of this.#nodes)
      if (state === 'ours' && this.#instances.hasNone(name) && standsForNode(this.#owner.cluster, name))
        empty.set(name, this.#reads.generation(name));
    return empty;
  }

  /** Our nodes on which a check is not in the state that we wrote; see OwnInstances. */
  nodesWithOtherChecks(status: 'critical' | 'warning', listed: ReadonlySet<string>): Set<string> {
    return this.#instances.nodesWithOtherChecks(status, listed);
  }

  /** Reads one node again; see NodeReads. */
  refresh(name: string, consistent = false): Promise<Set<string>> {
    return this.#reads.refresh(name, consistent);
  }

  /** The next look reads the node whole, whatever its index says. */
  doubt(name: string): void {
    this.#reads.forget(name);
  }

  /** Looks whether everything of ours is as we know it; see NodeReads. */
  look(onDrift: (podKeys: ReadonlySet<string>) => void): Promise<boolean> {
    return this.#reads.look(onDrift);
  }

  /** Whether a wake of Consul's at this index most likely is our own doing; see OwnCommits. */
  isOurDoing(index: number): boolean {
    return this.#commits.isOurDoing(index);
  }

  /** The listener is told whenever a transaction of ours came back, which may hide a change of somebody else's. */
  onCommit(listener: () => void): void {
    this.#commits.onEnd = listener;
  }

  /** Something of ours was written that is no instance. */
  noteCommit(index: number): void {
    this.#commits.note(index);
  }

  /** Consul may have gone back in time: indexes that we remember mean nothing any more. */
  forgetIndexes(): void {
    this.#commits.forgetIndex();
    this.#reads.forgetIndexes();
  }

  /** What was read of this node before is out of date; see NodeReads. */
  touch(name: string, pods?: ReadonlySet<string>): void {
    this.#reads.touch(name, pods);
  }

  /** A transaction goes out. */
  commitBegins(touched: Touched): void {
    this.#commits.begin();
    for (const [name, pods] of touched) this.touch(name, pods);
  }

  /** It came back. @param isIndexKnown whether Consul told the index of what it wrote: of removals it does not */
  commitEnds(touched: Touched, isIndexKnown: boolean): void {
    this.#commits.end(isIndexKnown);
    for (const [name, pods] of touched) this.touch(name, pods);
  }

  nodeWritten({ name, address }: ConsulNode, modifyIndex: number): void {
    if (!this.#nodes.has(name)) this.#reads.made(name);
    this.#nodes.set(name, { state: 'ours', address, isIntact: true, modifyIndex });
  }

  /** The node is gone from the catalog, by a commit of ours. */
  nodeRemoved(name: string): void {
    this.#reads.forget(name);
    this.take(name, { node: { state: 'absent' }, instances: new Map() });
  }

  written(observed: OwnInstance): void {
    this.noteCommit(Math.max(observed.serviceIndex, observed.checkIndex));
    this.#instances.put(observed);
  }

  removed(observed: OwnInstance): void {
    this.#instances.remove(observed);
  }

  /**
   * What was read of a node takes the place of what was known of it.
   * @param except pods of which something newer is known
   * @returns the pods for which something differs
   */
  take(name: string, { node, instances }: Observation, except: ReadonlySet<string> = new Set()): Set<string> {
    // What is not there need not be looked at again and again: a node of that name that comes back is listed, or in our way.
    if (node.state === 'absent') this.#nodes.delete(name);
    else this.#nodes.set(name, node);
    const isNodeSpoilt = node.state === 'ours' && !node.isIntact;
    const differing = new Set<string>();
    const before = this.ofNode(name);
    for (const [identity, observed] of before) {
      if (instances.has(identity) || except.has(observed.podKey)) continue;
      this.removed(observed);
      differing.add(observed.podKey);
    }
    for (const [identity, observed] of instances) {
      const known = before.get(identity);
      const isSame = known?.serviceIndex === observed.serviceIndex && known.checkIndex === observed.checkIndex;
      if ((isSame && !isNodeSpoilt) || except.has(observed.podKey)) continue;
      this.#instances.put(observed);
      differing.add(observed.podKey);
    }
    return differing;
  }
}
