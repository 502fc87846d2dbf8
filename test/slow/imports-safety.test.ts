import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Asked } from '../rig/asked.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { servicesIn } from '../rig/imports.ts';
import {
  openRig,
  until,
  untilEqual,
  untilIdle,
  type Daemon,
  type DaemonOptions,
  type LogRecord,
  type Rig,
} from '../rig/index.ts';

/** Lists rest the longer the more they cost, and long polls begin with what they say. */
const LONG_MS = 90_000;

const imports = (name: string) => ({ 'consular.dev/import': name });

/** A daemon that mirrors nothing, and lets Services of the rig's namespace take instances in. */
function startDaemon(rig: Rig, options: DaemonOptions = {}): Promise<Daemon> {
  const toKubernetes = {
    namespaces: [rig.namespace],
    importNamespaces: [rig.namespace],
    services: { include: ['mirrored-*'], exclude: [] },
  };
  return rig.startDaemon({ toKubernetes, ...options });
}

/** A Service that has taken a virtual machine in. */
async function imported(rig: Rig, name: string, address: string): Promise<ReturnType<typeof servicesIn>> {
  const services = servicesIn(rig.kubernetes, rig.namespace);
  await rig.consul.registerOnAgent({ id: name, name, address, port: 8080 });
  await services.create(name, imports(name));
  await untilEqual(`endpoints of ${name}`, () => services.endpoints(name), [`+http=${address}:8080`]);
  return services;
}

/** A daemon that reaches Consul through a proxy, which the test may tell to spoil something. */
async function withProxy(rig: Rig, play: (proxy: FaultProxy, daemon: Daemon) => Promise<void>): Promise<void> {
  const proxy = await FaultProxy.open(rig.consulServer.address, `k8s-${rig.cluster}`);
  const daemon = await startDaemon(rig, { consulAddress: proxy.address });
  try {
    await play(proxy, daemon);
  } finally {
    await daemon.stop();
    await proxy.close();
  }
}

const said = (daemon: Daemon, pattern: RegExp) =>
  daemon.records.filter(({ error }) => pattern.test(String(error))).length;

describe('what a Service has taken in', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig();
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  it('goes with the Consul service only when the leader confirmed that that is gone', async () => {
    await withProxy(rig, async (proxy, daemon) => {
      const services = await imported(rig, 'gone', '192.0.2.51');
      proxy.readFault = (path) =>
        /^\/health\/service\/gone\?.*\bconsistent\b/.test(path) ? { status: 500, text: 'No cluster leader' } : 'pass';
      await rig.consul.deregisterFromAgent('gone');
      await until('a failed look', () => Promise.resolve(said(daemon, /read service gone.*No cluster leader/) > 1));
      expect(await services.endpoints('gone')).toEqual(['+http=192.0.2.51:8080']);
      proxy.readFault = () => 'pass';
      await untilEqual('no endpoints', () => services.endpoints('gone'), []);
    });
  });

  it('stays while a Service that was just annotated cannot have its Consul service read, and that costs no other', async () => {
    await withProxy(rig, async (proxy, daemon) => {
      const services = await imported(rig, 'first', '192.0.2.52');
      await rig.consul.registerOnAgent({ id: 'second', name: 'second', address: '192.0.2.53', port: 8080 });
      proxy.readFault = (path) => (path.startsWith('/health/service/second') ? 'reset' : 'pass');
      await services.annotate('first', imports('second'));
      await until('a failed look', () => Promise.resolve(said(daemon, /read service second/) > 1));
      expect(await services.endpoints('first')).toEqual(['+http=192.0.2.52:8080']);
      await imported(rig, 'third', '192.0.2.54');
      proxy.readFault = () => 'pass';
      await untilEqual('the other', () => services.endpoints('first'), ['+http=192.0.2.53:8080']);
    });
  });

  it('stays while Consular does not run, and what changed meanwhile is caught up with', async () => {
    const first = await startDaemon(rig);
    const services = await imported(rig, 'unseen', '192.0.2.55');
    await imported(rig, 'unasked', '192.0.2.56');
    await untilIdle(first);
    await first.stop();
    await rig.consul.deregisterFromAgent('unseen');
    await services.annotate('unasked', { 'consular.dev/import': null });
    expect(await services.endpoints('unseen')).toEqual(['+http=192.0.2.55:8080']);
    const second = await startDaemon(rig);
    await untilEqual('no endpoints', () => services.endpoints('unseen'), []);
    await untilEqual('nothing unasked', () => services.endpoints('unasked'), []);
    await second.stop();
  });

  it('stays while the API server refuses the slice that is to take its place, and what is dead goes all the same', async () => {
    const daemon = await startDaemon(rig);
    const services = await imported(rig, 'refused', '192.0.2.62');
    await rig.consul.registerOnAgent({ id: 'dead', name: 'refused', address: '192.0.2.63', port: 9090 });
    await rig.consul.registerOnAgent({ id: 'dead-too', name: 'refused', address: '192.0.2.64', port: 8080 });
    const all = ['+http=192.0.2.62:8080', '+http=192.0.2.63:9090', '+http=192.0.2.64:8080'];
    await untilEqual('all', () => services.endpoints('refused'), all);
    const quotas = `/api/v1/namespaces/${rig.namespace}/resourcequotas`;
    const hard = { 'count/endpointslices.discovery.k8s.io': '0' };
    await rig.kubernetes.must('POST', quotas, { metadata: { name: 'no-slices' }, spec: { hard } });
    await rig.kubernetes.must('PATCH', `${quotas}/no-slices/status`, { status: { hard, used: hard } });
    await until('the quota', async () => {
      const name = `probe-${Date.now()}`;
      const refusal = await services.createSlice(name, 'probe', ['192.0.2.1'], 80).catch((error: unknown) => error);
      return refusal instanceof Error && refusal.message.includes('exceeded quota');
    });
    // Without its owner a slice must be made anew, by another name.
    for (const { metadata } of await services.ourSlices('refused'))
      await services.patchSlice(metadata.name, { metadata: { ownerReferences: null } });
    // The one shares its slice with nobody, the other one with an instance that is well.
    await rig.consul.deregisterFromAgent('dead');
    await rig.consul.deregisterFromAgent('dead-too');
    await untilEqual('one', () => services.endpoints('refused'), ['+http=192.0.2.62:8080']);
    await until('two refusals', () => Promise.resolve(said(daemon, /exceeded quota/) > 1));
    expect(await services.endpoints('refused')).toEqual(['+http=192.0.2.62:8080']);
    await rig.kubernetes.must('DELETE', `${quotas}/no-slices`);
    await until('a slice with an owner', async () => {
      const slices = await services.ourSlices('refused');
      return slices.length === 1 && slices[0]?.metadata.ownerReferences !== undefined;
    });
    expect(await services.endpoints('refused')).toEqual(['+http=192.0.2.62:8080']);
    await daemon.stop();
  });

  it('goes when its namespace is not listed any more', async () => {
    const first = await startDaemon(rig);
    const services = await imported(rig, 'unlisted', '192.0.2.57');
    await first.stop();
    const second = await startDaemon(rig, { toKubernetes: { importNamespaces: [], services: { include: ['x-*'] } } });
    await untilEqual('no endpoints', () => services.endpoints('unlisted'), []);
    await second.stop();
  });
});

describe('a Consul that cannot be believed takes nothing in away', () => {
  it('when the token loses its rights', async () => {
    const rig = await openRig({ acl: true });
    let closed: () => Promise<void> = () => Promise.resolve();
    try {
      const rules = (text: string) => ({ Name: 'reader', Rules: text });
      const all = 'node_prefix "" { policy = "write" } service_prefix "" { policy = "write" }';
      const { ID } = (await rig.consul.must('PUT', '/acl/policy', rules(all))) as { ID: string };
      const { SecretID } = (await rig.consul.must('PUT', '/acl/token', { Policies: [{ ID }] })) as { SecretID: string };
      const proxy = await FaultProxy.open(rig.consulServer.address, '');
      closed = () => proxy.close();
      const asked = new Asked(proxy);
      const daemon = await startDaemon(rig, { token: SecretID, consulAddress: proxy.address });
      const services = await imported(rig, 'kept', '192.0.2.58');
      // A service whose long poll has not begun by then is not asked for any more.
      await until('a long poll', () => Promise.resolve(asked.longPolls('kept') > 0), LONG_MS);
      await untilIdle(daemon);
      const before = await services.slices('kept');
      const narrow = 'service "consul" { policy = "read" } node_prefix "" { policy = "read" }';
      await rig.consul.must('PUT', `/acl/policy/${ID}`, rules(narrow));
      await rig.consul.setHealth('kept', 'warn');
      await rig.consul.setHealth('kept', 'pass');
      const isRefused = ({ query, error }: LogRecord) =>
        query === 'read service kept' && /ACLs filtered|without it/.test(String(error));
      await until('two refused reads', () => Promise.resolve(daemon.records.filter(isRefused).length >= 2), LONG_MS);
      expect(await services.slices('kept')).toEqual(before);
    } finally {
      await rig.close();
      await closed();
    }
  });

  it('when it lost all that it had', async () => {
    const rig = await openRig();
    try {
      const daemon = await startDaemon(rig);
      const services = await imported(rig, 'kept', '192.0.2.59');
      await rig.consul.registerOnAgent({ id: 'other', name: 'other', address: '192.0.2.60', port: 80 });
      await untilIdle(daemon);
      const before = await services.slices('kept');
      await rig.consulServer.kill();
      await rig.consulServer.start();
      await until('the distrust', () => Promise.resolve(said(daemon, /read service kept: something is missing/) > 0));
      await services.create('new', imports('new'));
      await rig.consul.registerOnAgent({ id: 'new', name: 'new', address: '192.0.2.61', port: 80 });
      await untilEqual('what is new', () => services.endpoints('new'), ['+http=192.0.2.61:80']);
      expect(await services.slices('kept')).toEqual(before);
    } finally {
      await rig.close();
    }
  });
});
