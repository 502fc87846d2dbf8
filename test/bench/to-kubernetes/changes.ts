import { setTimeout as sleep } from 'node:timers/promises';
import { caused, startStopwatch, type PerPart } from '../cpu.ts';
import { quantiles, type Quantiles } from '../quantiles.ts';
import { comeAndGo, instanceAt, instancesOf, probesOf } from './instances.ts';
import type { Mirrorer } from './programs.ts';
import type { Stage } from './stage.ts';

export interface Changes {
  /** From the write to Consul until a watch of the slices shows it. */
  readonly writtenMs: Quantiles;
  /** The part of it that neither program can help: until Consul has answered the write. */
  readonly consulMs: Quantiles;
  /** Of one change. */
  readonly cpuMs: PerPart;
  /** CPU of Consul in milliseconds a second. */
  readonly consulMsPerSecond: number;
}

export const FLIPS_PER_SECOND = 10;
export const ARRIVAL_GAP_MS = 10_000;
/** Numbers of services that follow each other go to services far apart. */
const STRIDE = 997;

/** Flips the probes between passing and critical, in turn and at an even rate; they end as they began, passing. */
export function measureFlips(subject: Mirrorer, stage: Stage, flips: number): Promise<Changes> {
  const { source, mirror, services } = stage;
  const probes = probesOf(services);
  return measure(subject, stage, flips, 1000 / FLIPS_PER_SECOND, (i) => {
    const probe = probes[i % probes.length];
    if (!probe) throw new Error('flip an instance: expected at least one probe, found none');
    const passing = Math.floor(i / probes.length) % 2 === 1;
    return {
      write: () => source.setStatus(probe, passing ? 'passing' : 'critical'),
      shown: () => mirror.untilHas(probe.service, probe.address, passing),
    };
  });
}

/** Adds instances, each to another service, and removes them some changes later. */
export function measureArrivals(subject: Mirrorer, stage: Stage, changes: number, gapMs: number): Promise<Changes> {
  const { source, mirror, services } = stage;
  // Beyond all others; the remainder says which service an instance belongs to (see instanceAt).
  const first = Math.ceil(instancesOf(services) / services) * services;
  const order = comeAndGo(changes / 2);
  return measure(subject, stage, changes, gapMs, (i) => {
    const change = order[i];
    if (!change) throw new Error(`change ${i} of ${changes}: expected an instance that comes or goes, found none`);
    const { number, added } = change;
    const instance = instanceAt(first + ((number * STRIDE) % services), services);
    return {
      write: () => (added ? source.register(instance) : source.deregister(instance)),
      shown: () => mirror.untilHas(instance.service, instance.address, added),
    };
  });
}

interface Change {
  readonly write: () => Promise<unknown>;
  readonly shown: () => Promise<number>;
}

async function measure(
  subject: Mirrorer,
  { parts, background }: Stage,
  count: number,
  gapMs: number,
  changeAt: (index: number) => Change,
): Promise<Changes> {
  const written: number[] = [];
  const answered: number[] = [];
  const pending: Promise<void>[] = [];
  const make = async ({ write, shown }: Change) => {
    const sent = performance.now();
    const writing = write().then(() => answered.push(performance.now() - sent));
    written.push((await shown()) - sent);
    await writing; // the slice may be written before Consul's answer is here
  };
  const stopwatch = await startStopwatch({ ...parts, subject: subject.pid });
  const start = performance.now();
  const work = async () => {
    for (let i = 0; i < count; i++) {
      await sleep(Math.max(0, start + i * gapMs - performance.now()));
      pending.push(make(changeAt(i)));
      pending.at(-1)?.catch(() => undefined); // it is awaited below; until then it must not end this process
    }
    await Promise.all(pending);
  };
  await subject.during(work());
  const spent = await stopwatch();
  return {
    writtenMs: quantiles(written),
    consulMs: quantiles(answered),
    cpuMs: caused(spent, background, count),
    consulMsPerSecond: caused(spent, background, spent.seconds).consul,
  };
}
