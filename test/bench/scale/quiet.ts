import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsulApi } from '../../rig/consul.ts';
import type { Subject } from '../subjects.ts';

/** Generous: a fill of 150 000 pods takes minutes on a machine that is busy with something else. */
const LIMIT_MS = 900_000;
const LOOK_MS = 250;

/** Waits until Consul has exactly that many instances beside itself; it keeps that count. */
export async function untilCounted(consul: ConsulApi, instances: number): Promise<void> {
  let found = NaN;
  for (const deadline = Date.now() + LIMIT_MS; Date.now() < deadline; await sleep(LOOK_MS)) {
    const { Usage } = (await consul.must('GET', '/operator/usage')) as {
      Usage: Record<string, { ServiceInstances: number }>;
    };
    found = (Usage.dc1?.ServiceInstances ?? 0) - 1;
    if (found === instances) return;
  }
  throw new Error(`fill Consul: expected ${instances} instances, found ${found} after ${LIMIT_MS / 1000} s`);
}

const WINDOW_MS = 2000;
const QUIET_SHARE = 0.1;

/** Waits until the program uses less than a tenth of a core for two seconds: it has done what there was to do. */
export async function untilQuiet(subject: Subject): Promise<void> {
  for (const deadline = Date.now() + LIMIT_MS; Date.now() < deadline;) {
    const before = await subject.cpuSeconds();
    await sleep(WINDOW_MS);
    if ((await subject.cpuSeconds()) - before < (QUIET_SHARE * WINDOW_MS) / 1000) return;
  }
  throw new Error(`wait for ${subject.name}: expected it to come to rest, found it busy for ${LIMIT_MS / 1000} s`);
}
