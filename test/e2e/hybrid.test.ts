import { afterAll, beforeAll, describe } from '@jest/globals';
import { Caller } from './caller.ts';
import { POD_PORT, type Pod } from './pods.ts';
import { startSpring, type SpringApplication } from './spring.ts';
import { stepsIn } from './steps.ts';
import { openWorld, type World } from './world.ts';

const NAMESPACE = 'shop';

/**
 * How a team moves `sc1` from virtual machines into pods: its own Service, which selects the pods, takes the instances
 * on the machines in, for as long as there are any.
 */
describe('one Service balances over a virtual machine and a pod', () => {
  let world: World;
  let onVm: SpringApplication;
  let inPod: Pod;
  let client: Pod;
  let caller: Caller;
  const step = stepsIn(() => world);

  beforeAll(async () => {
    world = await openWorld({ importNamespaces: [NAMESPACE] });
    await world.kubernetes.createNamespace(NAMESPACE);
    const vm = await world.network.addHost('vm-sc1', '10.10.0.11');
    onVm = await startSpring(vm, new URL(world.consul.address), { name: 'sc1', port: 8081 });
    const { spec } = await world.kubernetes.must('POST', `/api/v1/namespaces/${NAMESPACE}/services`, {
      metadata: { name: 'sc1', annotations: { 'consular.dev/import': 'sc1' } },
      spec: { selector: { app: 'sc1' }, ports: [{ name: 'http', port: 80, targetPort: POD_PORT }] },
    });
    const { clusterIP } = spec as { clusterIP: string };
    client = await world.startPod({
      ...{ namespace: NAMESPACE, name: 'istio-client', app: 'istio-client', address: '10.244.0.11' },
      callee: `http://${clusterIP}/`,
    });
    caller = new Caller(`${client.origin}/instance`);
  });
  afterAll(async () => {
    await caller?.stop();
    await world?.close();
  });

  const chain = (called: SpringApplication | Pod) => `${called.instance}&&${client.instance}`;

  step('the virtual machine answers while there is no pod', async () => {
    await caller.untilAnsweredBy([chain(onVm)]);
  });

  step('a pod joins, registered in Consul too, and both answer', async () => {
    inPod = await world.startPod({
      ...{ namespace: NAMESPACE, name: 'sc1-1', app: 'sc1', address: '10.244.0.12' },
      annotations: { 'consular.dev/service-name': 'sc1' },
    });
    await caller.untilAnsweredBy([chain(onVm), chain(inPod)]);
  });

  step('the pod answers alone once the application on the virtual machine is stopped', async () => {
    await onVm.end('SIGTERM');
    await caller.untilAnsweredBy([chain(inPod)]);
  });
});
