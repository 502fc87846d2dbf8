import { podInstance, podInstanceId, instanceReader } from './consul-side.ts';
import { eventually } from './eventually.ts';
import { NAMESPACE, POD_SERVICE, type DemoPod } from './pods.ts';
import type { Scene } from './scene.ts';
import { inWords } from './tables.ts';

/** The pod becomes Ready, and Consul has it. */
export async function podBecomesReady({ stage, say, readyPods, times }: Scene, pod: DemoPod): Promise<void> {
  const id = podInstanceId(pod);
  const start = performance.now();
  await stage.kubernetes.setReady(NAMESPACE, pod.name, true);
  const at = await eventually(
    `instance ${id} in Consul`,
    instanceReader(stage.consul, POD_SERVICE, id),
    podInstance(pod),
  );
  times.set(id, inWords(at - start));
  readyPods.push(pod);
  readyPods.sort((a, b) => (a.name < b.name ? -1 : 1));
  say(`   ${pod.name} becomes Ready: instance ${id} in Consul after ${times.get(id)}`);
}

/** Something is done to the pod that takes it out of Consul; returns how many milliseconds that took. */
export async function podLeaves(
  { stage, readyPods }: Scene,
  pod: DemoPod,
  action: () => Promise<unknown>,
): Promise<number> {
  const id = podInstanceId(pod);
  const start = performance.now();
  await action();
  const at = await eventually(
    `instance ${id} gone from Consul`,
    instanceReader(stage.consul, POD_SERVICE, id),
    undefined,
  );
  readyPods.splice(readyPods.indexOf(pod), 1);
  return at - start;
}
