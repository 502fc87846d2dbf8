import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsulApi } from '../rig/consul.ts';
import type { KubernetesApi } from '../rig/kubernetes.ts';

/** Everything is bounded: a program that never gets there ends the benchmark with an error. */
const LIMIT_MS = 120_000;

export interface Quantiles {
  readonly n: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export function quantiles(values: readonly number[]): Quantiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;
  return { n: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

/** How many changes Consul's log has had so far; it rises by one with each write of anybody. */
export async function raftIndex(consul: ConsulApi): Promise<number> {
  const self = (await consul.must('GET', '/agent/self')) as { Stats: { raft: { applied_index: string } } };
  return Number(self.Stats.raft.applied_index);
}

/** Waits until that many instances of the subject are in the catalog, and answers when that was seen. */
export async function untilFilled(consul: ConsulApi, checkName: string, instances: number): Promise<number> {
  const path = `/health/state/passing?filter=${encodeURIComponent(`Name == "${checkName}"`)}`;
  for (const deadline = performance.now() + LIMIT_MS; performance.now() < deadline;) {
    const found = ((await consul.must('GET', path)) as unknown[]).length;
    if (found === instances) return performance.now();
    // Reading ten thousand checks costs Consul more than it tells: seldom at first, often at the end.
    await sleep(found < instances * 0.9 ? 100 : 5);
  }
  throw new Error(
    `fill Consul: expected ${instances} instances with the check "${checkName}", found fewer after ${LIMIT_MS / 1000} s`,
  );
}

/**
 * Flips pods between Ready and not Ready at an even rate, each the only one of its service, and measures from the write
 * to the API server until a blocking query of Consul shows it.
 */
export async function measureFlips(
  kubernetes: KubernetesApi,
  consul: ConsulApi,
  pods: readonly { name: string; service: string }[],
  flips: number,
  perSecond: number,
): Promise<Quantiles> {
  const latencies: number[] = [];
  const pending: Promise<void>[] = [];
  const start = performance.now();
  for (let i = 0; i < flips; i++) {
    const pod = pods[i % pods.length];
    if (!pod) throw new Error('measure flips: expected at least one pod, found none');
    const ready = Math.floor(i / pods.length) % 2 === 1;
    await sleep(Math.max(0, start + (i * 1000) / perSecond - performance.now()));
    pending.push(
      (async () => {
        const { index } = await consul.call('GET', `/health/service/${pod.service}?near=_agent`);
        const at = performance.now();
        await kubernetes.setReady('default', pod.name, ready);
        await untilCount(consul, pod.service, ready ? 1 : 0, index);
        latencies.push(performance.now() - at);
      })(),
    );
  }
  await Promise.all(pending);
  return quantiles(latencies);
}

async function untilCount(consul: ConsulApi, service: string, count: number, from: string): Promise<void> {
  let index = from;
  for (const deadline = performance.now() + LIMIT_MS; performance.now() < deadline;) {
    const answer = await consul.call('GET', `/health/service/${service}?near=_agent&wait=10s&index=${index}`);
    if ((answer.body as unknown[]).length === count) return;
    index = answer.index;
  }
  throw new Error(
    `flip ${service}: expected ${count} instances in Consul, found another number after ${LIMIT_MS / 1000} s`,
  );
}
