import type { ConsulApi } from '../rig/consul.ts';
import { sumOf } from './prometheus.ts';

/** How many entries of Consul's Raft log were caused by its clients, since Consul started. */
export interface RaftEntries {
  readonly transactions: number;
  /** Everything that a client can cause: transactions, registrations, KV writes, sessions. */
  readonly all: number;
}

/**
 * Exact, and not the applied index: that one moves by Consul's own doings too (coordinates, autopilot, tombstones), and
 * the indexes of the catalog do not move when something identical is written, which costs an entry all the same. Consul
 * counts each entry that it applies, by type, so that its own can be left out. It registers itself when it starts; the
 * counts are always differences, taken later.
 */
export async function raftEntries(consul: ConsulApi): Promise<RaftEntries> {
  const metrics = (await consul.must('GET', '/agent/metrics?format=prometheus')) as string;
  const count = (type: string) => sumOf(metrics, `consul_fsm_${type}_count`);
  const transactions = count('txn');
  return {
    transactions,
    all: transactions + ['register', 'deregister', 'kvs', 'session'].reduce((sum, type) => sum + count(type), 0),
  };
}
