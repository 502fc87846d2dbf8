import type { Consular } from '../rig/consular.ts';
import { readNodes, readServiceNames } from './consul-side.ts';
import { verify } from './eventually.ts';
import { readOwned } from './kubernetes-side.ts';
import { POD_SERVICE } from './pods.ts';
import type { Scene } from './scene.ts';
import { inWords } from './tables.ts';

/** Stops the daemon as an orchestrator does: it must end well and leave everything as it is, in both systems. */
export async function stopConsular({ stage: { consul, kubernetes }, say }: Scene, consular: Consular): Promise<void> {
  // With the version of every entry, so that a write shows as well as a removal.
  const readAll = async () => ({
    kubernetes: await readOwned(kubernetes),
    services: await readServiceNames(consul),
    nodes: await readNodes(consul),
    instances: (await consul.instances(POD_SERVICE)).map(({ Service }) => `${Service.ID} ${Service.ModifyIndex}`),
  });
  const before = await readAll();
  const start = performance.now();
  const ending = await consular.stop();
  const took = inWords(performance.now() - start);
  if (ending !== 'ended with exit code 0')
    throw new Error(
      `Consular, told to stop by SIGTERM: expected that it ended with exit code 0, found that it ${ending}`,
    );
  await verify('what Consular leaves behind when it stops', readAll, before);
  say(`   Consular was told to stop (SIGTERM) and ended with exit code 0 after ${took}. It removed nothing:`);
  say(
    `   ${before.instances.length} instances in Consul and ${before.kubernetes.length} objects in Kubernetes are as they were.`,
  );
}
