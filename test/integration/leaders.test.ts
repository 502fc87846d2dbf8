import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  nextPodIP,
  openRig,
  scrape,
  statusOf,
  until,
  untilEqual,
  untilIdle,
  type Daemon,
  type Rig,
} from '../rig/index.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { createConsulToken, readPolicy } from '../rig/rights.ts';
import { openWire } from '../rig/wire.ts';

/** Shorter than client-go's, in the same proportions. */
const TIMES = { leaseMs: 3000, renewMs: 2000, retryMs: 400 };

let rig: Rig;
const running: Daemon[] = [];

beforeAll(async () => {
  rig = await openRig();
}, 60_000);
afterEach(async () => {
  for (const daemon of running.splice(0)) await daemon.stop();
});
afterAll(() => rig.close(), 30_000);

const leasePath = () => `/apis/coordination.k8s.io/v1/namespaces/${rig.namespace}/leases/consular-${rig.cluster}`;
const leaseOf = () => rig.kubernetes.must('GET', leasePath());
const named = (name: string) => ({ 'consular.dev/service-name': name });

async function start(options: Parameters<Rig['startDaemon']>[0] = {}): Promise<Daemon> {
  const daemon = await rig.startDaemon({
    leaderElection: { enabled: true, namespace: rig.namespace },
    awaitStart: false,
    ...options,
    timings: { election: TIMES },
  });
  running.push(daemon);
  return daemon;
}

const untilStanding = (daemon: Daemon, standing: string) =>
  until(`a daemon that is ${standing}`, async () => {
    const { leader, ready } = await statusOf(daemon);
    return leader.is === standing && ready;
  });

async function pair(): Promise<{ leader: Daemon; standby: Daemon }> {
  const leader = await start();
  await leader.started;
  const standby = await start();
  await untilStanding(standby, 'standby');
  return { leader, standby };
}

/** Transactions, writes of Kubernetes objects and Events, so far. */
async function writesOf({ metrics }: Daemon): Promise<number> {
  const counters = [metrics.consulTransactions, metrics.kubernetesWrites, metrics.events];
  const values = await Promise.all(counters.map(async (counter) => (await counter.get()).values));
  return values.flat().reduce((sum, { value }) => sum + value, 0);
}

async function isRegistered(name: string): Promise<void> {
  const ip = nextPodIP();
  await rig.kubernetes.createPod(rig.namespace, name, { ip, annotations: named(name) });
  await untilEqual(`the instance of ${name}`, () => rig.consul.summary(name), [`${ip}:8080 passing`]);
}

describe('two daemons with one Lease', () => {
  it('the first leads; the second is ready, writes nothing, and takes over when the first stops', async () => {
    const { leader, standby } = await pair();
    await isRegistered('before');
    await rig.consul.registerOutside('vm-before', '198.51.100.7');
    await until('a mirrored Service', () =>
      rig.kubernetes.find(`/api/v1/namespaces/${rig.namespace}/services/vm-before`),
    );
    const { identity, epoch } = (await statusOf(leader)).leader;
    expect((await statusOf(standby)).leader).toMatchObject({ is: 'standby', leader: identity, epoch: null });
    expect(await writesOf(standby)).toBe(0);
    const ofDirections = async (daemon: Daemon, name: string) => {
      const series = await scrape(daemon);
      return ['to-consul', 'to-kubernetes'].map((direction) =>
        series.get(`consular_${name}{direction="${direction}"}`),
      );
    };
    await untilEqual('what the leader has', () => ofDirections(leader, 'owned'), [1, 1]);
    for (const written of await ofDirections(leader, 'change_to_written_seconds_count'))
      expect(written).toBeGreaterThan(0);
    for (const name of ['owned', 'rejected', 'failing', 'oldest_waiting_seconds', 'change_to_written_seconds_count'])
      expect([name, ...(await ofDirections(standby, name))]).toEqual([name, 0, 0]);
    expect(await ofDirections(standby, 'last_success_timestamp_seconds')).toEqual([undefined, undefined]);
    expect((await scrape(standby)).get('consular_ready{source="Consul, as a standby"}')).toBe(1);

    await leader.stop();
    await standby.started;
    await isRegistered('after');
    await untilIdle(standby);
    const after = (await statusOf(standby)).leader;
    expect(after).toMatchObject({ is: 'leading', phase: 'running', epoch: (epoch ?? 0) + 1 });
    await untilEqual('the instance of before', async () => (await rig.consul.summary('before')).length, 1);
    await until('the epoch on the Lease', async () => {
      const { metadata, spec } = await leaseOf();
      const annotations = metadata.annotations ?? {};
      return (
        annotations['consular.dev/epoch'] === String(after.epoch) &&
        (annotations['consular.dev/nonce'] ?? '') !== '' &&
        (spec as { holderIdentity: string }).holderIdentity === after.identity
      );
    });
  });

  it('a leader that loses the fence to another process ends, and the standby takes it back', async () => {
    const { leader, standby } = await pair();
    const intruder = await rig.startDaemon();
    running.push(intruder);
    expect(String(await leader.broken)).toContain('expected to hold key');
    await leader.stop();
    await standby.started;
    await until('an intruder that says who leads', async () => {
      const { ready, waitingFor } = await statusOf(intruder);
      return !ready && waitingFor.some((why) => why.includes('expected to hold key'));
    });
    await isRegistered('taken-back');
  });

  it('a standby that cannot reach Consul leaves the Lease to one that can, and takes it when it can too', async () => {
    const leader = await start();
    await leader.started;
    const proxy = await FaultProxy.open(rig.consul.address, '');
    const standby = await start({ consulAddress: proxy.address });
    await untilStanding(standby, 'standby');
    proxy.readFault = () => 'reset';
    // What waits for an answer is cut off too.
    proxy.lead(rig.consul.address);
    await until('a standby that cannot reach Consul', async () =>
      (await statusOf(standby)).waitingFor.some((why) => why.startsWith('Consul, as a standby')),
    );
    expect((await scrape(standby)).get('consular_ready{source="Consul, as a standby"}')).toBe(0);
    await leader.stop();
    await until('a standby that says why nobody leads', async () =>
      (await statusOf(standby)).waitingFor.some((why) => why.includes('does not take the Lease before it reaches')),
    );
    const third = await start();
    await third.started;
    expect((await statusOf(standby)).leader).toMatchObject({ is: 'standby' });
    proxy.readFault = () => 'pass';
    await untilStanding(standby, 'standby');
    await third.stop();
    await standby.started;
    await standby.stop();
    await proxy.close();
  });

  it('with another Lease each do not take the fence from each other again and again: the first stays not ready, and says why', async () => {
    const first = await start();
    await first.started;
    const broken: Error[] = [];
    void first.broken.then((error) => broken.push(error));
    const name = `consular-other-${rig.cluster}`;
    const second = await start({ leaderElection: { enabled: true, namespace: rig.namespace, name } });
    await second.started;
    await until('a first that says who writes', async () => {
      const { ready, waitingFor } = await statusOf(first);
      return !ready && waitingFor.some((why) => why.includes(`two installations of cluster ${rig.cluster}`));
    });
    const { identity, epoch } = (await statusOf(second)).leader;
    expect((await statusOf(first)).waitingFor.join()).toContain(identity);
    // It keeps its Lease, so nobody else who waits for that one fights for the fence either.
    const third = await start();
    await untilStanding(third, 'standby');
    await isRegistered('of-the-second');
    expect((await statusOf(second)).leader).toMatchObject({ is: 'leading', epoch });
    expect((await statusOf(first)).leader).toMatchObject({ is: 'displaced', leader: null });
    expect((await statusOf(second)).ready).toBe(true);
    expect(broken).toEqual([]);
    await second.stop();
    await first.stop();
  });

  it('a leader that cannot renew its Lease in time ends when the standby leads', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'consular-leaders-'));
    const wire = await openWire(rig.kubeconfig, folder);
    const leader = await start({ kubeconfig: wire.kubeconfig });
    await leader.started;
    const standby = await start();
    await untilStanding(standby, 'standby');
    wire.freeze();
    await until('a leader that does not write', async () => (await statusOf(leader)).leader.is === 'suspended');
    expect((await statusOf(leader)).waitingFor).toContainEqual(expect.stringMatching(/^leader: /));
    await standby.started;
    await isRegistered('elsewhere');
    wire.thaw();
    expect(String(await leader.broken)).toMatch(/expected to hold key|holds it/);
    await leader.stop();
    wire.close();
    await rm(folder, { recursive: true });
  });
});

describe('a daemon with a Lease of its own', () => {
  it('writes nothing while it cannot renew the Lease, and goes on when it can', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'consular-leaders-'));
    const wire = await openWire(rig.kubeconfig, folder);
    const daemon = await start({ kubeconfig: wire.kubeconfig });
    await daemon.started;
    await isRegistered('steady');
    wire.freeze();
    await until('a daemon that is suspended', async () => (await statusOf(daemon)).leader.is === 'suspended');
    const writes = await writesOf(daemon);
    // Repaired at once by whoever leads.
    const [instance] = await rig.consul.instances('steady');
    await rig.consul.must('PUT', '/catalog/deregister', { Node: instance?.Node.Node, ServiceID: instance?.Service.ID });
    await rig.consul.registerOutside('vm-meanwhile', '198.51.100.8');
    await untilEqual('the instance of steady', async () => (await rig.consul.summary('steady')).length, 0);
    expect(await writesOf(daemon)).toBe(writes);
    wire.thaw();
    await untilStanding(daemon, 'leading');
    await untilEqual('the instance of steady', async () => (await rig.consul.summary('steady')).length, 1);
    await until('a mirrored Service', () =>
      rig.kubernetes.find(`/api/v1/namespaces/${rig.namespace}/services/vm-meanwhile`),
    );
    expect((await statusOf(daemon)).leader.is).toBe('leading');
    wire.close();
    await daemon.stop();
    await rm(folder, { recursive: true });
  });

  it('sees that Consul lost its data while nobody ran', async () => {
    const first = await start();
    await first.started;
    await until('a Lease with an epoch', async () => {
      const { metadata } = await leaseOf();
      return metadata.annotations?.['consular.dev/nonce'] !== undefined;
    });
    await first.stop();
    await rig.consul.must('DELETE', `/kv/consular/${rig.cluster}/leader`);
    const second = await start();
    await second.started;
    expect((await statusOf(second)).consul.wentBack).toMatchObject({ sign: 'fence-lost' });
  });

  it('sees that its own entry in Consul is another than the Lease tells of', async () => {
    const fresh = await openRig();
    try {
      const path = `/apis/coordination.k8s.io/v1/namespaces/${fresh.namespace}/leases/consular-${fresh.cluster}`;
      const options = {
        leaderElection: { enabled: true, namespace: fresh.namespace },
        timings: { election: TIMES },
      };
      const first = await fresh.startDaemon(options);
      await until('a Lease with a nonce', async () => {
        const { metadata } = await fresh.kubernetes.must('GET', path);
        return metadata.annotations?.['consular.dev/nonce'] !== undefined;
      });
      await first.stop();
      await fresh.kubernetes.must('PATCH', path, { metadata: { annotations: { 'consular.dev/nonce': 'another' } } });
      const second = await fresh.startDaemon(options);
      expect((await statusOf(second)).consul.wentBack).toMatchObject({ sign: 'own-entry-lost' });
      await second.stop();
    } finally {
      await fresh.close();
    }
  });

  it('that writes unfenced leaves its Lease to be over when it is told to stop: what it sent may come late', async () => {
    const guarded = await openRig({ acl: true });
    try {
      const rules = (await readPolicy(guarded.cluster)).filter(({ name }) => !name.startsWith('key '));
      const daemon = await guarded.startDaemon({
        token: await createConsulToken(guarded.consul, `unfenced-${guarded.cluster}`, rules),
        leaderElection: { enabled: true, namespace: guarded.namespace },
        timings: { election: TIMES },
      });
      const { leader, consul } = await statusOf(daemon);
      expect(consul.unfenced).toContain('key');
      await daemon.stop();
      const path = `/apis/coordination.k8s.io/v1/namespaces/${guarded.namespace}/leases/consular-${guarded.cluster}`;
      expect((await guarded.kubernetes.must('GET', path)).spec).toMatchObject({ holderIdentity: leader.identity });
    } finally {
      await guarded.close();
    }
  });
});
