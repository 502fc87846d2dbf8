import type { ConsulApi } from '../../rig/consul.ts';
import { inParallel } from '../parallel.ts';
import { PORT, type BenchInstance } from './instances.ts';

export type Status = 'passing' | 'critical';

/** Two operations each, and Consul takes 128 in one transaction. */
const INSTANCES_IN_TRANSACTION = 64;
const NODES_IN_TRANSACTION = 128;
/** More transactions at a time bring nothing. */
const WRITERS = 4;

/** The Consul side: instances as applications on virtual machines have them, written through the catalog's API. */
export class Source {
  readonly #consul: ConsulApi;

  constructor(consul: ConsulApi) {
    this.#consul = consul;
  }

  async registerAll(instances: readonly BenchInstance[]): Promise<void> {
    const nodes = [...new Set(instances.map(({ node }) => node))].map(nodeOf);
    await this.#commitAll(chunks(nodes, NODES_IN_TRANSACTION));
    await this.#commitAll(chunks(instances, INSTANCES_IN_TRANSACTION).map((some) => some.flatMap(register)));
  }

  register(instance: BenchInstance): Promise<unknown> {
    return this.#commit([nodeOf(instance.node), ...register(instance)]);
  }

  deregister({ node, id, service }: BenchInstance): Promise<unknown> {
    return this.#commit([{ Service: { Verb: 'delete', Node: node, Service: { ID: id, Service: service } } }]);
  }

  setStatus(instance: BenchInstance, status: Status): Promise<unknown> {
    return this.#commit([check(instance, status)]);
  }

  async #commitAll(transactions: readonly object[][]): Promise<void> {
    await inParallel(transactions, (operations) => this.#commit(operations), WRITERS);
  }

  #commit(operations: readonly object[]): Promise<unknown> {
    return this.#consul.must('PUT', '/txn', operations);
  }
}

function nodeOf(node: string): object {
  return { Node: { Verb: 'set', Node: { Node: node, Address: '192.0.2.1' } } };
}

function register(instance: BenchInstance): object[] {
  const { node, id, service, address } = instance;
  const body = { ID: id, Service: service, Address: address, Port: PORT, Meta: { secure: 'false' } };
  return [{ Service: { Verb: 'set', Node: node, Service: body } }, check(instance, 'passing')];
}

function check({ node, id }: BenchInstance, status: Status): object {
  const body = { Node: node, CheckID: `service:${id}`, Name: 'health', Status: status, ServiceID: id, Output: status };
  return { Check: { Verb: 'set', Check: body } };
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
