import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Resolver } from 'node:dns/promises';
import { freePort } from '../control-plane/ports.ts';
import { openRig, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';

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

describe('a dual-stack pod', () => {
  let rig: Rig;
  let dnsPort: number;

  beforeAll(async () => {
    dnsPort = await freePort();
    rig = await openRig({ settings: { ports: { dns: dnsPort } } });
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  const tagged = async (service: string) =>
    (await rig.consul.instances(service)).map(({ Service }) => Service.TaggedAddresses);

  /** What Consul's DNS says, as `A 10.0.0.1`. */
  async function resolve(name: string): Promise<string[]> {
    const resolver = new Resolver({ timeout: 2000, tries: 5 });
    resolver.setServers([`127.0.0.1:${dnsPort}`]);
    const [ipv4, ipv6] = await Promise.all([
      resolver.resolve4(name).catch(() => []),
      resolver.resolve6(name).catch(() => []),
    ]);
    return [...ipv4.map((address) => `A ${address}`), ...ipv6.map((address) => `AAAA ${address}`)];
  }

  it('has both of its addresses in Consul, whose DNS answers with both, and one of them once it has one only', async () => {
    const { kubernetes, consul, namespace } = rig;
    const daemon = await rig.startDaemon({ toKubernetes: { enabled: false } });
    const both = ['10.244.251.7', 'fd00:10:244::7'];
    await kubernetes.createPod(namespace, 'dual', { ips: both, annotations: NAMED('dual') });
    await untilEqual('the instance', () => consul.summary('dual'), ['10.244.251.7:8080 passing']);
    expect(await tagged('dual')).toEqual([
      { lan_ipv4: { Address: '10.244.251.7', Port: 8080 }, lan_ipv6: { Address: 'fd00:10:244::7', Port: 8080 } },
    ]);
    await untilEqual('both from DNS', () => resolve('dual.service.consul'), ['A 10.244.251.7', 'AAAA fd00:10:244::7']);
    await untilIdle(daemon);
    const before = await consul.catalogIndex();
    await daemon.stop();
    const again = await rig.startDaemon({ toKubernetes: { enabled: false } });
    await untilIdle(again);
    expect(await consul.catalogIndex()).toBe(before);
    await kubernetes.setPodStatus(namespace, 'dual', { ips: ['10.244.251.7'] });
    await untilEqual('no second address', () => tagged('dual'), [null]);
    expect(await consul.summary('dual')).toEqual(['10.244.251.7:8080 passing']);
  });

  it('has its first address in Consul, of whatever family', async () => {
    const { kubernetes, consul, namespace } = rig;
    await kubernetes.createPod(namespace, 'six', {
      ips: ['fd00:10:244::8', '10.244.251.8'],
      annotations: NAMED('six'),
    });
    await untilEqual('the instance', () => consul.summary('six'), ['fd00:10:244::8:8080 passing']);
    expect(await tagged('six')).toMatchObject([{ lan_ipv4: { Address: '10.244.251.8' } }]);
  });
});
