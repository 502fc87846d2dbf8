import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsulApi } from '../../rig/consul.ts';
import { withConsul } from '../bench-consul.ts';
import { inParallel } from '../parallel.ts';
import { raftEntries } from '../raft-entries.ts';
import { openRelay, type Relay } from '../relay.ts';
import { say } from '../subjects.ts';
import { untilFilled } from './fill.ts';
import type { BenchPod } from './pods.ts';
import type { Program, Registrar } from './programs.ts';
import { NAMESPACE, type World } from './world.ts';

const REPLACED = 900;
const WITHIN_MS = 2000;
const LIMIT_MS = 60_000;
/** After a start: Consular looks at its own writes again 10 seconds later. */
const SETTLE_MS = 15_000;

export interface Replacement {
  /** How long the API server took to make the changes. */
  readonly writtenMs: number;
  /** How long it took to deliver them. */
  readonly deliveredMs: number;
  /** From the delivery of the last event until nothing changed in Consul any more. */
  readonly settledMs: number;
  readonly transactions: number;
  readonly raftEntries: number;
}

/**
 * 900 pods make place for 900 others of the same services. The new pods exist before, as in a real rollout, and become
 * Ready one after the other, each followed by the deletion of its predecessor. An API server that shares two cores with
 * everything takes ten seconds and more for so many writes; to see what happens when they come within two, what the
 * watches deliver is held back on its way and then let go within that time.
 */
export async function measureReplacement(program: Program, world: World): Promise<Replacement> {
  say(`${program.name}, ${world.size} pods: ${REPLACED} of them replaced`);
  const relay = await openRelay(world.plane.server);
  try {
    return await withConsul(async (consul) => {
      const subject = await program.start(consul, { port: relay.port });
      try {
        await subject.during(untilFilled(consul, world.size));
        await subject.during(sleep(SETTLE_MS));
        return await subject.during(replace(world, consul, subject, relay));
      } finally {
        await subject.stop();
      }
    });
  } finally {
    relay.close();
  }
}

async function replace(world: World, consul: ConsulApi, subject: Registrar, relay: Relay): Promise<Replacement> {
  const old = world.newest(REPLACED);
  const successors = await world.prepareSuccessors(old);
  await sleep(SETTLE_MS);
  const before = { transactions: await subject.transactions(), entries: await raftEntries(consul) };
  const follower = followChanges(consul);
  try {
    relay.hold();
    const start = performance.now();
    const predecessors = old.values();
    await inParallel(successors, async (pod) => {
      await world.kubernetes.setPodStatus(NAMESPACE, pod.name, { ip: pod.ip });
      const { value } = predecessors.next();
      if (value) await world.kubernetes.deletePod(NAMESPACE, value.name);
    });
    const writtenMs = performance.now() - start;
    world.replaced(successors);
    // Their slices are part of what is delivered.
    await world.untilSliced();
    const releasedAt = performance.now();
    await relay.release(WITHIN_MS);
    const deliveredAt = performance.now();
    await untilReplaced(consul, successors, old);
    await untilFilled(consul, world.size);
    return {
      writtenMs,
      deliveredMs: deliveredAt - releasedAt,
      settledMs: Math.max(0, follower.lastChange() - deliveredAt),
      transactions: (await subject.transactions()) - before.transactions,
      raftEntries: (await raftEntries(consul)).all - before.entries.all,
    };
  } finally {
    follower.stop();
  }
}

/** One blocking query that every change of a check ends, and whose answer is as good as empty. */
function followChanges(consul: ConsulApi): { lastChange(): number; stop(): void } {
  let changedAt = NaN;
  let stopped = false;
  const follow = async () => {
    for (let index = '0'; !stopped;) {
      const answer = await consul.call('GET', `/health/state/critical?near=_agent&wait=1s&index=${index}`);
      if (index !== '0' && answer.index !== index) changedAt = performance.now();
      index = answer.index;
    }
  };
  // Consul goes away when everything is measured, or when something is broken that says so itself.
  follow().catch(() => undefined);
  return { lastChange: () => changedAt, stop: () => (stopped = true) };
}

/** Waits until all of the new addresses are in Consul and none of the old ones is. */
async function untilReplaced(
  consul: ConsulApi,
  incoming: readonly BenchPod[],
  outgoing: readonly BenchPod[],
): Promise<void> {
  const services = [...new Set(incoming.map(({ service }) => service))];
  let missing = incoming.length;
  let left = outgoing.length;
  for (const deadline = performance.now() + LIMIT_MS; performance.now() < deadline;) {
    // What is measured may still be going on: it must not be disturbed much.
    await sleep(1000);
    const found = new Set<string>();
    for (const service of services) {
      const rows = (await consul.must('GET', `/catalog/service/${service}`)) as { ServiceAddress: string }[];
      for (const { ServiceAddress } of rows) found.add(ServiceAddress);
    }
    missing = incoming.filter(({ ip }) => !found.has(ip)).length;
    left = outgoing.filter(({ ip }) => found.has(ip)).length;
    if (missing + left === 0) return;
  }
  throw new Error(
    `replace ${incoming.length} pods: expected the new ones in Consul and the old ones not, found ${missing} missing and ${left} left after ${LIMIT_MS / 1000} s`,
  );
}
