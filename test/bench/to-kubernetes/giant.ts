import { giant, instancesOf } from './instances.ts';
import type { Writes } from './mirror.ts';
import type { Mirrorer } from './programs.ts';
import type { Stage } from './stage.ts';

/** One of many instances of one service changes. */
export interface Giant {
  readonly writes: Writes;
  readonly writtenMs: number;
}

export const GIANT = 2000;
/** Whoever has more to write does so before this has passed. */
const QUIET_MS = 3000;

export async function measureGiant(subject: Mirrorer, { source, mirror, services }: Stage): Promise<Giant> {
  const instances = giant(GIANT, services);
  const one = instances[GIANT / 2];
  if (!one) throw new Error(`flip an instance: expected ${GIANT} of them, found none`);
  await source.registerAll(instances);
  await subject.during(mirror.untilTotal(instancesOf(services) + GIANT));
  await subject.during(mirror.untilQuiet(QUIET_MS));
  const before = mirror.writes;
  const sent = performance.now();
  await source.setStatus(one, 'critical');
  const shown = await subject.during(mirror.untilHas(one.service, one.address, false));
  await subject.during(mirror.untilQuiet(QUIET_MS));
  const after = mirror.writes;
  return {
    writtenMs: shown - sent,
    writes: {
      services: after.services - before.services,
      endpointslices: after.endpointslices - before.endpointslices,
      endpoints: after.endpoints - before.endpoints,
    },
  };
}
