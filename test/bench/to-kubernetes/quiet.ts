import { setTimeout as sleep } from 'node:timers/promises';
import { startStopwatch } from '../cpu.ts';
import { FaultProxy } from '../../rig/fault-proxy.ts';
import type { Program } from './programs.ts';
import type { Stage } from './stage.ts';

/** A restart with nothing changed, and the idleness that follows, with every request to Consul counted on its way. */
export interface Quiet {
  readonly readyMs: number;
  /** Until it has settled after the start. */
  readonly requestsAtStart: number;
  readonly seconds: number;
  /** Of the idleness only. */
  readonly requestsPerSecond: number;
  readonly longPollsPerSecond: number;
  readonly cpuPercent: number;
  /** Above what it used before the program was started. */
  readonly consulPercent: number;
  readonly connections: number;
  /** Since the start. */
  readonly objectWrites: number;
  readonly residentMiB: number;
}

const SETTLE_MS = 15_000;

export async function measureQuiet(
  program: Program,
  { consul, mirror, parts, background }: Stage,
  seconds: number,
): Promise<Quiet> {
  const proxy = await FaultProxy.open(consul.address, '');
  const count = { requests: 0, longPolls: 0 };
  proxy.readFault = (path) => {
    if (/[?&]index=/.test(path)) count.longPolls++;
    else count.requests++;
    return 'pass';
  };
  const requests = () => count.requests + proxy.transactions.length;
  const written = total(mirror.writes);
  const subject = await program.start(proxy.address);
  try {
    if (!subject.readyMs) throw new Error(`restart ${program.name}: expected a program that says when it is ready`);
    const readyMs = await subject.readyMs();
    await subject.during(sleep(SETTLE_MS));
    const before = { requests: requests(), longPolls: count.longPolls };
    const stopwatch = await startStopwatch({ ...parts, subject: subject.pid });
    await subject.during(sleep(seconds * 1000));
    const spent = await stopwatch();
    return {
      readyMs,
      requestsAtStart: before.requests,
      seconds,
      requestsPerSecond: (requests() - before.requests) / seconds,
      longPollsPerSecond: (count.longPolls - before.longPolls) / seconds,
      cpuPercent: (100 * spent.subject) / spent.seconds,
      consulPercent: 100 * (spent.consul / spent.seconds - background.consul),
      connections: await proxy.connections(),
      objectWrites: total(mirror.writes) - written,
      residentMiB: (await subject.memory()).residentMiB,
    };
  } finally {
    await subject.stop();
    await proxy.close();
  }
}

function total(writes: object): number {
  return (Object.values(writes) as number[]).reduce((sum, count) => sum + count, 0);
}
