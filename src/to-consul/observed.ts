import { assertTrustworthy, decodeNodes, nodesRequest, readNode } from '../consul/catalog.ts';
import type { ConsulClient } from '../consul/client.ts';
import type { CatalogCheck, CatalogNode, CatalogService, NodeContents } from '../consul/types.ts';
import { META, ownsInstance, ownsNode, type Owner } from '../reconcile/mark.ts';
import { podKeyOf, standsForNode, type ConsulNode, type Registration } from './registration.ts';

/** An instance of ours as the catalog has it, with the indexes that a write must name. */
export interface Observed {
  readonly registration: Registration;
  readonly podKey: string;
  readonly podUid: string;
  readonly serviceIndex: number;
  /** 0 when the instance has no check of ours. */
  readonly checkIndex: number;
}

export type NodeState =
  | { readonly state: 'absent' }
  | { readonly state: 'ours'; readonly address: string; readonly modifyIndex: number }
  | { readonly state: 'refused'; readonly why: string };

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
  #lastCommit = 0;

  private constructor(client: ConsulClient, owner: Owner) {
    this.#client = client;
    this.#owner = owner;
  }

  /** @throws ClusterIdentityError when our name is another cluster's; ConsulError when anything could not be read. */
  static async read(client: ConsulClient, owner: Owner): Promise<OwnCatalog> {
    const catalog = new OwnCatalog(client, owner);
    await catalog.refreshAll(FIRST_READ_CONCURRENCY);
    return catalog;
  }

  get size(): number {
    let size = 0;
    for (const instances of this.#byNode.values()) size += instances.size;
    return size;
  }

  /** The highest index of anything that we wrote: a wake of Consul's up to here is our own doing. */
  get lastCommit(): number {
    return this.#lastCommit;
  }

  /** Something of ours was written that is no instance. */
  noteCommit(index: number): void {
    this.#lastCommit = Math.max(this.#lastCommit, index);
  }

  /** Consul went back in time: indexes that we remember mean nothing any more. */
  forgetCommits(): void {
    this.#lastCommit = 0;
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

  /**
   * Reads everything of ours again; the pods for which something differs from what we knew.
   * @param concurrency nodes that are read at a time; one, beside other work, which a burst of answers would hold up
   */
  async refreshAll(concurrency = 1): Promise<Set<string>> {
    const request = nodesRequest(META.cluster, this.#owner.cluster);
    const answer = await this.#client.get(request);
    assertTrustworthy(request.purpose, answer);
    const listed = decodeNodes(answer, request.purpose);
    const strangers = listed.filter(({ meta }) => meta.get(META.clusterUid) !== this.#owner.clusterUid);
    // Those that were ours until now are refused from here on: nothing is written to them any more.
    for (const { name } of strangers) if (this.#nodes.has(name)) await this.refresh(name);
    const [stranger] = strangers;
    if (stranger) throw new ClusterIdentityError(this.#owner, stranger);
    const names = new Set([...listed.map(({ name }) => name), ...this.#nodes.keys()]);
    const touched = new Set<string>();
    const remaining = names.values();
    const worker = async () => {
      for (const name of remaining) for (const podKey of await this.refresh(name)) touched.add(podKey);
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    return touched;
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

  nodeWritten({ name, address }: ConsulNode, modifyIndex: number): void {
    this.#nodes.set(name, { state: 'ours', address, modifyIndex });
  }

  /** The node is gone from the catalog, by a commit of ours. */
  nodeRemoved(name: string): void {
    this.touch(name);
    this.#replace(name, undefined);
  }

  written(observed: Observed): void {
    const { registration, podKey } = observed;
    const identity = identityOf(registration);
    this.#lastCommit = Math.max(this.#lastCommit, observed.serviceIndex, observed.checkIndex);
    at(this.#byPod, podKey).set(identity, observed);
    at(this.#byNode, registration.node.name).set(identity, observed);
    if (registration.check.status === 'critical') this.#critical.set(identity, observed);
    else this.#critical.delete(identity);
  }

  removed({ registration, podKey }: Observed): void {
    const identity = identityOf(registration);
    this.#byNode.get(registration.node.name)?.delete(identity);
    this.#critical.delete(identity);
    const ofPod = this.#byPod.get(podKey);
    ofPod?.delete(identity);
    if (ofPod?.size === 0) this.#byPod.delete(podKey);
  }

  #replace(name: string, contents: NodeContents | undefined): Set<string> {
    const node = judge(this.#owner, contents);
    // What is not there need not be looked at again and again: a node of that name that comes back is listed, or in our way.
    if (node.state === 'absent') this.#nodes.delete(name);
    else this.#nodes.set(name, node);
    const found = new Map<string, Observed>();
    if (contents && node.state === 'ours') {
      for (const service of contents.services) {
        const podKey = podKeyOf(this.#owner.cluster, service.id);
        if (podKey === undefined || !ownsInstance(this.#owner, service.meta)) continue;
        const observed = toObserved(podKey, contents.node, service, contents.checks);
        found.set(identityOf(observed.registration), observed);
      }
    }
    const touched = new Set<string>();
    const before = new Map<string, Observed>(this.#byNode.get(name) ?? NO_INSTANCES);
    for (const [identity, observed] of before) {
      if (found.has(identity)) continue;
      this.removed(observed);
      touched.add(observed.podKey);
    }
    for (const [identity, observed] of found) {
      const known = before.get(identity);
      if (known?.serviceIndex === observed.serviceIndex && known.checkIndex === observed.checkIndex) continue;
      this.written(observed);
      touched.add(observed.podKey);
    }
    return touched;
  }
}

const FIRST_READ_CONCURRENCY = 16;
const REFRESH_ATTEMPTS = 5;
const NO_INSTANCES: ReadonlyMap<string, Observed> = new Map();

/** Node names and IDs in lower case, because Consul compares them so: another spelling is an update, not another instance. */
export function identityOf({ node, id }: Registration): string {
  return `${node.name}/${id}`.toLowerCase();
}

function at(map: Map<string, Map<string, Observed>>, key: string): Map<string, Observed> {
  let inner = map.get(key);
  if (!inner) map.set(key, (inner = new Map<string, Observed>()));
  return inner;
}

/** A node is written to only when it carries our mark and has no agent: an agent's node is swept by its anti-entropy. */
function judge(owner: Owner, contents: NodeContents | undefined): NodeState {
  if (!contents) return { state: 'absent' };
  const { node, checks } = contents;
  if (!ownsNode(owner, node.meta))
    return { state: 'refused', why: `Consul node ${node.name} exists and was not made by this installation` };
  if (checks.some(({ checkId }) => checkId === 'serfHealth'))
    return { state: 'refused', why: `Consul node ${node.name} belongs to an agent (it has a serfHealth check)` };
  return { state: 'ours', address: node.address, modifyIndex: node.modifyIndex };
}

function toObserved(
  podKey: string,
  node: CatalogNode,
  service: CatalogService,
  checks: readonly CatalogCheck[],
): Observed {
  const isOurs = ({ checkId, serviceId }: CatalogCheck) =>
    checkId.toLowerCase() === service.id.toLowerCase() && serviceId.toLowerCase() === service.id.toLowerCase();
  const check = checks.find(isOurs);
  const { meta } = service;
  return {
    registration: {
      node: { name: node.name, address: node.address },
      id: service.id,
      service: service.service,
      address: service.address,
      port: service.port,
      tags: service.tags,
      meta,
      weight: service.weight,
      check: {
        status: check?.status === 'passing' ? 'passing' : 'critical',
        notes: check?.notes ?? '',
        output: check?.output ?? '',
      },
    },
    podKey,
    podUid: meta.get(META.podUid) ?? '',
    serviceIndex: service.modifyIndex,
    checkIndex: check?.modifyIndex ?? 0,
  };
}
