import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsulApi } from '../../rig/consul.ts';
import { quantiles, type Quantiles } from '../quantiles.ts';
import { probesOf, type BenchPod, type Class } from './pods.ts';
import { NAMESPACE, type World } from './world.ts';

export const FLIPS_PER_SECOND = 20;
const FLIP_LIMIT_MS = 60_000;

export interface Flips {
  /** From the status write to the API server until a blocking query of Consul shows it. */
  readonly visibleMs: Quantiles;
  /** The part of it that neither program can help: until the API server has answered the write. */
  readonly writeMs: Quantiles;
}

/** Flips pods that are alone in their service, and sees by a blocking query of Consul when each change is there. */
export async function measureFlips(world: World, consul: ConsulApi, flips: number): Promise<Flips> {
  const visible: number[] = [];
  const written: number[] = [];
  await atEvenRate(1, flips, async (pod, ready) => {
    const { index } = await consul.call('GET', `/health/service/${pod.service}?near=_agent`);
    const sent = performance.now();
    const writing = setReady(world, pod, ready).then(() => written.push(performance.now() - sent));
    await untilCount(consul, pod.service, ready ? 1 : 0, index);
    visible.push(performance.now() - sent);
    await writing; // Consul may show the change before the API server's answer is here
  });
  return { visibleMs: quantiles(visible), writeMs: quantiles(written) };
}

/** The same without asking Consul: an answer with 100 instances would cost it more than the change. */
export async function flipUnseen(world: World, size: Class, flips: number): Promise<void> {
  await atEvenRate(size, flips, (pod, ready) => setReady(world, pod, ready));
}

function setReady(world: World, { name }: BenchPod, ready: boolean): Promise<unknown> {
  return world.kubernetes.setReady(NAMESPACE, name, ready);
}

/** Flips the probes between Ready and not Ready, in turn and at an even rate; they end as they began, ready. */
async function atEvenRate(
  size: Class,
  flips: number,
  flip: (pod: BenchPod, ready: boolean) => Promise<unknown>,
): Promise<void> {
  const probes = probesOf(size);
  const pending: Promise<unknown>[] = [];
  const start = performance.now();
  for (let i = 0; i < flips; i++) {
    const pod = probes[i % probes.length];
    if (!pod) throw new Error('flip pods: expected at least one probe, found none');
    await sleep(Math.max(0, start + (i * 1000) / FLIPS_PER_SECOND - performance.now()));
    pending.push(flip(pod, Math.floor(i / probes.length) % 2 === 1));
    pending.at(-1)?.catch(() => undefined); // it is awaited below; until then it must not end this process
  }
  await Promise.all(pending);
}

async function untilCount(consul: ConsulApi, service: string, count: number, from: string): Promise<void> {
  let index = from;
  for (const deadline = performance.now() + FLIP_LIMIT_MS; performance.now() < deadline;) {
    const answer = await consul.call('GET', `/health/service/${service}?near=_agent&wait=10s&index=${index}`);
    if ((answer.body as unknown[]).length === count) return;
    index = answer.index;
  }
  throw new Error(
    `flip ${service}: expected ${count} instances in Consul, found another number for ${FLIP_LIMIT_MS / 1000} s`,
  );
}
