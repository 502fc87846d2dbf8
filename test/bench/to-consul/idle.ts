import { setTimeout as sleep } from 'node:timers/promises';
import { startStopwatch } from '../cpu.ts';
import { raftEntries } from '../raft-entries.ts';
import type { Scene } from './changes.ts';
import type { Registrar } from './programs.ts';

export interface Idle {
  readonly seconds: number;
  /** All in % of a core. */
  readonly cpuPercent: number;
  readonly consulPercent: number;
  /** Of the same Consul, with the same content, when the program is stopped. */
  readonly consulAlonePercent: number;
  readonly raftEntries: number;
  readonly residentMiB: number;
}

/** Consul alone is looked at for this long at most: what it uses does not change. */
const LONGEST_ALONE_SECONDS = 60;

/** Leaves the program alone for a while, and then Consul without the program. The program is stopped afterwards. */
export async function measureIdle({ consul, parts }: Scene, subject: Registrar, seconds: number): Promise<Idle> {
  const entries = (await raftEntries(consul)).all;
  const stopwatch = await startStopwatch(parts);
  await subject.during(sleep(seconds * 1000));
  const spent = await stopwatch();
  const written = (await raftEntries(consul)).all - entries;
  const { residentMiB } = await subject.memory();
  await subject.stop();
  const alone = await startStopwatch({ ...parts, subject: 0 });
  await sleep(Math.min(seconds, LONGEST_ALONE_SECONDS) * 1000);
  const without = await alone();
  return {
    seconds,
    cpuPercent: (100 * spent.subject) / spent.seconds,
    consulPercent: (100 * spent.consul) / spent.seconds,
    consulAlonePercent: (100 * without.consul) / without.seconds,
    raftEntries: written,
    residentMiB,
  };
}
