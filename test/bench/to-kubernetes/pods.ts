import { setTimeout as sleep } from 'node:timers/promises';
import { raftEntries } from '../raft-entries.ts';
import type { Stage } from './stage.ts';

const NODE = 'node-1';
const NAMESPACE = 'default';
const PODS = Array.from({ length: 20 }, (_, i) => `pod-${i}`);
/** Each pod once a second: 20 changes a second. */
export const FLIPS_PER_SECOND = PODS.length;

/** What to-consul was made to do meanwhile. */
export interface Churn<T> {
  readonly result: T;
  readonly transactionsPerSecond: number;
}

/** Annotated pods become ready and not ready, so that to-consul writes 20 changes a second, until the work is done. */
export async function whilePodsFlip<T>({ kubernetes, consul }: Stage, work: () => Promise<T>): Promise<Churn<T>> {
  await kubernetes.createNode(NODE);
  const annotations = { 'consular.dev/service-name': 'pods' };
  for (const name of PODS) await kubernetes.createPod(NAMESPACE, name, { node: NODE, annotations });
  const stop = new AbortController();
  const before = await raftEntries(consul);
  const start = performance.now();
  const flipping = flip(stop.signal, (name, ready) => kubernetes.setReady(NAMESPACE, name, ready));
  try {
    const result = await work();
    const seconds = (performance.now() - start) / 1000;
    const transactions = (await raftEntries(consul)).transactions - before.transactions;
    return { result, transactionsPerSecond: transactions / seconds };
  } finally {
    stop.abort();
    await flipping;
    for (const name of PODS) await kubernetes.deletePod(NAMESPACE, name);
  }
}

async function flip(signal: AbortSignal, set: (name: string, ready: boolean) => Promise<unknown>): Promise<void> {
  const start = performance.now();
  for (let i = 0; !signal.aborted; i++) {
    await sleep(Math.max(0, start + (i * 1000) / FLIPS_PER_SECOND - performance.now()));
    await set(PODS[i % PODS.length] ?? '', Math.floor(i / PODS.length) % 2 === 1);
  }
}
