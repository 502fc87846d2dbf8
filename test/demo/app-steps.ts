import { appInstance, instanceReader } from './consul-side.ts';
import { eventually } from './eventually.ts';
import { NO_MIRROR, readWatchedMirror, summarize } from './kubernetes-side.ts';
import { expectedMirror, type Scene } from './scene.ts';
import type { SpringApp } from './spring.ts';
import { inWords } from './tables.ts';

/** The application registers, Consul finds it healthy, and Kubernetes has it. */
export async function appRegisters(scene: Scene, app: SpringApp): Promise<void> {
  const { say, apps, times } = scene;
  const endpoint = `${app.address}:${app.port}`;
  const start = performance.now();
  await app.register();
  const passing = consulSays(scene, app, 'passing');
  if (!scene.mirrors.has(app.name)) await serviceAppears(scene, app, start);
  apps.set(app, 'passing');
  const mirrored = kubernetesFollows(scene, app.name);
  const [passingAt, mirroredAt] = await Promise.all([passing, mirrored]);
  const after = sinceCause(start, passingAt, mirroredAt);
  times.set(endpoint, `${after.kubernetes} (passing ${after.consul})`);
  say(
    `   ${app.id} registers ${endpoint}: passing in Consul after ${after.consul}, an endpoint of Service ${app.name} after ${after.kubernetes}`,
  );
}

/** Kubernetes cannot show what Consul has not said: when it seems so, the answer of Consul was only read late. */
function sinceCause(start: number, consulAt: number, kubernetesAt: number): { consul: string; kubernetes: string } {
  return { consul: inWords(Math.min(consulAt, kubernetesAt) - start), kubernetes: inWords(kubernetesAt - start) };
}

/** The process is killed, so that Consul must find out by itself. */
export async function appFails(scene: Scene, app: SpringApp): Promise<void> {
  const { say, apps } = scene;
  const start = performance.now();
  await app.kill();
  const critical = consulSays(scene, app, 'critical');
  apps.set(app, 'critical');
  const [criticalAt, mirroredAt] = await Promise.all([critical, kubernetesFollows(scene, app.name)]);
  const after = sinceCause(start, criticalAt, mirroredAt);
  say(
    `   ${app.id} is killed: critical in Consul after ${after.consul}, no endpoint any more after ${after.kubernetes}`,
  );
}

/** The last instance of its service deregisters: its endpoints go at once, the Service after the grace period. */
export async function appLeaves(scene: Scene, app: SpringApp, grace: string): Promise<void> {
  const {
    stage: { consul, kubernetes },
    say,
    apps,
    mirrors,
  } = scene;
  const start = performance.now();
  await app.deregister();
  apps.delete(app);
  await eventually(`instance ${app.id} gone from Consul`, instanceReader(consul, app.name, app.id), undefined);
  const emptyAt = await eventually(
    `no endpoint of Service ${app.name}`,
    async () => {
      const { sliceEndpoints, endpoints } = summarize(app.name, await readWatchedMirror(kubernetes, app.name));
      return [...sliceEndpoints, ...endpoints];
    },
    [],
  );
  mirrors.delete(app.name);
  const goneAt = await eventually(`Service ${app.name} gone`, () => readWatchedMirror(kubernetes, app.name), NO_MIRROR);
  say(
    `   Service ${app.name} has no endpoint after ${inWords(emptyAt - start)}, and is gone after ${inWords(goneAt - start)} (removalGrace ${grace})`,
  );
}

function consulSays({ stage, agent }: Scene, app: SpringApp, status: 'passing' | 'critical'): Promise<number> {
  return eventually(
    `instance ${app.id} ${status} in Consul`,
    instanceReader(stage.consul, app.name, app.id),
    appInstance(app, agent, status),
  );
}

function kubernetesFollows(scene: Scene, name: string): Promise<number> {
  const { kubernetes } = scene.stage;
  return eventually(
    `Service ${name} in Kubernetes`,
    () => readWatchedMirror(kubernetes, name),
    expectedMirror(scene, name),
  );
}

async function serviceAppears(
  { stage: { kubernetes }, mirrors, times }: Scene,
  { name, port }: SpringApp,
  start: number,
): Promise<void> {
  let clusterIP = '';
  const at = await eventually(
    `Service ${name} in Kubernetes with a ClusterIP`,
    async () => {
      ({ clusterIP } = summarize(name, await readWatchedMirror(kubernetes, name)));
      return clusterIP !== '';
    },
    true,
  );
  mirrors.set(name, { clusterIP, alias: port });
  times.set(name, inWords(at - start));
}
