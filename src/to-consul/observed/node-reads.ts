import type { CatalogNode, CatalogService, NodeContents } from '../../consul/types.ts';
import { META, type Owner } from '../../mark.ts';
import { ClusterIdentityError } from '../identity/cluster-identity.ts';
import { hasOlder } from './older.ts';
import { hasSameServices, observe, type NodeState, type Observation, type OwnInstance } from './own-instance.ts';

/** How nodes are read from Consul. @throws ConsulError, UntrustworthyAnswer, each of its functions */
export interface NodeSource {
  /** All nodes with our cluster's name, whichever installation made them. */
  list(): Promise<readonly CatalogNode[]>;
  /**
   * All that is on a node; undefined when there is no such node.
   * @param consistent asks the leader to confirm that it leads
   */
  read(name: string, consistent?: boolean): Promise<NodeContents | undefined>;
  /** The index that moves with the node and the services on it. */
  readIndex(name: string): Promise<number>;
  /** The services on a node, and that index. */
  readServices(name: string): Promise<{
    readonly index: number;
    readonly services: readonly Pick<CatalogService, 'id' | 'modifyIndex'>[];
  }>;
  /**
   * Resolves when nothing is hidden from our token: the witness is there, if need be because it was written anew just now.
   * @throws UntrustworthyAnswer, ConsulError when it is missing and cannot be written
   */
  ensureWitness(): Promise<void>;
  /** Told that Consul has an entry of ours that is older than it was. */
  onOlder(): void;
}

/** What was known before a read, and where the read's answer goes. */
export interface Known {
  nodeNames(): Iterable<string>;
  node(name: string): NodeState;
  /** By `node/id`, as it is at that moment: what is put or removed later does not change it. */
  ofNode(name: string): ReadonlyMap<string, OwnInstance>;
  /**
   * @param except pods of which something newer is known
   * @returns the pods for which something differs from what was known
   */
  take(name: string, observation: Observation, except: ReadonlySet<string>): Set<string>;
}

/** What our own commits have made of a read's answer while it was on its way: of these pods it is out of date. */
interface Overtaken {
  all: boolean;
  readonly pods: Set<string>;
}

const FIRST_READ_CONCURRENCY = 16;
const LOOK_CONCURRENCY = 4;
const REFRESH_ATTEMPTS = 5;

/**
 * Reads of our nodes in Consul, beside our own commits: a commit that touches a node while a read of it is on its way makes
 * the answer out of date for the pods that the commit is for, and for no others. Where something is written all the time,
 * the changes of others would never be seen else.
 */
export class NodeReads {
  readonly #source: NodeSource;
  readonly #owner: Owner;
  readonly #known: Known;
  /** Moves with each commit on a node: what was read before it is out of date. No number comes again, whatever was forgotten. */
  readonly #generation = new Map<string, number>();
  #commits = 0;
  /** Reads of a node that are on their way. */
  readonly #reads = new Map<string, Set<Overtaken>>();
  /** Of a node, Consul's index and our generation at the time when all of it was as we know it. */
  readonly #asKnown = new Map<string, { readonly index: number; readonly generation: number }>();
  /** Whether a part of a node was hidden by our own commits since the look began. */
  #hidden = false;

  constructor(source: NodeSource, owner: Owner, known: Known) {
    this.#source = source;
    this.#owner = owner;
    this.#known = known;
  }

  /** A number that moves with our commits on that node. */
  generation(name: string): number {
    return this.#generation.get(name) ?? 0;
  }

  /**
   * A commit that touches this node goes out or came back.
   * @param pods whose instances it touches there; without them it is about the node itself, and all on it
   */
  touch(name: string, pods?: ReadonlySet<string>): void {
    this.#generation.set(name, ++this.#commits);
    for (const overtaken of this.#reads.get(name) ?? []) {
      if (!pods) overtaken.all = true;
      else for (const pod of pods) overtaken.pods.add(pod);
    }
  }

  /** Consul may have gone back in time: the indexes that we remember mean nothing any more. */
  forgetIndexes(): void {
    this.#asKnown.clear();
  }

  /** The node is there by a commit of ours: what is on it is known, although nobody has read it. */
  made(name: string): void {
    this.#asKnown.set(name, { index: 0, generation: -1 });
  }

  /** The node is gone by a commit of ours, or may have what its index does not tell. */
  forget(name: string): void {
    this.#asKnown.delete(name);
  }

  /** Reads all of our nodes. @throws ClusterIdentityError when our name is another installation's */
  async readAll(): Promise<void> {
    const { listed, stranger } = await this.#list();
    if (stranger) throw new ClusterIdentityError(this.#owner, stranger);
    const remaining = listed.keys();
    const worker = async () => {
      for (const name of remaining) await this.refresh(name);
    };
    await Promise.all(Array.from({ length: FIRST_READ_CONCURRENCY }, worker));
  }

  /**
   * Looks whether everything of ours is as we know it, and reads the nodes where it is not. A few nodes at a time: beside other
   * work, which a burst of answers would hold up. A node that cannot be read costs no other, unless there are several.
   *
   * | a node                                                 | costs                            |
   * |--------------------------------------------------------|----------------------------------|
   * | neither the node nor a service on it changed           | an answer of 200 bytes           |
   * | only we changed something                              | its services, without the checks |
   * | somebody else did, or the node is not known as it was  | all of it                        |
   *
   * @param onDrift told at once of the pods for which something differs: a later node that cannot be read must not lose them
   * @returns false when commits of ours hid a part of a node: what others changed there was not seen
   * @throws ClusterIdentityError after all, when a node with our cluster's name is another installation's
   */
  async look(onDrift: (podKeys: ReadonlySet<string>) => void): Promise<boolean> {
    const { listed, stranger } = await this.#list();
    this.#hidden = false;
    const remaining = new Set([...listed.keys(), ...this.#known.nodeNames()]).values();
    const worker = async () => {
      for (const name of remaining)
        if (!(await this.#isAsKnown(name, listed.get(name)))) onDrift(await this.refresh(name));
    };
    const ends = await Promise.allSettled(Array.from({ length: LOOK_CONCURRENCY }, worker));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    if (stranger) throw new ClusterIdentityError(this.#owner, stranger);
    return !this.#hidden;
  }

  /**
   * Reads one node again; the pods for which something differs from what we knew.
   * @param consistent asks the leader to confirm that it leads
   * @throws UntrustworthyAnswer when instances are missing, and the witness, too; Error when it could not be read, or never
   *   without a commit in between that touches the node itself
   */
  async refresh(name: string, consistent = false): Promise<Set<string>> {
    let isConfirmed = consistent;
    for (let attempt = 0; attempt < REFRESH_ATTEMPTS; attempt++) {
      // As it was before the question: what is known by the time of the answer may be newer than the answer.
      const known = { node: this.#known.node(name), instances: this.#known.ofNode(name) };
      const { contents, overtaken } = await this.#read(name, isConfirmed);
      const observation = observe(this.#owner, contents, this.#known.node(name));
      const isWhole = !overtaken.all && overtaken.pods.size === 0;
      this.#hidden ||= !isWhole;
      if (!isWhole && (overtaken.all || observation.node.state !== 'ours')) continue;
      if (hasOlder(known, observation, overtaken.pods)) {
        // A server that has just become the leader may not be up to date for a moment.
        if (!isConfirmed) {
          isConfirmed = true;
          continue;
        }
        this.#source.onOlder();
      }
      this.#remember(name, isWhole ? (contents?.index ?? 0) : 0);
      return this.#known.take(name, observation, overtaken.pods);
    }
    throw new Error(`read Consul node ${name}: our own commits changed it at each of ${REFRESH_ATTEMPTS} tries`);
  }

  /** @param index at which all of the node is as we know it; 0 when nobody knows that */
  #remember(name: string, index: number): void {
    if (index > 0) this.#asKnown.set(name, { index, generation: this.generation(name) });
    else this.#asKnown.delete(name);
  }

  async #isAsKnown(name: string, observed: CatalogNode | undefined): Promise<boolean> {
    const node = this.#known.node(name);
    const asKnown = this.#asKnown.get(name);
    if (node.state !== 'ours' || node.modifyIndex !== observed?.modifyIndex || !asKnown) return false;
    const generation = this.generation(name);
    if (generation === asKnown.generation && (await this.#source.readIndex(name)) === asKnown.index) return true;
    const { answer, overtaken } = await this.#beside(name, () => this.#source.readServices(name));
    if (overtaken.all || !hasSameServices(this.#owner, this.#known.ofNode(name), answer.services, overtaken.pods))
      return false;
    // Of pods that a commit of ours touched meanwhile it says nothing: the rest of the node need not be read for their sake.
    if (overtaken.pods.size > 0) this.#hidden = true;
    else if (answer.index > 0) this.#remember(name, answer.index);
    return true;
  }

  /** Our nodes by name, as Consul has them, and the first with our cluster's name that is another installation's. */
  async #list(): Promise<{ listed: Map<string, CatalogNode>; stranger: CatalogNode | undefined }> {
    const nodes = await this.#source.list();
    const isOurs = ({ meta }: CatalogNode) => meta.get(META.clusterUid) === this.#owner.clusterUid;
    const listed = new Map(nodes.filter(isOurs).map((node) => [node.name, node]));
    this.#forgetGone(listed);
    return { listed, stranger: nodes.find((node) => !isOurs(node)) };
  }

  /** Clusters that grow and shrink have new names for their nodes each time. */
  #forgetGone(listed: ReadonlyMap<string, CatalogNode>): void {
    for (const name of new Set([...this.#generation.keys(), ...this.#asKnown.keys()])) {
      if (listed.has(name) || this.#reads.has(name) || this.#known.node(name).state !== 'absent') continue;
      this.#generation.delete(name);
      this.#asKnown.delete(name);
    }
  }

  /** Of how many nodes something is remembered. */
  get size(): number {
    return Math.max(this.#generation.size, this.#asKnown.size);
  }

  async #read(
    name: string,
    consistent: boolean,
  ): Promise<{ contents: NodeContents | undefined; overtaken: Overtaken }> {
    const { answer: contents, overtaken } = await this.#beside(name, async () => {
      const contents = await this.#source.read(name, consistent);
      const ids = new Set(contents?.services.map(({ id }) => id.toLowerCase()));
      const isMissing = ({ registration }: OwnInstance) => !ids.has(registration.id.toLowerCase());
      // What is hidden from a token that lost its rights is not gone.
      if ([...this.#known.ofNode(name).values()].some(isMissing)) await this.#source.ensureWitness();
      return contents;
    });
    return { contents, overtaken };
  }

  /** Reads something of a node, and what our commits made of it meanwhile. */
  async #beside<T>(name: string, read: () => Promise<T>): Promise<{ answer: T; overtaken: Overtaken }> {
    const overtaken: Overtaken = { all: false, pods: new Set() };
    const reads = this.#reads.get(name) ?? new Set();
    this.#reads.set(name, reads.add(overtaken));
    try {
      return { answer: await read(), overtaken };
    } finally {
      reads.delete(overtaken);
      if (reads.size === 0) this.#reads.delete(name);
    }
  }
}
