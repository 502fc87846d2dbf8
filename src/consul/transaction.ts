import { arrayField, expectObject, isObject, numberField, objectField, stringField, type JsonObject } from '../json.ts';
import type { ConsulClient } from './client.ts';
import { ConsulError, TransactionConflict, type OperationFailure } from './errors.ts';

/**
 * Operations of PUT /v1/txn, in the form of the API. `cas` with Index 0 creates only what is absent; with another index
 * it replaces only what was not touched since. There is no plain `delete`, and none without an ID: the worst that a
 * wrong removal can take is one instance. (`catalog/deregister` without a ServiceID takes the node and all on it.) What
 * takes a node is no operation of a pod, and has a type of its own.
 */
export type Operation = NodeOperation | ServiceOperation | ServiceRemoval | CheckOperation;

export interface NodeOperation {
  readonly Node: {
    readonly Verb: 'cas';
    readonly Node: {
      readonly Node: string;
      readonly Address: string;
      readonly Meta: Readonly<Record<string, string>>;
      readonly ModifyIndex: number;
    };
  };
}

/** Takes everything on the node along. The index is that of the node alone: what is on it can change without it. */
export interface NodeRemoval {
  readonly Node: {
    readonly Verb: 'delete-cas';
    readonly Node: { readonly Node: string; readonly ModifyIndex: number };
  };
}

/** `set` heeds no index: only for what a `cas` of the same transaction has just written. */
export interface ServiceOperation {
  readonly Service: {
    readonly Verb: 'cas' | 'set';
    readonly Node: string;
    readonly Service: {
      readonly ID: string;
      readonly Service: string;
      readonly Address: string;
      readonly Port: number;
      readonly Tags: readonly string[];
      readonly Meta: Readonly<Record<string, string>>;
      readonly Weights: { readonly Passing: number; readonly Warning: number };
      readonly ModifyIndex: number;
    };
  };
}

export interface ServiceRemoval {
  readonly Service: {
    readonly Verb: 'delete-cas';
    readonly Node: string;
    readonly Service: { readonly ID: string; readonly Service: string; readonly ModifyIndex: number };
  };
}

/** As with services. */
export interface CheckOperation {
  readonly Check: {
    readonly Verb: 'cas' | 'set';
    readonly Check: {
      readonly Node: string;
      readonly CheckID: string;
      readonly Name: string;
      readonly Type: string;
      readonly Status: string;
      readonly Notes: string;
      readonly Output: string;
      readonly ServiceID: string;
      readonly ServiceName: string;
      readonly ModifyIndex: number;
    };
  };
}

/** New indexes of what was written: by node name, by service ID, by check ID. Removals leave nothing here. */
export interface Committed {
  readonly nodes: ReadonlyMap<string, number>;
  readonly services: ReadonlyMap<string, number>;
  readonly checks: ReadonlyMap<string, number>;
}

/** Operations as they are sent; texts of several lists are joined with commas. */
export function operationsText(operations: readonly (Operation | NodeRemoval)[]): string {
  return JSON.stringify(operations).slice(1, -1);
}

/**
 * Applies all operations or none.
 * @param texts of all operations, by `operationsText`: their size was needed before, and they are the bulk of the work
 * @throws TransactionConflict when Consul refused some of them (409); nothing was applied.
 * @throws ConsulError otherwise; with status 0 it is not known whether the transaction was applied.
 */
export async function commitTransaction(client: ConsulClient, texts: readonly string[]): Promise<Committed> {
  try {
    const answer = await client.put({ purpose: 'commit transaction', path: '/txn', json: `[${texts.join(',')}]` });
    return decodeCommitted(answer.body);
  } catch (error) {
    if (error instanceof ConsulError && error.status === 409)
      throw new TransactionConflict(decodeFailures(error.detail));
    throw error;
  }
}

export function decodeCommitted(body: unknown): Committed {
  const nodes = new Map<string, number>();
  const services = new Map<string, number>();
  const checks = new Map<string, number>();
  for (const result of arrayField(expectObject(body, 'transaction results'), 'Results').filter(isObject)) {
    const [node, service, check] = [
      objectField(result, 'Node'),
      objectField(result, 'Service'),
      objectField(result, 'Check'),
    ];
    if (stringField(service, 'ID')) services.set(stringField(service, 'ID'), numberField(service, 'ModifyIndex') ?? 0);
    else if (stringField(check, 'CheckID'))
      checks.set(stringField(check, 'CheckID'), numberField(check, 'ModifyIndex') ?? 0);
    else if (stringField(node, 'Node')) nodes.set(stringField(node, 'Node'), numberField(node, 'ModifyIndex') ?? 0);
  }
  return { nodes, services, checks };
}

/** What the body of a 409 says; nothing when a proxy wrote it and not Consul. */
export function decodeFailures(text: string): OperationFailure[] {
  return arrayField(parseObject(text), 'Errors')
    .filter(isObject)
    .map((failure) => ({ index: numberField(failure, 'OpIndex') ?? -1, what: stringField(failure, 'What') }));
}

function parseObject(text: string): JsonObject {
  try {
    return expectObject(JSON.parse(text), 'refused transaction');
  } catch {
    return {};
  }
}
