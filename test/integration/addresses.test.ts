import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { commandLineOn } from '../rig/command-line.ts';
import { openRig, statusOf, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { Mirrored, type SliceManifest } from '../rig/mirrored.ts';

/** What an address of an instance is worth where the API server has a say, and where several Consul nodes have the same. */

let rig: Rig;
let mirrored: Mirrored;

beforeAll(async () => {
  rig = await openRig();
  mirrored = new Mirrored(rig);
}, 60_000);
afterAll(() => rig.close(), 30_000);

const register = (service: string, node: string, address: string, port = 8080) =>
  rig.consul.must('PUT', '/catalog/register', {
    ...{ Node: node, Address: '198.51.100.1', SkipNodeUpdate: true },
    Service: { ID: `${service}-${address}`, Service: service, Address: address, Port: port },
  });

async function consular(toKubernetes: object, ...args: string[]): Promise<string> {
  const settings = { toConsul: { enabled: false }, toKubernetes: { namespaces: [rig.namespace], ...toKubernetes } };
  const { stdout, stderr } = await commandLineOn(rig, settings)(...args);
  expect(stderr).toBe('');
  return stdout;
}

describe('one address and port of several Consul nodes', () => {
  it('is one endpoint, told by plan and explain with these nodes, and nothing that is rejected', async () => {
    for (const node of ['docker-1', 'docker-2', 'docker-3']) await register('bridged', node, '172.17.0.2');
    const told =
      'Consul nodes docker-1, docker-2, docker-3 have an instance at 172.17.0.2:8080, which is one endpoint: right for a virtual IP, and not for an address that each machine has for itself';
    const plan = await consular({}, 'plan');
    expect(plan).toContain(`* Service ${rig.namespace}/bridged: ${told}`);
    expect(plan).toMatch(/Plan: .*, 0 rejected\./);
    const daemon = await rig.startDaemon();
    await untilEqual('one endpoint', () => mirrored.addresses('bridged'), ['172.17.0.2:8080']);
    await untilIdle(daemon);
    expect((await statusOf(daemon)).toKubernetes?.rejected).toBe(0);
    expect(await mirrored.events('bridged')).toEqual([]);
    await daemon.stop();
    expect(await consular({}, 'explain', 'consul-service', 'bridged')).toContain(told);
    expect(await consular({}, 'explain', 'service', `${rig.namespace}/bridged`)).toContain(told);
  });
});

describe('addresses that Consular refuses by itself', () => {
  const TAKEN = ['100.100.100.200', '239.1.1.1', '0.1.2.3'];
  const NEVER = ['127.0.0.5', '169.254.7.7', '224.0.0.5'];

  it('are endpoints where toKubernetes.allowAddresses has them, but for those that no slice can have', async () => {
    const { kubernetes, namespace } = rig;
    const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
    const ofApiServer = (await kubernetes.list(
      `${slices}?labelSelector=kubernetes.io/service-name%3Dkubernetes`,
    )) as SliceManifest[];
    const [machine = ''] = ofApiServer.flatMap(({ endpoints }) =>
      (endpoints ?? []).flatMap(({ addresses }) => addresses),
    );
    const probe = await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: 'probe' },
      spec: { ports: [{ port: 80 }] },
    });
    const { clusterIP } = (probe as unknown as { spec: { clusterIP: string } }).spec;
    for (const address of [machine, clusterIP, ...TAKEN, ...NEVER]) await register('exporter', 'farm', address, 9100);
    await register('exporter', 'farm', '192.0.2.81', 9100);

    const careful = await rig.startDaemon();
    await untilEqual('what is safe', () => mirrored.addresses('exporter'), ['192.0.2.81:9100']);
    expect(await consular({}, 'explain', 'consul-service', 'exporter')).toContain('is that of the API server');
    await careful.stop();

    const allowing = { allowAddresses: ['0.0.0.0/0', '::/0'], denyAddresses: ['192.0.2.81/32'] };
    const daemon = await rig.startDaemon({ toKubernetes: allowing });
    // The API server takes each of these in a slice; where it does not, the whole slice would be refused.
    const taken = [machine, clusterIP, ...TAKEN].map((address) => `${address}:9100`).sort();
    await untilEqual('what is allowed', () => mirrored.addresses('exporter'), taken);
    await until('v1 Endpoints too', async () => (await mirrored.legacyAddresses('exporter')).join() === taken.join());
    const explained = await consular(allowing, 'explain', 'consul-service', 'exporter');
    for (const address of NEVER)
      expect(explained).toMatch(new RegExp(`! Consul instance farm/exporter-${address}: .*which no slice can have`));
    expect(explained).toMatch(/! Consul instance farm\/exporter-192\.0\.2\.81: .*toKubernetes\.denyAddresses/);
    await daemon.stop();
  });
});
