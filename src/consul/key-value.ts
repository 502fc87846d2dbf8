import {
  arrayField,
  expectArray,
  expectObject,
  numberField,
  objectField,
  stringField,
  type JsonObject,
} from '../json.ts';
import type { ConsulClient } from './client.ts';
import { ConsulError, TransactionConflict, UntrustworthyAnswer } from './errors.ts';
import { decodeFailures, type KeyCheck } from './transaction.ts';

/** A key of Consul's key-value store as it is. */
export interface StoredKey {
  readonly value: string;
  /** ModifyIndex: moves with every write of the key. */
  readonly index: number;
}

/** Single keys, as a fence needs them. Source: Consul's API documentation, KV store and transactions. */
export interface KeyValue {
  /** The key, confirmed by the leader; undefined when there is none. @throws ConsulError, UntrustworthyAnswer */
  read(key: string): Promise<StoredKey | undefined>;
  /**
   * Writes the key if it still has that index; 0 where it is not there. Returns its new index, which is the old one where the
   * value is the same.
   * @throws TransactionConflict when it has another index, or the token lacks the right; ConsulError otherwise
   */
  swap(key: string, value: string, index: number): Promise<number>;
  /**
   * Deletes the key if it still has that index.
   * @throws TransactionConflict when it has another index, is gone, or the token lacks the right; ConsulError otherwise
   */
  remove(key: string, index: number): Promise<void>;
}

export function createKeyValue(client: Pick<ConsulClient, 'get' | 'put'>): KeyValue {
  /** What Consul says of the one operation of a transaction. */
  async function apply(purpose: string, operation: object): Promise<JsonObject | undefined> {
    try {
      const { body } = await client.put({ purpose, path: '/txn', json: JSON.stringify([operation]) });
      return arrayField(expectObject(body, purpose), 'Results').map((item) => expectObject(item, purpose))[0];
    } catch (error) {
      if (error instanceof ConsulError && error.status === 409)
        throw new TransactionConflict(decodeFailures(error.detail));
      throw error;
    }
  }

  return {
    async read(key) {
      const request = keyRequest(key);
      const { purpose } = request;
      try {
        const { body, knownLeader } = await client.get({ ...request, query: { consistent: '' } });
        if (!knownLeader) throw new UntrustworthyAnswer(purpose, 'one from a server without a leader');
        const [entry] = expectArray(body, purpose).map((item) => expectObject(item, purpose));
        const index = entry && numberField(entry, 'ModifyIndex');
        if (!entry || index === undefined) throw new UntrustworthyAnswer(purpose, 'no index of the key');
        return { value: Buffer.from(stringField(entry, 'Value'), 'base64').toString('utf8'), index };
      } catch (error) {
        if (error instanceof ConsulError && error.status === 404) return undefined;
        throw error;
      }
    },
    async swap(key, value, index) {
      const purpose = `write key ${key}`;
      const operation = { KV: { Verb: 'cas', Key: key, Value: Buffer.from(value).toString('base64'), Index: index } };
      const result = await apply(purpose, operation);
      const written = result && numberField(objectField(result, 'KV'), 'ModifyIndex');
      if (written === undefined) throw new UntrustworthyAnswer(purpose, 'no index of the key');
      return written;
    },
    async remove(key, index) {
      if (index === 0) throw new Error(`delete key ${key}: expected its index, found none`);
      await apply(`delete key ${key}`, { KV: { Verb: 'delete-cas', Key: key, Index: index } });
    },
  };
}

/** The operation of a transaction that makes it fail when the key has another index by then. */
export function keyCheck(key: string, index: number): KeyCheck {
  return { KV: { Verb: 'check-index', Key: key, Index: index } };
}

/** Slashes part the path, and each part is encoded. */
export function keyRequest(key: string) {
  const parts = key.split('/');
  const params = Object.fromEntries(parts.map((part, i) => [`part${i}`, part]));
  return { purpose: `read key ${key}`, path: `/kv/${parts.map((_, i) => `{part${i}}`).join('/')}`, params };
}
