import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsulApi } from '../../rig/consul.ts';
import { quantiles, type Quantiles } from '../quantiles.ts';
import type { BenchPod } from './pods.ts';
import { NAMESPACE, type World } from './world.ts';

export const FLIPS_PER_SECOND = 20;
const FLIP_LIMIT_MS = 60_000;

export interface Flips {
  /** From the status write to the API server until a blocking query of Consul shows it. */
  readonly visibleMs: Quantiles;
  /** The part of it that neither program can help: until the API server has answered the write. */
  readonly writeMs: Quantiles;
}

/** Flips the probes between Ready and not Ready, in turn and at an even rate; they end as they began, ready. */
export async function measureFlips(world: World, consul: ConsulApi, flips: number): Promise<Flips> {
  const visible: number[] = [];
  const written: number[] = [];
  const probes = world.probes;
  const pending: Promise<void>[] = [];
  const flip = async (pod: BenchPod, ready: boolean) => {
    const { index } = await consul.call('GET', `/health/service/${pod.service}?near=_agent`);
    const sent = performance.now();
    const writing = world.kubernetes
      .setReady(NAMESPACE, pod.name, ready)
      .then(() => written.push(performance.now() - sent));
    await untilCount(consul, pod.service, ready ? 1 : 0, index);
    visible.push(performance.now() - sent);
    await writing; // Consul may show the change before the API server's answer is here
  };
  const start = performance.now();
  for (let i = 0; i < flips; i++) {
    const pod = probes[i % probes.length];
    if (!pod) throw new Error('measure flips: expected at least one probe, found none');
    await sleep(Math.max(0, start + (i * 1000) / FLIPS_PER_SECOND - performance.now()));
    pending.push(flip(pod, Math.floor(i / probes.length) % 2 === 1));
    pending.at(-1)?.catch(() => undefined); // it is awaited below; until then it must not end this process
  }
  await Promise.all(pending);
  return { visibleMs: quantiles(visible), writeMs: quantiles(written) };
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
