import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startKubernetes, type KubernetesPlane } from '../control-plane/index.ts';
import {
  nextPodIP,
  openRig,
  until,
  untilEqual,
  untilIdle,
  type Daemon,
  type Manifest,
  type Rig,
} from '../rig/index.ts';

const named = (name: string) => ({ 'consular.dev/service-name': name });
const service = (namespace: string, name: string) => `/api/v1/namespaces/${namespace}/services/${name}`;

/** A change on each side that the daemon must have followed: whatever else it wanted to do by then, it has done. */
async function untilBothDirectionsMoved(rig: Rig, tag: string): Promise<void> {
  await rig.kubernetes.createPod(rig.namespace, `moved-${tag}`, { annotations: named(`moved-${tag}`) });
  await rig.consul.registerOnAgent({ id: `vm-moved-${tag}`, name: `vm-moved-${tag}`, address: '192.0.2.99', port: 80 });
  await until('to-consul to move', async () => (await rig.consul.summary(`moved-${tag}`)).length === 1);
  await until('to-kubernetes to move', () => rig.kubernetes.find(service(rig.namespace, `vm-moved-${tag}`)));
}

/** Everything that a mirrored Service consists of, with versions: any write at all shows. */
async function mirrorOf(
  { kubernetes, namespace }: Rig,
  name: string,
): Promise<{ slices: Manifest[] } & Record<string, unknown>> {
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3D${name}`;
  return {
    service: await kubernetes.find(service(namespace, name)),
    slices: await kubernetes.list(slices),
    endpoints: await kubernetes.find(`/api/v1/namespaces/${namespace}/endpoints/${name}`),
  };
}

describe('what is not ours', () => {
  let rig: Rig;
  let daemon: Daemon;

  beforeAll(async () => {
    rig = await openRig();
    daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s' } });
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  it('stays untouched in Consul: on the agent, on other nodes, and even on a node of ours', async () => {
    const { kubernetes, consul, namespace, cluster } = rig;
    await kubernetes.createPod(namespace, 'first', { node: 'node-1', annotations: named('mixed') });
    await until('our node', async () => (await consul.summary('mixed')).length === 1);
    const register = (Node: string, ID: string, Meta: object) =>
      consul.must('PUT', '/catalog/register', {
        Node,
        Address: '192.0.2.11',
        SkipNodeUpdate: true,
        Service: { ID, Service: 'foreign', Address: '192.0.2.60', Port: 80, Meta },
      });
    await register(`k8s-${cluster}--node-1`, 'squatter', {});
    await register('other-node', 'elsewhere', {});
    // Looks like ours, and is another cluster's.
    await register('k8s-other--node-1', 'cousin', {
      'managed-by': 'consular',
      'k8s-cluster': 'other',
      'k8s-namespace': namespace,
      'k8s-pod': 'nobody',
      'k8s-pod-uid': 'x',
    });
    const foreign = async () =>
      (await consul.instances('foreign')).map(({ Service }) => `${Service.ID} ${Service.ModifyIndex}`).sort();
    const before = await foreign();
    expect(before).toHaveLength(3);
    await kubernetes.deletePod(namespace, 'first');
    await untilEqual('our instance gone', () => consul.summary('mixed'), []);
    await untilBothDirectionsMoved(rig, 'a');
    await daemon.stop();
    daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s' } });
    await untilIdle(daemon);
    expect(await foreign()).toEqual(before);
  });

  it('stays untouched in Kubernetes: a Service with the wanted name, and one that its owner took back', async () => {
    const { kubernetes, consul, namespace } = rig;
    await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: 'taken' },
      spec: { ports: [{ port: 1234 }] },
    });
    const taken = await kubernetes.find(service(namespace, 'taken'));
    await consul.registerOnAgent({ id: 'taken-1', name: 'taken', address: '192.0.2.61', port: 80 });
    await until('the report', () =>
      Promise.resolve(
        daemon.records.some(({ reason, object }) => reason === 'NameConflict' && String(object).startsWith('taken')),
      ),
    );
    await consul.registerOnAgent({ id: 'returned-1', name: 'returned', address: '192.0.2.62', port: 80 });
    await until('the mirror', () => kubernetes.find(`/api/v1/namespaces/${namespace}/endpoints/returned`));
    await kubernetes.must('PATCH', service(namespace, 'returned'), {
      metadata: { labels: { 'app.kubernetes.io/managed-by': null } },
    });
    const returned = await kubernetes.find(service(namespace, 'returned'));
    await consul.deregisterFromAgent('returned-1');
    await consul.deregisterFromAgent('taken-1');
    await untilBothDirectionsMoved(rig, 'b');
    await untilIdle(daemon);
    expect(await kubernetes.find(service(namespace, 'taken'))).toEqual(taken);
    expect(await kubernetes.find(service(namespace, 'returned'))).toEqual(returned);
    expect((await mirrorOf(rig, 'returned')).slices).toEqual([]);
    expect(
      await kubernetes.list(
        `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3Dtaken`,
      ),
    ).toEqual([]);
  });

  it('refuses a Consul node that has our name for it and is not ours', async () => {
    const { kubernetes, consul, namespace, cluster } = rig;
    const Node = `k8s-${cluster}--node-2`;
    await consul.must('PUT', '/catalog/register', { Node, Address: '192.0.2.70' });
    await kubernetes.createPod(namespace, 'homeless', { node: 'node-2', annotations: named('homeless') });
    await until('the refusal', () =>
      Promise.resolve(
        daemon.records.some(
          ({ reason, why }) =>
            reason === 'NodeConflict' && why === `Consul node ${Node} exists and was not made by this installation`,
        ),
      ),
    );
    expect(await consul.summary('homeless')).toEqual([]);
    const [node] = (await consul.must('GET', `/catalog/nodes?filter=Node%3D%3D%22${Node}%22`)) as {
      Address: string;
      Meta: object;
    }[];
    expect(node).toMatchObject({ Address: '192.0.2.70', Meta: {} });
    await consul.must('PUT', '/catalog/deregister', { Node });
  });

  it('repairs our own instances that somebody else changes or removes', async () => {
    const { kubernetes, consul, namespace, cluster } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'drifting', { ip, node: 'node-1', annotations: named('drifting') });
    await untilEqual('registered', () => consul.summary('drifting'), [`${ip}:8080 passing`]);
    const ID = `${cluster}.${namespace}.drifting:drifting:8080`;
    await consul.must('PUT', '/catalog/deregister', { Node: `k8s-${cluster}--node-1`, ServiceID: ID });
    await untilEqual('registered again', () => consul.summary('drifting'), [`${ip}:8080 passing`]);
    await consul.must('PUT', '/catalog/deregister', { Node: `k8s-${cluster}--node-1` });
    await untilEqual('its node again', () => consul.summary('drifting'), [`${ip}:8080 passing`]);
    const row = (await consul.instances('drifting'))[0];
    await consul.must('PUT', '/catalog/register', {
      Node: `k8s-${cluster}--node-1`,
      SkipNodeUpdate: true,
      Address: row?.Node.Address,
      Check: { ...row?.Checks[0], Node: `k8s-${cluster}--node-1`, Status: 'critical' },
    });
    await untilEqual('its check again', () => consul.summary('drifting'), [`${ip}:8080 passing`]);
  });

  it('repairs an instance of ours even when its mark was written over, and takes it out with its pod', async () => {
    const { kubernetes, consul, namespace, cluster } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'seized', { ip, node: 'node-1', annotations: named('seized') });
    await untilEqual('registered', () => consul.summary('seized'), [`${ip}:8080 passing`]);
    const [before] = await consul.instances('seized');
    const ID = `${cluster}.${namespace}.seized:seized:8080`;
    const seize = () =>
      consul.must('PUT', '/catalog/register', {
        Node: `k8s-${cluster}--node-1`,
        Address: before?.Node.Address,
        SkipNodeUpdate: true,
        Service: { ID, Service: 'seized', Address: '192.0.2.61', Port: 81 },
      });
    await seize();
    await untilEqual('repaired', () => consul.summary('seized'), [`${ip}:8080 passing`]);
    expect((await consul.instances('seized'))[0]?.Service.Meta).toEqual(before?.Service.Meta);
    await untilIdle(daemon);
    await daemon.stop();
    await seize();
    await kubernetes.deletePod(namespace, 'seized');
    daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s' } });
    await untilEqual('gone with its pod', () => consul.summary('seized'), []);
  });

  it('says clearly that another cluster has the name, and touches nothing', async () => {
    const { consul, cluster } = rig;
    await daemon.stop();
    await consul.must('PUT', '/catalog/register', {
      Node: `k8s-${cluster}--theirs`,
      Address: '192.0.2.71',
      NodeMeta: { 'managed-by': 'consular', 'k8s-cluster': cluster, 'k8s-cluster-uid': 'another-uid' },
    });
    const before = await consul.catalogIndex();
    const refused = await rig.startDaemon({ awaitStart: false });
    await expect(refused.started).rejects.toThrow(
      /was registered for the Kubernetes cluster with uid another-uid, and this one has uid [0-9a-f-]{36}/,
    );
    await refused.stop();
    expect(await consul.catalogIndex()).toBe(before);
  });
});

describe('a system that cannot be read', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await openRig({ acl: true });
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  async function createToken(rules: string): Promise<{ AccessorID: string; SecretID: string; policy: string }> {
    const policy = (await rig.consul.must('PUT', '/acl/policy', {
      Name: `p-${Math.random().toString(36).slice(2)}`,
      Rules: rules,
    })) as { ID: string };
    const token = (await rig.consul.must('PUT', '/acl/token', { Policies: [{ ID: policy.ID }] })) as {
      AccessorID: string;
      SecretID: string;
    };
    return { ...token, policy: policy.ID };
  }
  const ALL =
    'node_prefix "" { policy = "write" } service_prefix "" { policy = "write" } agent_prefix "" { policy = "read" }';

  it('is no empty world: without a token nothing starts, and nothing is removed', async () => {
    const { kubernetes, consul, namespace } = rig;
    await consul.registerOnAgent({ id: 'vm-1', name: 'vm', address: '192.0.2.80', port: 80 });
    const first = await rig.startDaemon({ toKubernetes: { removalGrace: '0s' } });
    await until('the mirror', () => kubernetes.find(`/api/v1/namespaces/${namespace}/endpoints/vm`));
    await first.stop();
    // Default deny: a reader without a token gets 200, empty, and no header that says "filtered".
    const blind = await rig.startDaemon({ token: '', awaitStart: false, toKubernetes: { removalGrace: '0s' } });
    await until('the reason', () =>
      Promise.resolve(
        blind.records.some(({ error }) => String(error).includes('read the servers of Consul: expected')),
      ),
    );
    await blind.stop();
    expect(await kubernetes.find(service(namespace, 'vm'))).toBeDefined();
  });

  it.each([
    [
      'is revoked',
      async (token: Awaited<ReturnType<typeof createToken>>) =>
        void (await rig.consul.must('DELETE', `/acl/token/${token.AccessorID}`)),
    ],
    [
      'loses its rights',
      async (token: Awaited<ReturnType<typeof createToken>>) =>
        void (await rig.consul.must('PUT', `/acl/policy/${token.policy}`, {
          Name: `narrowed-${token.AccessorID}`,
          Rules: 'service "consul" { policy = "read" } node_prefix "" { policy = "read" }',
        })),
    ],
  ])('is no empty world: nothing is removed when the token %s', async (_, spoil) => {
    const token = await createToken(ALL);
    const daemon = await rig.startDaemon({ token: token.SecretID, toKubernetes: { removalGrace: '0s' } });
    await untilIdle(daemon);
    const before = await mirrorOf(rig, 'vm');
    await spoil(token);
    // Wakes the question about this one service: the answer is refused, or filtered, and asked for again.
    await rig.consul.setHealth('vm-1', 'warn');
    await rig.consul.setHealth('vm-1', 'pass');
    await until('two refused reads of the service', () => {
      const refused = daemon.records.filter(
        ({ query, error }) => query === 'read service vm' && /403|ACLs filtered|without it/.test(String(error)),
      );
      return Promise.resolve(refused.length >= 2);
    });
    expect(await mirrorOf(rig, 'vm')).toEqual(before);
    await daemon.stop();
  });
});

describe('a Consul that went back in time', () => {
  it('is not believed at a start either: what an earlier run mirrored stays', async () => {
    const rig = await openRig();
    const { kubernetes, consul, consulServer, namespace } = rig;
    try {
      await consul.registerOnAgent({ id: 'vm-1', name: 'vm', address: '192.0.2.90', port: 80 });
      const toKubernetes = { removalGrace: '0s' };
      const earlier = await rig.startDaemon({ toKubernetes });
      await until('the mirror', () => kubernetes.find(`/api/v1/namespaces/${namespace}/endpoints/vm`));
      await untilIdle(earlier);
      await earlier.stop();
      const before = await mirrorOf(rig, 'vm');
      await consulServer.kill();
      await consulServer.start();
      const daemon = await rig.startDaemon({ toKubernetes });
      await consul.registerOnAgent({ id: 'other', name: 'other', address: '192.0.2.91', port: 80 });
      await until('the other service', () => kubernetes.find(service(namespace, 'other')));
      const distrusted = () =>
        daemon.records.filter(({ error }) => String(error).includes('read service vm: something is missing')).length;
      await until('the distrust', () => Promise.resolve(distrusted() > 0));
      expect(await mirrorOf(rig, 'vm')).toEqual(before);
    } finally {
      await rig.close();
    }
  });

  it('loses no mirrored Service by it, and gets our pods again', async () => {
    const rig = await openRig();
    const { kubernetes, consul, consulServer, namespace } = rig;
    try {
      const ip = nextPodIP();
      await kubernetes.createPod(namespace, 'back', { ip, annotations: named('back') });
      for (const port of [80, 81, 82])
        await consul.registerOnAgent({ id: `vm-${port}`, name: 'vm', address: '192.0.2.90', port });
      const daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s' } });
      await untilIdle(daemon);
      await until('the mirror', () => kubernetes.find(`/api/v1/namespaces/${namespace}/endpoints/vm`));
      const before = await mirrorOf(rig, 'vm');
      expect(before.slices).toHaveLength(3);
      // In memory only: it comes back empty, with indexes from the beginning.
      await consulServer.kill();
      await consulServer.start();
      await untilEqual('our pod', () => consul.summary('back'), [`${ip}:8080 passing`]);
      const distrusted = () =>
        daemon.records.filter(({ error }) => String(error).includes('read service vm: something is missing')).length;
      await until('the distrust', () => Promise.resolve(distrusted() > 0));
      await consul.registerOnAgent({ id: 'other', name: 'other', address: '192.0.2.91', port: 80 });
      await until('the other service', () => kubernetes.find(service(namespace, 'other')));
      expect(await mirrorOf(rig, 'vm')).toEqual(before);
    } finally {
      await rig.close();
    }
  });
});

describe('an API server that is away', () => {
  let plane: KubernetesPlane;
  beforeAll(async () => {
    plane = await startKubernetes();
  }, 120_000);
  afterAll(() => plane.stop(), 30_000);

  it('takes nothing out of Consul, and is followed again when it is back', async () => {
    const rig = await openRig({}, plane);
    try {
      const ips = [nextPodIP(), nextPodIP()];
      for (const [i, ip] of ips.entries())
        await rig.kubernetes.createPod(rig.namespace, `p-${i}`, { ip, annotations: named('orders') });
      const daemon = await rig.startDaemon();
      const both = ips.map((ip) => `${ip}:8080 passing`).sort();
      await untilEqual('both', () => rig.consul.summary('orders'), both);
      await plane.stopApiServer();
      await until('the failure', () =>
        Promise.resolve(
          daemon.records.some(({ message, kind }) => message === 'watch failed, will resume' && kind === 'Pod'),
        ),
      );
      const readyz = await fetch(`http://127.0.0.1:${daemon.port}/readyz`);
      expect(readyz.status).toBe(503);
      expect(await rig.consul.summary('orders')).toEqual(both);
      await plane.startApiServer();
      await rig.kubernetes.deletePod(rig.namespace, 'p-0');
      await untilEqual(
        'the other',
        () => rig.consul.summary('orders'),
        both.filter((entry) => !entry.startsWith(`${ips[0] ?? ''}:`)),
      );
    } finally {
      await rig.close();
    }
  });
});
