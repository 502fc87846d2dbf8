import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { until, untilEqual } from '../rig/until.ts';
import { ask, Caller } from './caller.ts';
import type { Host } from './network.ts';
import type { Pod } from './pods.ts';
import { startSpring, type SpringApplication } from './spring.ts';
import { stepsIn } from './steps.ts';
import { openWorld, type World } from './world.ts';

/**
 * The story that Consular exists for: `sc0` and `sc1` are Spring applications on virtual machines, `istio-client` runs
 * in pods and was never told of Consul. sc0 finds it through Spring Cloud, and it finds sc1 through a Service.
 */
describe('Spring on virtual machines and a pod call each other', () => {
  let world: World;
  let vm: Host;
  let sc0: SpringApplication;
  let sc1: SpringApplication;
  let secondSc1: SpringApplication;
  let pod: Pod;
  let clusterIP: string;
  const step = stepsIn(() => world);

  beforeAll(async () => {
    world = await openWorld();
    vm = await world.network.addHost('vm-sc1', '10.10.0.11');
    const consul = new URL(world.consul.address);
    const sc0Vm = await world.network.addHost('vm-sc0', '10.10.0.10');
    [sc0, sc1] = await Promise.all([
      startSpring(sc0Vm, consul, { name: 'sc0', port: 8080, callee: 'istio-client' }),
      startSpring(vm, consul, { name: 'sc1', port: 8081 }),
    ]);
  });
  afterAll(() => world?.close());

  const startClient = (name: string, address: string) =>
    world.startPod({
      ...{ namespace: 'default', name, app: 'istio-client', address },
      annotations: { 'consular.dev/service-name': 'istio-client' },
      callee: `http://${clusterIP}/`,
    });
  /** What sc0 answers when these instances took part. */
  const chain = (called: SpringApplication, by: Pod) => `${called.instance}&&${by.instance}&&${sc0.instance}`;

  step('the Consul service sc1 is a Service with port 80', async () => {
    clusterIP = await until('the Service sc1', async () => {
      const service = await world.kubernetes.find('/api/v1/namespaces/default/services/sc1');
      const { clusterIP, ports } = (service?.spec ?? {}) as { clusterIP?: string; ports?: { port: number }[] };
      return ports?.some(({ port }) => port === 80) && clusterIP;
    });
  });

  step('sc0 calls the pod by name, which calls sc1 by its Service', async () => {
    pod = await startClient('istio-client-1', '10.244.0.11');
    await untilEqual('the answer of sc0', () => ask(`${sc0.origin}/`), 'I am sc1&&I am istio-client&&I am sc0');
    expect(await ask(`${sc0.origin}/instance`)).toBe(
      'sc1@10.10.0.11:8081&&istio-client@10.244.0.11:8080&&sc0@10.10.0.10:8080',
    );
  });

  step('a second sc1 joins on another port of its machine, and both answer', async () => {
    secondSc1 = await startSpring(vm, new URL(world.consul.address), { name: 'sc1', port: 8082 });
    await calling(sc0, (caller) => caller.untilAnsweredBy([chain(sc1, pod), chain(secondSc1, pod)]));
  });

  step('an sc1 that is killed gets no traffic once Consul says that it is critical', async () => {
    await sc1.end('SIGKILL');
    await untilEqual('the instances of sc1 in Consul', () => world.consul.summary('sc1'), [
      '10.10.0.11:8081 critical',
      '10.10.0.11:8082 passing',
    ]);
    await calling(sc0, (caller) => caller.untilAnsweredBy([chain(secondSc1, pod)]));
  });

  step('Spring follows to another pod, and no call fails on the way', async () => {
    await calling(sc0, async (caller) => {
      const next = await startClient('istio-client-2', '10.244.0.12');
      await caller.untilAnsweredBy([chain(secondSc1, pod), chain(secondSc1, next)]);
      await pod.beginDeletion();
      await caller.untilAnsweredBy([chain(secondSc1, next)]);
      await pod.finishDeletion();
      await caller.untilAnsweredBy([chain(secondSc1, next)]);
      expect(new Set(caller.answers)).toEqual(new Set([chain(secondSc1, pod), chain(secondSc1, next)]));
    });
  });
});

/** Calls an application all the while that something happens. */
async function calling(application: SpringApplication, play: (caller: Caller) => Promise<void>): Promise<void> {
  const caller = new Caller(`${application.origin}/instance`);
  try {
    await play(caller);
  } finally {
    await caller.stop();
  }
}
