import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsulApi } from '../../rig/consul.ts';
import { startStopwatch, type Parts, type Spent } from '../cpu.ts';
import { raftEntries } from '../raft-entries.ts';
import type { Program } from './programs.ts';

export interface Restart {
  readonly readMs: number;
  readonly readyMs: number;
  readonly catalogWrites: number;
  /** With what is written elsewhere than to the catalog. */
  readonly raftEntries: number;
  /** Until it was ready, and what it did then. */
  readonly spent: Spent;
}

/** Whoever writes at a start does so before this has passed. */
const AFTERMATH_MS = 5000;

/** Starts the program with a Consul that has everything already, and stops it again. */
export async function measureRestart(
  program: Program,
  consul: ConsulApi,
  parts: Omit<Parts, 'subject'>,
): Promise<Restart> {
  const [entries, catalog] = [await raftEntries(consul), await consul.catalogIndex()];
  const subject = await program.start(consul, { debug: true });
  try {
    const stopwatch = await startStopwatch({ ...parts, subject: subject.pid });
    if (!subject.readyMs) throw new Error(`restart ${program.name}: expected a program that says when it is ready`);
    const readyMs = await subject.readyMs();
    const readMs = await subject.readMs();
    await subject.during(sleep(AFTERMATH_MS));
    const spent = { ...(await stopwatch()), subject: await subject.cpuSeconds() };
    const now = await raftEntries(consul);
    const moved = (await consul.catalogIndex()) !== catalog;
    return {
      readMs,
      readyMs,
      // A transaction that only touched the KV store is no write to the catalog, whose indexes then stand still.
      catalogWrites: moved ? Math.max(1, now.transactions - entries.transactions) : 0,
      raftEntries: now.all - entries.all,
      spent,
    };
  } finally {
    await subject.stop();
  }
}
