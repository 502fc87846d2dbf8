import type { Committer } from '../../../src/consul/committer.ts';
import type { Committed, NodeRemoval, Operation, OperationList } from '../../../src/consul/transaction.ts';
import { podKeyOf } from '../../../src/to-consul/registration/registration.ts';
import { owner } from '../builders.ts';

/** `verb kind id on node @index` for each operation. */
export function shown(operations: readonly (Operation | NodeRemoval)[]): string[] {
  return operations.map((operation) => {
    if ('Node' in operation) return `${operation.Node.Verb} node ${operation.Node.Node.Node} @${index(operation)}`;
    if ('Check' in operation) {
      const { Verb, Check } = operation.Check;
      return `${Verb} check of ${Check.ServiceName} on ${Check.Node} @${Check.ModifyIndex}`;
    }
    const { Verb, Node, Service } = operation.Service;
    return `${Verb} service ${Service.Service} on ${Node} @${Service.ModifyIndex}`;
  });
}

function index({ Node }: Extract<Operation | NodeRemoval, { Node: unknown }>): number {
  return Node.Node.ModifyIndex;
}

/** The pods that operations are about, each once, in their order. */
export function podsOf(operations: readonly (Operation | NodeRemoval)[]): string[] {
  const ids = operations.flatMap((operation) => {
    if ('Service' in operation) return [operation.Service.Service.ID];
    return 'Check' in operation ? [operation.Check.Check.CheckID] : [];
  });
  return [...new Set(ids.map((id) => podKeyOf(owner.cluster, id) ?? id))];
}

/** A transaction that was sent; how it ends is the test's to say. */
export class SentTransaction {
  readonly operations: readonly (Operation | NodeRemoval)[];
  readonly fail: (error: unknown) => void;
  readonly #resolve: (committed: Committed) => void;
  readonly #nextIndex: () => number;

  constructor(
    operations: SentTransaction['operations'],
    resolve: (committed: Committed) => void,
    reject: (error: unknown) => void,
    nextIndex: () => number,
  ) {
    this.operations = operations;
    this.fail = reject;
    this.#resolve = resolve;
    this.#nextIndex = nextIndex;
  }

  get pods(): string[] {
    return podsOf(this.operations);
  }

  /** Everything is applied, at one new index. */
  commit(): void {
    const committed = { nodes: new Map<string, number>(), services: new Map(), checks: new Map() };
    const index = this.#nextIndex();
    for (const operation of this.operations) {
      if ('Node' in operation) {
        if (operation.Node.Verb === 'cas') committed.nodes.set(operation.Node.Node.Node, index);
      } else if ('Check' in operation) committed.checks.set(operation.Check.Check.CheckID, index);
      else if (operation.Service.Verb !== 'delete-cas') committed.services.set(operation.Service.Service.ID, index);
    }
    this.#resolve(committed);
  }
}

/** Takes transactions and leaves it to the test what becomes of them. */
export class TestCommitter implements Committer {
  readonly sent: SentTransaction[] = [];
  /** What becomes of each as soon as it is sent; by default nothing. */
  onSent: (transaction: SentTransaction) => void = () => undefined;
  /** When what nobody knows the outcome of can be applied no more; by default at once. */
  settled: () => Promise<void> = () => Promise.resolve();
  #index = 1000;

  commit(lists: readonly OperationList[]): Promise<Committed> {
    return new Promise((resolve, reject) => {
      const operations = lists.flatMap((list) => list.operations);
      const transaction = new SentTransaction(operations, resolve, reject, () => ++this.#index);
      this.sent.push(transaction);
      this.onSent(transaction);
    });
  }
}
