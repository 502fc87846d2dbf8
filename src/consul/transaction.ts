import { arrayField, expectObject, isObject, numberField, objectField, stringField, type JsonObject } from '../json.ts';
import type { OperationFailure } from './errors.ts';

/**
 * Operations of PUT /v1/txn, in the form of the API. `cas` with index 0 creates only what is absent; with another index
 * it replaces only what was not touched since. There is no plain `delete`, and none without an ID: the worst that a
 * wrong removal can take is one instance. (`catalog/deregister` without a ServiceID takes the node and all on it.) The
 * removal of a node is no operation of a pod, and has a type of its own.
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

export interface ServiceOperation {
  readonly Service: {
    readonly Verb: 'cas';
    readonly Node: string;
    readonly Service: {
      readonly ID: string;
      readonly Service: string;
      readonly Address: string;
      readonly Port: number;
      readonly TaggedAddresses?: Readonly<Record<string, { readonly Address: string; readonly Port: number }>>;
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

export interface CheckOperation {
  readonly Check: {
    readonly Verb: 'cas';
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

/** Applies nothing: the transaction fails when the key has another index by then. */
export interface KeyCheck {
  readonly KV: { readonly Verb: 'check-index'; readonly Key: string; readonly Index: number };
}

/** New indexes of what was written: by node name, by service ID, by check ID. Removals leave nothing here. */
export interface Committed {
  readonly nodes: ReadonlyMap<string, number>;
  readonly services: ReadonlyMap<string, number>;
  readonly checks: ReadonlyMap<string, number>;
}

/**
 * Operations with the text that is sent of them, without the brackets: the texts of several lists are joined with commas.
 * To write it is the bulk of the work, and its size decides what goes into a transaction, so it is written once.
 */
export interface OperationList {
  readonly operations: readonly (Operation | NodeRemoval)[];
  readonly text: string;
}

export function operationList<T extends Operation | NodeRemoval>(operations: readonly T[]) {
  return { operations, text: JSON.stringify(operations).slice(1, -1) } satisfies OperationList;
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
