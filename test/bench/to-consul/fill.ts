import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsulApi } from '../../rig/consul.ts';
import { withConsul } from '../bench-consul.ts';
import { startStopwatch, type Spent } from '../cpu.ts';
import { raftEntries } from '../raft-entries.ts';
import type { Program } from './programs.ts';
import { partsOf, type World } from './world.ts';

/** One start with an empty Consul, from the start of the process. */
export interface Fill {
  /** Kubernetes read completely. */
  readonly readMs: number;
  /** The last instance in Consul. */
  readonly filledMs: number;
  readonly transactions: number;
  readonly raftEntries: number;
  /** Until then. */
  readonly spent: Spent;
  readonly peakMiB: number;
}

/** Everything is bounded: a program that never gets there ends the benchmark with an error. */
const FILL_LIMIT_MS = 600_000;
/** Consul has become its own leader, and registered itself. */
const CONSUL_SETTLE_MS = 2000;
const OURS = encodeURIComponent('ServiceName matches "^(service|single|large)-"');

export async function measureFill(program: Program, world: World): Promise<Fill> {
  return withConsul(async (consul, server) => {
    await sleep(CONSUL_SETTLE_MS);
    const before = await raftEntries(consul);
    const subject = await program.start(consul, { debug: true });
    try {
      const stopwatch = await startStopwatch({ ...partsOf(world, server), subject: subject.pid });
      const filledAt = await subject.during(untilCounted(consul, world.size));
      const spent = { ...(await stopwatch()), subject: await subject.cpuSeconds() };
      const { peakMiB } = await subject.memory();
      await subject.during(untilFilled(consul, world.size));
      return {
        filledMs: filledAt - subject.startedAt,
        readMs: await subject.readMs(),
        transactions: await subject.transactions(),
        raftEntries: (await raftEntries(consul)).all - before.all,
        spent,
        peakMiB,
      };
    } finally {
      await subject.stop();
    }
  });
}

/**
 * Waits until that many instances are in Consul; Date.now() of when that was so. Consul counts its instances for nothing,
 * while reading ten thousand of them would slow down what is measured.
 */
export async function untilCounted(consul: ConsulApi, instances: number): Promise<number> {
  let found = 0;
  for (const deadline = Date.now() + FILL_LIMIT_MS; Date.now() < deadline;) {
    const at = Date.now();
    found = await countAll(consul);
    if (found >= instances) return at;
    await sleep(10);
  }
  throw tooFew(instances, found);
}

/** Waits until exactly that many instances of the benchmark are passing, for when their number is not enough. */
export async function untilFilled(consul: ConsulApi, instances: number): Promise<void> {
  let found = 0;
  for (const deadline = Date.now() + FILL_LIMIT_MS; Date.now() < deadline;) {
    const passing = (await consul.must('GET', `/health/state/passing?filter=${OURS}`)) as unknown[];
    if (passing.length === instances) return;
    found = passing.length;
    await sleep(500);
  }
  throw tooFew(instances, found);
}

function tooFew(expected: number, found: number): Error {
  return new Error(`fill Consul: expected ${expected} instances, found ${found} after ${FILL_LIMIT_MS / 1000} s`);
}

/**
 * Without Consul itself, which is one. Consular may have registered itself too: since an instance never comes alone in a
 * fill, the number is not reached one too early.
 */
async function countAll(consul: ConsulApi): Promise<number> {
  const { Usage } = (await consul.must('GET', '/operator/usage')) as {
    Usage: Record<string, { ServiceInstances: number }>;
  };
  return (Usage.dc1?.ServiceInstances ?? 0) - 1;
}
