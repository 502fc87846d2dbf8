import { beginDeletion, createPod, NAMESPACE, NODES, POD_SERVICE } from './pods.ts';
import { appFails, appLeaves, appRegisters } from './app-steps.ts';
import { podBecomesReady, podLeaves } from './pod-steps.ts';
import { verifyScene, type Scene } from './scene.ts';
import { HEALTH_CHECK_INTERVAL, startSpringApp } from './spring.ts';
import { inWords, showBothSides } from './tables.ts';
import { REMOVAL_GRACE } from './consular.ts';

/** Plays the story; whatever it says has been seen in both systems, in every detail. */
export async function playStory(scene: Scene): Promise<void> {
  const { say } = scene;
  say('\n1. Two Spring applications register themselves in Consul');
  await springRegisters(scene);
  say(`\n2. Three pods annotated "consular.dev/service-name: ${POD_SERVICE}" appear in Kubernetes`);
  await podsAppear(scene);
  await showBothSides(scene);
  say('\n3. Instances come and go, on the side of Consul');
  await appsChange(scene);
  say('\n4. Pods come and go, on the side of Kubernetes');
  await podsChange(scene);
  await showBothSides(scene);
}

async function springRegisters(scene: Scene): Promise<void> {
  const { stage, say } = scene;
  say(
    `   through the agent API, each with a health check every ${HEALTH_CHECK_INTERVAL} that is critical at first. They pretend to run`,
  );
  say(
    '   on virtual machines, while their health check URL is on the loopback address, where they really answer: what',
  );
  say('   Spring calls spring.cloud.consul.discovery.health-check-url. Loopback is never an endpoint in Kubernetes.');
  const apps = await Promise.all([
    startSpringApp(stage.consul, stage.run, { name: 'sc0', address: '10.20.0.11', port: 9098 }),
    startSpringApp(stage.consul, stage.run, { name: 'sc1', address: '10.20.0.12', port: 9099 }),
  ]);
  for (const app of apps) say(`   ${app.id} answers "${await app.ask()}"`);
  await Promise.all(apps.map((app) => appRegisters(scene, app)));
  await verifyScene(scene);
}

async function podsAppear(scene: Scene): Promise<void> {
  const { stage, say } = scene;
  say(
    `   on the nodes ${NODES.map(({ name }) => name).join(' and ')}. There is no kubelet: the demo writes their status.`,
  );
  const pods = await Promise.all([1, 2, 3].map((number) => createPod(stage.kubernetes, number)));
  await Promise.all(pods.map((pod) => podBecomesReady(scene, pod)));
  await verifyScene(scene);
}

async function appsChange(scene: Scene): Promise<void> {
  const { stage, say, apps } = scene;
  const [sc0, sc1] = [...apps.keys()].sort((a, b) => a.port - b.port);
  if (!sc0 || !sc1) throw new Error(`applications of the story: expected two, found ${apps.size}`);
  const another = { name: 'sc1', address: '10.20.0.13', port: 9199 };
  await appRegisters(scene, await startSpringApp(stage.consul, stage.run, another));
  await verifyScene(scene);
  await appFails(scene, sc1);
  await verifyScene(scene);
  say(`   ${sc0.id} shuts down gracefully and deregisters; it was the last instance of ${sc0.name}`);
  await appLeaves(scene, sc0, REMOVAL_GRACE);
  await verifyScene(scene);
}

async function podsChange(scene: Scene): Promise<void> {
  const { stage, say, readyPods } = scene;
  const { kubernetes } = stage;
  const [, second, third] = readyPods;
  if (!second || !third) throw new Error(`pods of the story: expected three, found ${readyPods.length}`);
  await podBecomesReady(scene, await createPod(kubernetes, 4));
  await verifyScene(scene);

  const deleted = await podLeaves(scene, second, () => beginDeletion(kubernetes, second));
  const { metadata } = await kubernetes.must('GET', `/api/v1/namespaces/${NAMESPACE}/pods/${second.name}`);
  if (metadata.deletionTimestamp === undefined) throw new Error(`pod ${second.name}: expected it to be terminating`);
  say(`   ${second.name} is deleted: gone from Consul after ${inWords(deleted)}, while it is still terminating`);
  await kubernetes.deletePod(NAMESPACE, second.name);
  await verifyScene(scene);

  const gone = await podLeaves(scene, third, () => kubernetes.setReady(NAMESPACE, third.name, false));
  say(
    `   ${third.name} is not Ready: gone from Consul after ${inWords(gone)}, as Spring sends traffic to critical instances`,
  );
  await verifyScene(scene);
  await podBecomesReady(scene, third);
  await verifyScene(scene);
}
