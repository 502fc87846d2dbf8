import { createBystanders, BYSTANDER, type Bystanders } from './bystanders.ts';
import * as consulSide from './consul-side.ts';
import { verify } from './eventually.ts';
import * as kubernetesSide from './kubernetes-side.ts';
import { createNodes, NAMESPACE, NODES, POD_SERVICE, type DemoPod } from './pods.ts';
import type { SpringApp } from './spring.ts';
import type { Stage } from './stage.ts';

/** What the story has brought about so far, from which follows what both systems must show. */
export interface Scene {
  readonly stage: Stage;
  readonly say: (line: string) => void;
  /** The Consul agent that applications register with. */
  readonly agent: string;
  readonly clusterUid: string;
  readonly bystanders: Bystanders;
  /** What Consul knows of applications. */
  readonly apps: Map<SpringApp, 'passing' | 'critical'>;
  /** What Kubernetes was told once and keeps, by service name. */
  readonly mirrors: Map<string, { readonly clusterIP: string; readonly alias: number }>;
  /** In order of their numbers. */
  readonly readyPods: DemoPod[];
  /** How long each entry took, in words, by what it is. */
  readonly times: Map<string, string>;
}

export async function setScene(stage: Stage, say: Scene['say']): Promise<Scene> {
  await createNodes(stage.kubernetes);
  const [bystanders, agent, system] = await Promise.all([
    createBystanders(stage),
    consulSide.readAgentName(stage.consul),
    stage.kubernetes.must('GET', '/api/v1/namespaces/kube-system'),
  ]);
  return {
    ...{ stage, say, agent, bystanders },
    clusterUid: system.metadata.uid ?? '',
    apps: new Map(),
    mirrors: new Map(),
    readyPods: [],
    times: new Map(),
  };
}

/** What Kubernetes must show for a service of the scene. */
export function expectedMirror({ apps, mirrors }: Scene, name: string): kubernetesSide.Mirror {
  const known = mirrors.get(name);
  if (!known) return kubernetesSide.NO_MIRROR;
  const healthy = [...apps].filter(([app, status]) => app.name === name && status === 'passing').map(([app]) => app);
  return kubernetesSide.mirror({ name, healthy, ...known });
}

/** Both systems show what they should in every detail, and nothing else. */
export async function verifyScene(scene: Scene): Promise<void> {
  const { stage, agent, clusterUid, bystanders, apps, mirrors, readyPods } = scene;
  const { consul, kubernetes } = stage;
  const podServices = readyPods.length > 0 ? [POD_SERVICE] : [];
  const names = new Set([...apps.keys()].map(({ name }) => name));
  await verify(
    'Consul services, none of them mirrored from Consul and registered back',
    () => consulSide.readServiceNames(consul),
    [...names, ...podServices].sort(),
  );
  for (const name of names)
    await verify(
      `instances of ${name} in Consul, as their applications registered them`,
      () => consulSide.readInstances(consul, name),
      [...apps]
        .filter(([app]) => app.name === name)
        .map(([app, status]) => consulSide.appInstance(app, agent, status))
        .sort((a, b) => (a.id < b.id ? -1 : 1)),
    );
  await verify(
    `instances of ${POD_SERVICE} in Consul`,
    () => consulSide.readInstances(consul, POD_SERVICE),
    readyPods.map(consulSide.podInstance),
  );
  await verify(
    'Consul nodes of this cluster',
    () => consulSide.readNodes(consul),
    (readyPods.length > 0 ? NODES : []).map((node) => consulSide.consulNode(node, clusterUid)),
  );
  await verify(
    'Kubernetes Services, none of them for pods that Consular registered',
    () => kubernetesSide.readServiceNames(kubernetes),
    ['kubernetes', BYSTANDER, ...mirrors.keys()].map((name) => `${NAMESPACE}/${name}`).sort(),
  );
  for (const name of mirrors.keys())
    await verify(`mirror of ${name}`, () => kubernetesSide.readMirror(kubernetes, name), expectedMirror(scene, name));
  const passing = [...apps.values()].filter((status) => status === 'passing').length;
  await verify(
    'number of objects with the mark of Consular: a Service and Endpoints for each service, a slice for each instance',
    async () => (await kubernetesSide.readOwned(kubernetes)).length,
    2 * mirrors.size + passing,
  );
  await bystanders.verifyUntouched();
}
