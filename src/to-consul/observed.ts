import {
  assertTrustworthy,
  decodeNodes,
  nodesRequest,
  readNode,
  readNodeIndex,
  readNodeServices,
} from '../consul/catalog.ts';
import type { ConsulClient } from '../consul/client.ts';
import type { CatalogNode, NodeContents } from '../consul/types.ts';
import { META, ownsNode, type Owner } from '../reconcile/mark.ts';
import { hasSameServices, observe, type NodeState, type Observed } from './observation.ts';
import { identityOf, standsForNode, type ConsulNode } from './registration.ts';

/** Another installation uses our cluster name, or we were pointed at another Kubernetes cluster. */
export class ClusterIdentityError extends Error {
  constructor(owner: Owner, node: CatalogNode) {
    super(
      `cluster name "${owner.cluster}": Consul node ${node.name} was registered for the Kubernetes cluster with uid ` +
        `${node.meta.get(META.clusterUid) ?? '(none)'}, and this one has uid ${owner.clusterUid}. Expected a cluster name of its own for ` +
        'each Kubernetes cluster: is the configuration a copy of another cluster\'s, or the kubeconfig the wrong one? If that cluster is gone for good, "consular run --take-over" adopts what it left',
    );
    this.name = 'ClusterIdentityError';
  }
}

/** @throws ClusterIdentityError when the node, whose name says that it is ours, is another installation's. */
export function ownsNodeOrThrow(owner: Owner, node: CatalogNode): void {
  if (!ownsNode(owner, node.meta)) throw new ClusterIdentityError(owner, node);
}

/**
 * Our part of Consul's catalog: our nodes, and on them the instances with our mark, by pod. It is read completely
 * before it exists; afterwards it follows our own commits, and `refresh` takes in what others changed.
 */
export class OwnCatalog {
  readonly #client: ConsulClient;
  readonly #owner: Owner;
  readonly #nodes = new Map<string, NodeState>();
  /** By pod, then by `node/id`. */
  readonly #byPod = new Map<string, Map<string, Observed>>();
  readonly #byNode = new Map<string, Map<string, Observed>>();
  /** Those whose check is critical because we wrote that, by `node/id`. */
  readonly #critical = new Map<string, Observed>();
  /** Moves with each commit on a node: a read that began before it is out of date. */
  readonly #generation = new Map<string, number>();
  /** Of a node, Consul's index and our generation at the time when all of it was as we know it. */
  readonly #asKnown = new Map<string, { readonly index: number; readonly generation: number | undefined }>();
  #lastCommit = 0;
  #onTheirWay = 0;
  #unknownAt = -Infinity;

  private constructor(client: ConsulClient, owner: Owner) {
    this.#client = client;
    this.#owner = owner;
  }

  /** @throws ClusterIdentityError when our name is another cluster's; ConsulError when anything could not be read. */
  static async read(client: ConsulClient, owner: Owner): Promise<OwnCatalog> {
    const catalog = new OwnCatalog(client, owner);
    await catalog.#readAll();
    return catalog;
  }

  get size(): number {
    let size = 0;
    for (const instances of this.#byNode.values()) size += instances.size;
    return size;
  }

  /** Whether a wake of Consul's at this index most likely is our own doing; it may hide another's just before it. */
  isOurDoing(index: number): boolean {
    return index <= this.#lastCommit || this.#onTheirWay > 0 || performance.now() - this.#unknownAt < UNKNOWN_MS;
  }

  /** Something of ours was written that is no instance. */
  noteCommit(index: number): void {
    this.#lastCommit = Math.max(this.#lastCommit, index);
  }

  /** Consul may have gone back in time: indexes that we remember mean nothing any more. */
  forgetIndexes(): void {
    this.#lastCommit = 0;
    this.#asKnown.clear();
  }

  podKeys(): IterableIterator<string> {
    return this.#byPod.keys();
  }

  /** Our instances for that pod, by `node/id`. */
  ofPod(podKey: string): ReadonlyMap<string, Observed> {
    return this.#byPod.get(podKey) ?? NO_INSTANCES;
  }

  node(name: string): NodeState {
    return this.#nodes.get(name) ?? { state: 'absent' };
  }

  /** False when a node of ours is not as we wrote it. */
  isIntact(name: string): boolean {
    const node = this.node(name);
    return node.state === 'ours' && node.isIntact;
  }

  /**
   * Our nodes on which a check is not in the state that we wrote, given all the checks that Consul has in that state. It
   * costs as much as there are such checks, however many instances are passing.
   * @param listed `node/checkId`, lower case; a check of ours has the ID of its instance
   */
  nodesWithOtherChecks(status: 'critical' | 'warning', listed: ReadonlySet<string>): Set<string> {
    const nodes = new Set<string>();
    for (const identity of listed) {
      const observed = this.#ofIdentity(identity);
      if (observed && observed.registration.check.status !== status) nodes.add(observed.registration.node.name);
    }
    if (status === 'critical')
      for (const [identity, { registration, checkIndex }] of this.#critical)
        if (checkIndex > 0 && !listed.has(identity)) nodes.add(registration.node.name);
    return nodes;
  }

  /** An instance that has a check of ours. */
  #ofIdentity(identity: string): Observed | undefined {
    const observed = this.#byNode.get(identity.slice(0, identity.indexOf('/')))?.get(identity);
    return observed && observed.checkIndex > 0 ? observed : undefined;
  }

  /** Reads everything of ours. */
  async #readAll(): Promise<void> {
    const remaining = (await this.#listNodes(() => undefined)).keys();
    const worker = async () => {
      for (const name of remaining) await this.refresh(name);
    };
    await Promise.all(Array.from({ length: FIRST_READ_CONCURRENCY }, worker));
  }

  /**
   * Looks whether everything of ours is as we know it, and reads the nodes where it is not. One node at a time: beside other
   * work, which a burst of answers would hold up.
   *
   * | a node                                          | costs                            |
   * |-------------------------------------------------|----------------------------------|
   * | neither it nor a service on it changed          | an answer of 200 bytes           |
   * | only we changed something                       | its services, without the checks |
   * | somebody else did, or it is not known as it was | all of it                        |
   *
   * @param onDrift told at once of the pods for which something differs: a later node that cannot be read must not lose them
   */
  async look(onDrift: (podKeys: ReadonlySet<string>) => void): Promise<void> {
    const listed = await this.#listNodes(onDrift);
    for (const name of new Set([...listed.keys(), ...this.#nodes.keys()]))
      if (!(await this.#isAsKnown(name, listed.get(name)))) onDrift(await this.refresh(name));
  }

  async #isAsKnown(name: string, found: CatalogNode | undefined): Promise<boolean> {
    const node = this.node(name);
    const asKnown = this.#asKnown.get(name);
    if (node.state !== 'ours' || node.modifyIndex !== found?.modifyIndex || !asKnown) return false;
    const generation = this.#generation.get(name);
    if (generation === asKnown.generation && (await readNodeIndex(this.#client, name)) === asKnown.index) return true;
    const { index, services } = await readNodeServices(this.#client, name);
    // A commit of ours in between makes the answer stale.
    if (generation !== this.#generation.get(name)) return false;
    const isSame = hasSameServices(this.#owner, this.#byNode.get(name) ?? NO_INSTANCES, services);
    if (isSame && index > 0) this.#asKnown.set(name, { index, generation });
    return isSame;
  }

  /** Our nodes by name, as Consul has them. @throws ClusterIdentityError when one is another installation's. */
  async #listNodes(onDrift: (podKeys: ReadonlySet<string>) => void): Promise<Map<string, CatalogNode>> {
    const request = nodesRequest(META.cluster, this.#owner.cluster);
    const answer = await this.#client.get(request);
    assertTrustworthy(request.purpose, answer);
    const listed = decodeNodes(answer, request.purpose);
    const strangers = listed.filter(({ meta }) => meta.get(META.clusterUid) !== this.#owner.clusterUid);
    // Those that were ours until now are refused from here on: nothing is written to them any more.
    for (const { name } of strangers) if (this.#nodes.has(name)) onDrift(await this.refresh(name));
    const [stranger] = strangers;
    if (stranger) throw new ClusterIdentityError(this.#owner, stranger);
    return new Map(listed.map((node) => [node.name, node]));
  }

  /**
   * Reads one node again; the pods for which something differs from what we knew.
   * @throws Error when it could not be read, or never without a commit of ours in between
   */
  async refresh(name: string): Promise<Set<string>> {
    // A commit of ours in between makes the answer stale.
    for (let attempt = 0; attempt < REFRESH_ATTEMPTS; attempt++) {
      const generation = this.#generation.get(name);
      const contents = await readNode(this.#client, name);
      if (generation === this.#generation.get(name)) return this.#replace(name, contents);
    }
    throw new Error(`read Consul node ${name}: our own commits changed it at each of ${REFRESH_ATTEMPTS} tries`);
  }

  /** Our nodes for Kubernetes nodes without an instance of ours, each with a number that moves with our commits there. */
  emptyNodes(): Map<string, number> {
    const empty = new Map<string, number>();
    for (const [name, { state }] of this.#nodes) {
      const instances = this.#byNode.get(name)?.size ?? 0;
      if (state === 'ours' && instances === 0 && standsForNode(this.#owner.cluster, name))
        empty.set(name, this.#generation.get(name) ?? 0);
    }
    return empty;
  }

  /** A commit that touches this node goes out or came back. */
  touch(name: string): void {
    this.#generation.set(name, (this.#generation.get(name) ?? 0) + 1);
  }

  /** A transaction that touches these nodes goes out. */
  commitBegins(names: Iterable<string>): void {
    this.#onTheirWay++;
    for (const name of names) this.touch(name);
  }

  /** It came back. @param isIndexKnown whether Consul told the index of what it wrote: of removals it does not */
  commitEnds(names: Iterable<string>, isIndexKnown: boolean): void {
    this.#onTheirWay--;
    if (!isIndexKnown) this.#unknownAt = performance.now();
    for (const name of names) this.touch(name);
  }

  nodeWritten({ name, address }: ConsulNode, modifyIndex: number): void {
    this.#nodes.set(name, { state: 'ours', address, isIntact: true, modifyIndex });
  }

  /** The node is gone from the catalog, by a commit of ours. */
  nodeRemoved(name: string): void {
    this.#replace(name, undefined);
  }

  written(observed: Observed): void {
    this.noteCommit(Math.max(observed.serviceIndex, observed.checkIndex));
    this.#put(observed);
  }

  removed({ registration, podKey }: Observed): void {
    const identity = identityOf(registration);
    this.#byNode.get(registration.node.name)?.delete(identity);
    this.#critical.delete(identity);
    const ofPod = this.#byPod.get(podKey);
    ofPod?.delete(identity);
    if (ofPod?.size === 0) this.#byPod.delete(podKey);
  }

  #put(observed: Observed): void {
    const { registration, podKey } = observed;
    const identity = identityOf(registration);
    at(this.#byPod, podKey).set(identity, observed);
    at(this.#byNode, registration.node.name).set(identity, observed);
    if (registration.check.status === 'critical') this.#critical.set(identity, observed);
    else this.#critical.delete(identity);
  }

  #replace(name: string, contents: NodeContents | undefined): Set<string> {
    const was = this.node(name);
    const { node, instances } = observe(this.#owner, contents, was);
    // What is not there need not be looked at again and again: a node of that name that comes back is listed, or in our way.
    if (node.state === 'absent') this.#nodes.delete(name);
    else this.#nodes.set(name, node);
    if (contents && contents.index > 0)
      this.#asKnown.set(name, { index: contents.index, generation: this.#generation.get(name) });
    else this.#asKnown.delete(name);
    const isNodeSpoilt = node.state === 'ours' && !node.isIntact;
    const touched = new Set<string>();
    const before = new Map(this.#byNode.get(name) ?? NO_INSTANCES);
    for (const [identity, observed] of before) {
      if (instances.has(identity)) continue;
      this.removed(observed);
      touched.add(observed.podKey);
    }
    for (const [identity, observed] of instances) {
      const known = before.get(identity);
      const isSame = known?.serviceIndex === observed.serviceIndex && known.checkIndex === observed.checkIndex;
      if (isSame && !isNodeSpoilt) continue;
      this.#put(observed);
      touched.add(observed.podKey);
    }
    return touched;
  }
}

/** So long after a commit whose index nobody told us, a wake is taken for its. */
const UNKNOWN_MS = 1000;
const FIRST_READ_CONCURRENCY = 16;
const REFRESH_ATTEMPTS = 5;
const NO_INSTANCES: ReadonlyMap<string, Observed> = new Map();

function at(map: Map<string, Map<string, Observed>>, key: string): Map<string, Observed> {
  let inner = map.get(key);
  if (!inner) map.set(key, (inner = new Map<string, Observed>()));
  return inner;
}
