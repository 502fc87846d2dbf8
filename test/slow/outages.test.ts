import { describe, expect, it } from '@jest/globals';
import { leaderOf, type ConsulOptions } from '../control-plane/index.ts';
import { ConsulApi } from '../rig/consul.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { openRig, statusOf, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

const named = (name: string) => ({ 'consular.dev/service-name': name });

async function withRig(options: ConsulOptions, use: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = await openRig(options);
  try {
    await use(rig);
  } finally {
    await rig.close();
  }
}

const readyz = async ({ port }: Daemon) => (await fetch(`http://127.0.0.1:${port}/readyz`)).status;
const isReady = (daemon: Daemon) => async () => (await statusOf(daemon)).ready;
/** What somebody reads in the log, but for the records of what was changed. */
const CHANGES = ['registered', 'changed', 'deregistered', 'created', 'updated', 'deleted', 'and more changes'];
const written = ({ records }: Daemon) =>
  records.filter(({ level, message }) => level !== 'debug' && !CHANGES.includes(message));

/** A change on each side, and both are where they should be. */
async function expectFollowing({ kubernetes, consul, namespace }: Rig, mirrored: Mirrored, tag: string): Promise<void> {
  await kubernetes.createPod(namespace, `pod-${tag}`, { annotations: named(`of-pod-${tag}`) });
  await consul.must('PUT', '/catalog/register', {
    Node: 'vm',
    Address: '192.0.2.1',
    Service: { ID: `of-vm-${tag}`, Service: `of-vm-${tag}`, Address: '192.0.3.9', Port: 80 },
  });
  await until('the pod in Consul', async () => (await consul.instances(`of-pod-${tag}`)).length === 1);
  await until('the service in Kubernetes', () => mirrored.service(`of-vm-${tag}`));
}

describe('a Consul that allows few connections', () => {
  const SERVICES = Array.from({ length: 50 }, (_, i) => `many-${i}`);
  const register = ({ consul }: Rig, name: string, ...instances: number[]) =>
    Promise.all(
      instances.map((instance) =>
        consul.must('PUT', '/catalog/register', {
          Node: 'vm',
          Address: '192.0.2.1',
          Service: { ID: `${name}-${instance}`, Service: name, Address: `192.0.3.${instance}`, Port: 80 },
        }),
      ),
    );

  it('is asked by fewer long polls; nothing else comes of it', async () => {
    // Less than the daemon would take: 7 lists, 40 services and what it asks beside them.
    await withRig({ settings: { limits: { http_max_conns_per_client: 40 } } }, async (rig) => {
      for (const name of SERVICES) await register(rig, name, 1);
      const daemon = await rig.startDaemon();
      const refused = () => daemon.records.some(({ message }) => message.startsWith('Consul allows no more'));
      await until('a refusal', () => Promise.resolve(refused()));
      await untilIdle(daemon);
      expect(await readyz(daemon)).toBe(200);
      const mirrored = new Mirrored(rig);
      for (const name of SERVICES) await register(rig, name, 2);
      const both = ['192.0.3.1:80', '192.0.3.2:80'];
      for (const name of SERVICES) await untilEqual(`${name} with both`, () => mirrored.addresses(name), both);
      await expectFollowing(rig, mirrored, 'few');
      expect(written(daemon).filter(({ message }) => message.startsWith('blocking query'))).toEqual([]);
      expect(written(daemon).length).toBeLessThan(10);
      expect(await readyz(daemon)).toBe(200);
    });
  });
});

describe('a Consul that was away', () => {
  it('is followed again by itself', async () => {
    await withRig({ persistent: true }, async (rig) => {
      const daemon = await rig.startDaemon();
      const mirrored = new Mirrored(rig);
      await expectFollowing(rig, mirrored, 'before');
      await rig.consulServer.kill();
      await until('not ready', async () => (await readyz(daemon)) === 503);
      await rig.kubernetes.createPod(rig.namespace, 'meanwhile', { annotations: named('meanwhile') });
      await rig.consulServer.start();
      await until('ready', isReady(daemon), 15_000);
      await until('what came meanwhile', async () => (await rig.consul.instances('meanwhile')).length === 1);
      await expectFollowing(rig, mirrored, 'after');
    });
  });

  it('without a leader is followed again, once there is another', async () => {
    await withRig({ servers: 3 }, async (rig) => {
      const leader = await leaderOf(rig.consulServer);
      const [asked] = rig.consulServer.servers.filter((server) => server !== leader);
      if (!asked) throw new Error('find a server that does not lead: found none');
      const consul = new ConsulApi(asked.address);
      const daemon = await rig.startDaemon({ consulAddress: asked.address });
      const mirrored = new Mirrored(rig);
      await expectFollowing({ ...rig, consul }, mirrored, 'before');
      await leader.kill();
      await until('another leader', () => leaderOf(rig.consulServer, asked).then((next) => next !== leader));
      await until('ready', isReady(daemon), 15_000);
      await expectFollowing({ ...rig, consul }, mirrored, 'after');
      await consul.close();
    });
  });
});

describe('rights that are gone', () => {
  const PODS = 60;
  const ALL = 'node_prefix "" { policy = "write" } service_prefix "" { policy = "write" }';
  const LITTLE = 'node_prefix "" { policy = "read" } service "consul" { policy = "read" }';
  const ANONYMOUS = '00000000-0000-0000-0000-000000000002';

  it('cost few requests and few words, however many instances there are', async () => {
    await withRig({ acl: true }, async (rig) => {
      const { consul, kubernetes, namespace } = rig;
      const proxy = await FaultProxy.open(rig.consul.address, `k8s-${rig.cluster}`);
      let reads = 0;
      proxy.readFault = () => {
        reads++;
        return 'pass';
      };
      try {
        const allow = async (Name: string, Rules: string) => {
          await consul.must('PUT', '/acl/policy', { Name, Rules });
          return [{ Name }];
        };
        const { SecretID } = (await consul.must('PUT', '/acl/token', { Policies: await allow('all', ALL) })) as {
          SecretID: string;
        };
        const anonymous = { AccessorID: ANONYMOUS, Policies: await allow('little', LITTLE) };
        await consul.must('PUT', `/acl/token/${ANONYMOUS}`, anonymous);
        await consul.must('PUT', '/agent/token/default', { Token: SecretID });
        for (let i = 0; i < PODS; i++)
          await kubernetes.createPod(namespace, `pod-${i}`, {
            annotations: named(`of-pod-${i % 20}`),
            node: `node-${i % 3}`,
          });
        const daemon = await rig.startDaemon({ consulAddress: proxy.address, token: '' });
        await untilIdle(daemon);
        expect((await statusOf(daemon)).toConsul?.instances).toBe(PODS);

        await consul.must('PUT', '/agent/token/default', { Token: '' });
        await consul.must('PUT', '/catalog/register', {
          Node: 'vm',
          Address: '192.0.2.1',
          Service: { Service: 'wakes' },
        });
        for (let i = 0; i < PODS; i++)
          await kubernetes.annotate(namespace, `pod-${i}`, { 'consular.dev/service-tags': 'new' });
        await until('all that is refused', async () => {
          const { failing = {}, rejected = 0 } = (await statusOf(daemon)).toConsul ?? {};
          return Object.keys(failing).length + rejected >= PODS;
        });
        const asked = () => reads + proxy.transactions.length;
        const [start, requests, words] = [performance.now(), asked(), written(daemon).length];
        const seconds = () => (performance.now() - start) / 1000;
        await until('some seconds', () => Promise.resolve(seconds() > 4));
        // 20 by the brake, and what the quick looks of tests take.
        expect((asked() - requests) / seconds()).toBeLessThan(60);
        expect(written(daemon).length - words).toBeLessThan(10);

        await consul.must('PUT', '/agent/token/default', { Token: SecretID });
        await untilIdle(daemon);
        const tags = async (name: string) => (await consul.instances(name)).map(({ Service }) => Service.Tags.join());
        await untilEqual('what was wanted meanwhile', () => tags('of-pod-7'), ['new', 'new', 'new']);
      } finally {
        await proxy.close();
      }
    });
  });
});
