import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsulApi } from '../../rig/consul.ts';
import { withConsul } from '../bench-consul.ts';
import { raftEntries } from '../raft-entries.ts';
import type { Program, Registrar, StartOptions } from './programs.ts';

/** One start with an empty Consul, from the start of the process. */
export interface Fill {
  /** Kubernetes read completely. */
  readonly readMs: number;
  /** The last instance in Consul. */
  readonly filledMs: number;
  readonly transactions: number;
  readonly raftEntries: number;
  readonly cpuSeconds: number;
  readonly peakMiB: number;
}

/** Everything is bounded: a program that never gets there ends the benchmark with an error. */
const FILL_LIMIT_MS = 600_000;
const OURS = encodeURIComponent('ServiceName matches "^(service|probe)-"');

export async function measureFill(program: Program, instances: number): Promise<Fill> {
  return withConsul(async (consul) => {
    const before = await raftEntries(consul);
    const subject = await program.start(consul, { debug: true });
    try {
      const filledAt = await subject.during(untilFilled(consul, instances));
      return {
        filledMs: filledAt - subject.startedAt,
        readMs: await subject.readMs(),
        transactions: await subject.transactions(),
        raftEntries: (await raftEntries(consul)).all - before.all,
        cpuSeconds: await subject.cpuSeconds(),
        peakMiB: (await subject.memory()).peakMiB,
      };
    } finally {
      await subject.stop();
    }
  });
}

export async function startFilled(
  program: Program,
  consul: ConsulApi,
  instances: number,
  options?: StartOptions,
): Promise<Registrar> {
  const subject = await program.start(consul, options);
  try {
    await subject.during(untilFilled(consul, instances));
    return subject;
  } catch (error) {
    await subject.stop();
    throw error;
  }
}

/**
 * Waits until that many passing instances of the benchmark are in Consul; Date.now() of when that was so. Consul counts
 * its instances for nothing, while reading ten thousand of them would slow down what is measured: they are read in the
 * end only, to be sure.
 */
export async function untilFilled(consul: ConsulApi, instances: number): Promise<number> {
  let found = 0;
  for (const deadline = Date.now() + FILL_LIMIT_MS; Date.now() < deadline;) {
    const at = Date.now();
    found = await countAll(consul);
    if (found >= instances) {
      const passing = (await consul.must('GET', `/health/state/passing?filter=${OURS}`)) as unknown[];
      if (passing.length === instances) return at;
      found = passing.length;
    }
    await sleep(10);
  }
  throw new Error(
    `fill Consul: expected ${instances} passing instances, found ${found} after ${FILL_LIMIT_MS / 1000} s`,
  );
}

/** Without Consul itself, which is one. Consular may have registered itself too: then this is one too many. */
async function countAll(consul: ConsulApi): Promise<number> {
  const { Usage } = (await consul.must('GET', '/operator/usage')) as {
    Usage: Record<string, { ServiceInstances: number }>;
  };
  return (Usage.dc1?.ServiceInstances ?? 0) - 1;
}
