import { assertTrustworthy, decodeNodes, nodesRequest } from '../../consul/catalog.ts';
import { assertWitness, readNode, readNodeIndex, readNodeServices } from '../../consul/catalog-reader.ts';
import type { ConsulClient } from '../../consul/client.ts';
import type { CatalogNode, NodeContents } from '../../consul/types.ts';
import { META, type Owner } from '../../mark.ts';
import { ClusterIdentityError } from '../identity/cluster-identity.ts';
import { hasSameServices, observe, type NodeState, type Observation, type OwnInstance } from './own-instance.ts';
import { OwnInstances } from './own-instances.ts';
import { standsForNode, type ConsulNode } from '../registration/registration.ts';

/**
 * Our part of Consul's catalog: our nodes, and on them the instances with our mark, by pod. It is read completely
 * before it exists; afterwards it follows our own commits, and `refresh` takes in what others changed.
 */
export class OwnCatalog {
  readonly #client: ConsulClient;
  readonly #owner: Owner;
  readonly #nodes = new Map<string, NodeState>();
  readonly #instances = new OwnInstances();
  /** Moves with each commit on a node: what was read before it is out of date. */
  readonly #generation = new Map<string, number>();
  /** Reads of a node that are on their way. */
  readonly #reads = new Map<string, Set<Overtaken>>();
  /** Of a node, Consul's index and our generation at the time when all of it was as we know it. */
  readonly #asKnown = new Map<string, { readonly index: number; readonly generation: number | undefined }>();
  /** Whether a part of a node was hidden by our own commits since the look began. */
  #hidden = false;
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
    return this.#instances.size;
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
    return this.#instances.podKeys();
  }

  /** Our instances for that pod, by `node/id`. */
  ofPod(podKey: string): ReadonlyMap<string, OwnInstance> {
    return this.#instances.ofPod(podKey);
  }

  node(name: string): NodeState {
    return this.#nodes.get(name) ?? { state: 'absent' };
  }

  /** False when a node of ours is not as we wrote it. */
  isIntact(name: string): boolean {
    const node = this.node(name);
    return node.state === 'ours' && node.isIntact;
  }

  /** Our nodes on which a check is not in the state that we wrote; see OwnInstances. */
  nodesWithOtherChecks(status: 'critical' | 'warning', listed: ReadonlySet<string>): Set<string> {
    return this.#instances.nodesWithOtherChecks(status, listed);
  }

  /** Reads everything of ours. */
  async #readAll(): Promise<void> {
    const { listed, stranger } = await this.#listNodes();
    if (stranger) throw new ClusterIdentityError(this.#owner, stranger);
    const remaining = listed.keys();
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
   * @returns false when commits of ours hid a part of a node: what others changed there was not seen
   * @throws ClusterIdentityError after all, when a node with our cluster's name is another installation's
   */
  async look(onDrift: (podKeys: ReadonlySet<string>) => void): Promise<boolean> {
    const { listed, stranger } = await this.#listNodes();
    this.#hidden = false;
    for (const name of new Set([...listed.keys(), ...this.#nodes.keys()]))
      if (!(await this.#isAsKnown(name, listed.get(name)))) onDrift(await this.refresh(name));
    if (stranger) throw new ClusterIdentityError(this.#owner, stranger);
    return !this.#hidden;
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
    const isSame = hasSameServices(this.#owner, this.#instances.ofNode(name), services);
    if (isSame && index > 0) this.#asKnown.set(name, { index, generation });
    return isSame;
  }

  /** Our nodes by name, as Consul has them, and the first with our cluster's name that is another installation's. */
  async #listNodes(): Promise<{ listed: Map<string, CatalogNode>; stranger: CatalogNode | undefined }> {
    const request = nodesRequest(META.cluster, this.#owner.cluster);
    const answer = await this.#client.get(request);
    assertTrustworthy(request.purpose, answer);
    const nodes = decodeNodes(answer, request.purpose);
    const isOurs = ({ meta }: CatalogNode) => meta.get(META.clusterUid) === this.#owner.clusterUid;
    return {
      listed: new Map(nodes.filter(isOurs).map((node) => [node.name, node])),
      stranger: nodes.find((node) => !isOurs(node)),
    };
  }

  /**
   * Reads one node again; the pods for which something differs from what we knew. A commit of ours in between makes the
   * answer stale for the pods that it was for, and for no others: where something is written all the time, others' changes
   * would never be seen else.
   * @throws UntrustworthyAnswer when instances are missing, and the witness, too; Error when it could not be read, or never
   *   without a commit in between that touches the node itself
   */
  async refresh(name: string): Promise<Set<string>> {
    for (let attempt = 0; attempt < REFRESH_ATTEMPTS; attempt++) {
      const { contents, overtaken } = await this.#readNode(name);
      const { node, instances } = observe(this.#owner, contents, this.node(name));
      const isWhole = !overtaken.all && overtaken.pods.size === 0;
      this.#hidden ||= !isWhole;
      if (isWhole || (!overtaken.all && node.state === 'ours'))
        return this.#replace(name, { node, instances }, isWhole ? (contents?.index ?? 0) : 0, overtaken.pods);
    }
    throw new Error(`read Consul node ${name}: our own commits changed it at each of ${REFRESH_ATTEMPTS} tries`);
  }

  async #readNode(name: string): Promise<{ contents: NodeContents | undefined; overtaken: Overtaken }> {
    const overtaken: Overtaken = { all: false, pods: new Set() };
    const reads = this.#reads.get(name) ?? new Set();
    this.#reads.set(name, reads.add(overtaken));
    try {
      const contents = await readNode(this.#client, name);
      const ids = new Set(contents?.services.map(({ id }) => id.toLowerCase()));
      const isMissing = ({ registration }: OwnInstance) => !ids.has(registration.id.toLowerCase());
      // What is hidden from a token that lost its rights is not gone.
      if ([...this.#instances.ofNode(name).values()].some(isMissing)) await assertWitness(this.#client);
      return { contents, overtaken };
    } finally {
      reads.delete(overtaken);
      if (reads.size === 0) this.#reads.delete(name);
    }
  }

  /** Our nodes for Kubernetes nodes without an instance of ours, each with a number that moves with our commits there. */
  emptyNodes(): Map<string, number> {
    const empty = new Map<string, number>();
    for (const [name, { state }] of this.#nodes) {
      const instances = this.#instances.ofNode(name).size;
      if (state === 'ours' && instances === 0 && standsForNode(this.#owner.cluster, name))
        empty.set(name, this.#generation.get(name) ?? 0);
    }
    return empty;
  }

  /**
   * A commit that touches this node goes out or came back.
   * @param pods whose instances it touches there; without them it is about the node itself, and all on it
   */
  touch(name: string, pods?: ReadonlySet<string>): void {
    this.#generation.set(name, (this.#generation.get(name) ?? 0) + 1);
    for (const overtaken of this.#reads.get(name) ?? []) {
      if (!pods) overtaken.all = true;
      else for (const pod of pods) overtaken.pods.add(pod);
    }
  }

  /** A transaction goes out. */
  commitBegins(touched: Touched): void {
    this.#onTheirWay++;
    for (const [name, pods] of touched) this.touch(name, pods);
  }

  /** It came back. @param isIndexKnown whether Consul told the index of what it wrote: of removals it does not */
  commitEnds(touched: Touched, isIndexKnown: boolean): void {
    this.#onTheirWay--;
    if (!isIndexKnown) this.#unknownAt = performance.now();
    for (const [name, pods] of touched) this.touch(name, pods);
  }

  nodeWritten({ name, address }: ConsulNode, modifyIndex: number): void {
    this.#nodes.set(name, { state: 'ours', address, isIntact: true, modifyIndex });
  }

  /** The node is gone from the catalog, by a commit of ours. */
  nodeRemoved(name: string): void {
    this.#replace(name, observe(this.#owner, undefined, this.node(name)), 0);
  }

  written(observed: OwnInstance): void {
    this.noteCommit(Math.max(observed.serviceIndex, observed.checkIndex));
    this.#instances.put(observed);
  }

  removed(observed: OwnInstance): void {
    this.#instances.remove(observed);
  }

  /**
   * @param index at which all of the node is as given; 0 when nobody knows that
   * @param except pods of which something newer is known
   */
  #replace(
    name: string,
    { node, instances }: Observation,
    index: number,
    except: ReadonlySet<string> = new Set(),
  ): Set<string> {
    // What is not there need not be looked at again and again: a node of that name that comes back is listed, or in our way.
    if (node.state === 'absent') this.#nodes.delete(name);
    else this.#nodes.set(name, node);
    if (index > 0) this.#asKnown.set(name, { index, generation: this.#generation.get(name) });
    else this.#asKnown.delete(name);
    const isNodeSpoilt = node.state === 'ours' && !node.isIntact;
    const touched = new Set<string>();
    const before = new Map(this.#instances.ofNode(name));
    for (const [identity, observed] of before) {
      if (instances.has(identity) || except.has(observed.podKey)) continue;
      this.removed(observed);
      touched.add(observed.podKey);
    }
    for (const [identity, observed] of instances) {
      const known = before.get(identity);
      const isSame = known?.serviceIndex === observed.serviceIndex && known.checkIndex === observed.checkIndex;
      if ((isSame && !isNodeSpoilt) || except.has(observed.podKey)) continue;
      this.#instances.put(observed);
      touched.add(observed.podKey);
    }
    return touched;
  }
}

/** What a transaction touches: Consul nodes, and the pods whose instances there; undefined for all of a node. */
export type Touched = ReadonlyMap<string, ReadonlySet<string> | undefined>;

/** What our own commits have made of a read's answer while it was on its way: of these pods it is out of date. */
interface Overtaken {
  all: boolean;
  readonly pods: Set<string>;
}

/** So long after a commit whose index nobody told us, a wake is taken for its. */
const UNKNOWN_MS = 1000;
const FIRST_READ_CONCURRENCY = 16;
const REFRESH_ATTEMPTS = 5;
