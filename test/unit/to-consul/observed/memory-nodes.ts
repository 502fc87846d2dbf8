import type { CatalogNode, NodeContents } from '../../../../src/consul/types.ts';
import { MANAGED_BY, META } from '../../../../src/mark.ts';
import type { NodeSource } from '../../../../src/to-consul/observed/node-reads.ts';
import { nodeMeta } from '../../../../src/to-consul/registration/registration.ts';
import { owner, strings } from '../../builders.ts';

/** Nodes in a catalog that is a map; it says what was asked of it, and a test may do something before each answer. */
export class MemoryNodes implements NodeSource {
  /** What was read since somebody looked: `list`, `read NAME`, `index NAME`, `services NAME`, `witness`. */
  asked: string[] = [];
  /** Called once while the answer to the next question of that kind is on its way. */
  onTheWay: { read?: (() => void) | undefined; services?: (() => void) | undefined } = {};
  isWitnessThere = true;
  /** How often Consul was found to have an older entry of ours. */
  older = 0;
  readonly #nodes = new Map<string, NodeContents>();
  #index = 10;

  /** A node with a service for each of these pods, at its present index. */
  put(name: string, pods: readonly string[], meta: Readonly<Record<string, string>> = nodeMeta(owner)): void {
    const before = this.#nodes.get(name);
    const index = ++this.#index;
    const services = pods.map((pod) => serviceOf(pod, this.#indexIn(before, pod) ?? index));
    this.#nodes.set(name, {
      node: { name, address: '192.168.1.11', meta: strings(meta), modifyIndex: before?.node.modifyIndex ?? index },
      services,
      checks: services.map(({ id, modifyIndex }) => checkOf(id, modifyIndex)),
      index,
    });
  }

  /** Somebody writes the service of a pod there. */
  touch(name: string, pod: string): void {
    const contents = this.#contents(name);
    const modifyIndex = ++this.#index;
    const services = contents.services.map((service) =>
      service.id === idOf(pod) ? { ...service, modifyIndex } : service,
    );
    this.#nodes.set(name, { ...contents, services, index: modifyIndex });
  }

  /** Somebody writes the node itself. */
  touchNode(name: string, meta?: Readonly<Record<string, string>>): void {
    const contents = this.#contents(name);
    const modifyIndex = ++this.#index;
    const node = { ...contents.node, ...(meta ? { meta: strings(meta) } : {}), modifyIndex };
    this.#nodes.set(name, { ...contents, node, index: modifyIndex });
  }

  /** A node as it is now, to be put back later. */
  save(name: string): NodeContents {
    return this.#contents(name);
  }

  restore(name: string, contents: NodeContents): void {
    this.#nodes.set(name, contents);
  }

  drop(name: string): void {
    this.#nodes.delete(name);
  }

  list(): Promise<readonly CatalogNode[]> {
    this.asked.push('list');
    return Promise.resolve([...this.#nodes.values()].map(({ node }) => node));
  }

  read(name: string, consistent = false): Promise<NodeContents | undefined> {
    this.asked.push(`read ${name}${consistent ? ' from the leader' : ''}`);
    return this.#answer('read', this.#nodes.get(name));
  }

  readIndex(name: string): Promise<number> {
    this.asked.push(`index ${name}`);
    return Promise.resolve(this.#contents(name).index);
  }

  readServices(name: string): Promise<NodeContents> {
    this.asked.push(`services ${name}`);
    return this.#answer('services', this.#contents(name));
  }

  ensureWitness(): Promise<void> {
    this.asked.push('witness');
    return this.isWitnessThere ? Promise.resolve() : Promise.reject(new Error('the witness is missing'));
  }

  onOlder(): void {
    this.older++;
  }

  #answer<T>(kind: 'read' | 'services', answer: T): Promise<T> {
    const act = this.onTheWay[kind];
    this.onTheWay[kind] = undefined;
    act?.();
    return Promise.resolve(answer);
  }

  #contents(name: string): NodeContents {
    const contents = this.#nodes.get(name);
    if (!contents) throw new Error(`look at node ${name}: expected it, found none`);
    return contents;
  }

  #indexIn(contents: NodeContents | undefined, pod: string): number | undefined {
    return contents?.services.find(({ id }) => id === idOf(pod))?.modifyIndex;
  }
}

export function idOf(pod: string): string {
  return `prod.shop.${pod}:orders:8080`;
}

function serviceOf(pod: string, modifyIndex: number): NodeContents['services'][number] {
  const meta = strings({ [META.managedBy]: MANAGED_BY, [META.cluster]: 'prod', [META.podUid]: `uid-of-${pod}` });
  const where = { address: '10.1.0.7', port: 8080, taggedAddresses: strings() };
  return { id: idOf(pod), service: 'orders', ...where, tags: [], meta, weight: 1, modifyIndex };
}

function checkOf(id: string, modifyIndex: number): NodeContents['checks'][number] {
  const texts = { name: 'Kubernetes readiness', type: 'kubernetes', notes: '', output: '' };
  return { checkId: id, ...texts, status: 'passing', serviceId: id, modifyIndex };
}
