import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openRig, until, untilEqual, type Rig } from '../rig/index.ts';

const NAMED = (name: string) => ({ 'consular.dev/service-name': name });

describe('an address of class E, as clouds give them to pods', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await openRig();
    await rig.startDaemon();
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  it('is registered as that of a pod', async () => {
    const { kubernetes, consul, namespace } = rig;
    await kubernetes.createPod(namespace, 'class-e', { ip: '240.10.0.5', annotations: NAMED('class-e') });
    await untilEqual('the instance', () => consul.summary('class-e'), ['240.10.0.5:8080 passing']);
  });

  it('is mirrored, and the broadcast address beside it is not, which the Event says', async () => {
    const { kubernetes, consul, namespace } = rig;
    for (const [i, Address] of ['240.10.0.6', '255.255.255.255'].entries())
      await consul.must('PUT', '/catalog/register', {
        ...{ Node: `vm-${i}`, Address: '192.0.2.9' },
        Service: { ID: `e-${i}`, Service: 'from-class-e', Address, Port: 80 },
        Check: { CheckID: `e-${i}`, Name: 'alive', Status: 'passing', ServiceID: `e-${i}` },
      });
    const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3Dfrom-class-e`;
    await until('its slice', async () => (await kubernetes.list(path)).length > 0);
    const slices = (await kubernetes.list(path)) as unknown as { endpoints: { addresses: string[] }[] }[];
    expect(slices.flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses))).toEqual(['240.10.0.6']);
    const told = await until('the Event', async () =>
      (await kubernetes.eventsAbout(namespace, 'from-class-e')).find(({ reason }) => reason === 'InstanceRefused'),
    );
    expect(told.note).toContain('its address 255.255.255.255 is in 255.255.255.255/32 (broadcast)');
  });
});

describe('a pod on a node whose kubelet tells no hostIP', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await openRig();
    await rig.startDaemon({ toKubernetes: { enabled: false } });
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  const nodeAddress = async (service: string) => (await rig.consul.instances(service)).map(({ Node }) => Node.Address);

  it('is registered on a Consul node with the IP of the pod, until the Node has an InternalIP', async () => {
    const { kubernetes, namespace, cluster } = rig;
    const node = `${cluster}-virtual`;
    await kubernetes.createNode(node);
    await kubernetes.createPod(namespace, 'v-0', {
      ip: '10.244.250.8',
      hostIP: '',
      node,
      annotations: NAMED('virtual'),
    });
    await untilEqual('the instance', () => nodeAddress('virtual'), ['10.244.250.8']);
    await kubernetes.setNodeAddresses(node, [{ type: 'InternalIP', address: '192.0.2.50' }]);
    await untilEqual('the address of the Node', () => nodeAddress('virtual'), ['192.0.2.50']);
  });
});
