import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { leaderOf, startConsul, type ConsulAgent, type ConsulServer } from '../control-plane/index.ts';
import { ConsulApi } from '../rig/consul.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { openRig, statusOf, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** Longer than a question waits at a server that is frozen. */
const LONG_MS = 90_000;

const annotated = (name: string) => ({ 'consular.dev/service-name': name });

describe('several addresses of one Consul with three servers', () => {
  let rig: Rig;
  let mirrored: Mirrored;
  let daemon: Daemon;
  let number = 0;

  beforeAll(async () => {
    rig = await openRig({ servers: 3 });
    mirrored = new Mirrored(rig);
    await rig.consul.registerOutside('vm', '192.0.2.80');
    await rig.kubernetes.createPod(rig.namespace, 'stays', { annotations: annotated('stays') });
  }, 90_000);
  /** To be started again. */
  const killed: ConsulAgent[] = [];
  afterEach(async () => {
    await daemon.stop();
    for (const server of killed.splice(0)) await server.start();
  }, 30_000);
  afterAll(() => rig.close(), 30_000);

  const others = (server: ConsulAgent) => rig.consulServer.servers.filter((other) => other !== server);

  /** Its addresses in this order. */
  async function start(servers: readonly ConsulAgent[]): Promise<void> {
    daemon = await rig.startDaemon({
      consul: { address: servers.map(({ address }) => address) },
      toKubernetes: { removalGrace: '0s' },
    });
    await untilEqual('the mirror', () => mirrored.addresses('vm'), ['192.0.2.80:80']);
    await untilIdle(daemon);
    expect(await addressInUse()).toBe(servers[0]?.address);
  }

  const addressInUse = async () => (await statusOf(daemon)).consul.address;

  /** All three keep up and have a vote: two of them have to do without the third. One that was frozen may have lost its vote for a while. */
  const untilHealthy = () =>
    until(
      'three servers that are well',
      async () => {
        const answer = await fetch(`${rig.consulServer.address}/v1/operator/autopilot/health`);
        return ((await answer.json()) as { FailureTolerance: number }).FailureTolerance === 1;
      },
      LONG_MS,
    );

  /** By another than that one. */
  const untilLed = (asked: ConsulAgent, not: ConsulAgent) =>
    until(
      'a leader',
      async () => {
        const leader = await leaderOf(rig.consulServer, asked).catch(() => not);
        return leader !== not && (await fetch(`${leader.address}/v1/catalog/nodes?consistent`)).ok;
      },
      LONG_MS,
    );

  /** While another leader is elected, Consul refuses a write, or never answers it; whatever is written can be written again. */
  const untilWritten = (write: () => Promise<unknown>) =>
    until(
      'a write',
      async () => {
        const late = new AbortController();
        const limit = sleep(5000, undefined, { signal: late.signal }).then(() =>
          Promise.reject(new Error('no answer')),
        );
        const isWritten = await Promise.race([write(), limit]).finally(() => late.abort());
        return isWritten === true;
      },
      LONG_MS,
    );

  /** What the daemon must not touch, with versions. */
  async function untouched(api: ConsulApi): Promise<unknown> {
    return [await mirrored.service('vm'), await mirrored.addresses('vm'), await api.instances('stays')];
  }

  /** Both directions work, removals too. */
  async function expectToWork(api: ConsulApi): Promise<void> {
    const name = `new-${number++}`;
    await rig.kubernetes.createPod(rig.namespace, name, { annotations: annotated(name) });
    await untilWritten(() => api.registerOutside(`${name}-vm`, '192.0.2.81'));
    await until('the pod', async () => (await api.summary(name)).length === 1, LONG_MS);
    await untilEqual('the mirror', () => mirrored.addresses(`${name}-vm`), ['192.0.2.81:80'], LONG_MS);
    await rig.kubernetes.deletePod(rig.namespace, name);
    await untilWritten(() => api.deregisterFromCatalog({ node: `outside-${name}-vm`, id: `${name}-vm-80` }));
    await untilEqual('no pod', () => api.summary(name), [], LONG_MS);
    await until('no mirror', async () => !(await mirrored.names()).includes(`${name}-vm`), LONG_MS);
    expect((await statusOf(daemon)).consul.wentBack).toBeNull();
  }

  it.each<[string, () => Promise<ConsulAgent>]>([
    ['a follower', async () => others(await leaderOf(rig.consulServer))[0] ?? rig.consulServer],
    ['the leader', () => leaderOf(rig.consulServer)],
  ])('go on at the next one when %s that is asked is killed, and stay there when it comes back', async (_, choose) => {
    const first = await choose();
    const [second, third] = others(first) as [ConsulAgent, ConsulAgent];
    await start([first, second, third]);
    const api = new ConsulApi(second.address);
    try {
      const before = await untouched(api);
      await first.kill('SIGKILL');
      killed.push(first);
      await untilLed(second, first);
      await expectToWork(api);
      const address = await addressInUse();
      expect([second.address, third.address]).toContain(address);
      await killed.pop()?.start();
      await expectToWork(api);
      expect(await addressInUse()).toBe(address);
      expect(await untouched(api)).toEqual(before);
      const told = daemon.records.filter(({ message }) => message === 'Consul is asked at another address now');
      expect(told[0]).toMatchObject({ before: first.address });
    } finally {
      await api.close();
    }
  });

  it('go on at the next one when the leader that is asked is frozen, and believe nothing of what it says when it thaws', async () => {
    const first = await leaderOf(rig.consulServer);
    const [second, third] = others(first) as [ConsulAgent, ConsulAgent];
    await start([first, second, third]);
    const api = new ConsulApi(second.address);
    try {
      const before = await untouched(api);
      process.kill(first.pid, 'SIGSTOP');
      try {
        await untilLed(second, first);
        await expectToWork(api);
      } finally {
        process.kill(first.pid, 'SIGCONT');
      }
      await expectToWork(api);
      expect(await addressInUse()).not.toBe(first.address);
      expect(await untouched(api)).toEqual(before);
    } finally {
      await api.close();
    }
  });

  it('lead to a server that has lagged behind, and nothing is taken for gone that it does not know yet', async () => {
    await untilHealthy();
    const leader = await leaderOf(rig.consulServer);
    const [first, lagging] = others(leader) as [ConsulAgent, ConsulAgent];
    await start([first, lagging]);
    const api = new ConsulApi(leader.address);
    try {
      process.kill(lagging.pid, 'SIGSTOP');
      const name = `late-${number++}`;
      // The leader that lost sight of a server may have to be elected again.
      await untilWritten(() => api.registerOutside(name, '192.0.2.82'));
      await untilEqual('what comes meanwhile', () => mirrored.addresses(name), ['192.0.2.82:80'], LONG_MS);
      const before = [await untouched(api), await mirrored.service(name)];
      process.kill(lagging.pid, 'SIGCONT');
      await first.kill('SIGKILL');
      killed.push(first);
      await untilLed(leader, first);
      await expectToWork(api);
      expect(await addressInUse()).toBe(lagging.address);
      expect([await untouched(api), await mirrored.service(name)]).toEqual(before);
    } finally {
      process.kill(lagging.pid, 'SIGCONT');
      await api.close();
    }
  });
});

describe('another Consul behind the second address', () => {
  let rig: Rig;
  let other: ConsulServer;

  beforeAll(async () => {
    [rig, other] = await Promise.all([openRig(), startConsul()]);
  }, 60_000);
  afterAll(async () => {
    await rig.close();
    await other.stop();
  }, 30_000);

  it('is noticed when the first one fails: nothing is written to it, and nothing is taken away', async () => {
    const mirrored = new Mirrored(rig);
    const there = new ConsulApi(other.address);
    const proxy = await FaultProxy.open(rig.consul.address, '');
    try {
      await rig.consul.registerOutside('vm', '192.0.2.80');
      await rig.kubernetes.createPod(rig.namespace, 'stays', { annotations: annotated('stays') });
      const daemon = await rig.startDaemon({
        consul: { address: [proxy.address, other.address] },
        toKubernetes: { removalGrace: '0s' },
      });
      await untilEqual('the mirror', () => mirrored.addresses('vm'), ['192.0.2.80:80']);
      await untilIdle(daemon);
      const index = await there.catalogIndex();
      proxy.readFault = () => 'reset';
      proxy.transactionFault = () => 'reset';
      await until('the reason', async () => {
        const { waitingFor } = await statusOf(daemon);
        return waitingFor.some(
          (why) => why.includes(`ask Consul at ${other.address}`) && why.includes('another Consul'),
        );
      });
      await rig.kubernetes.createPod(rig.namespace, 'waits', { annotations: annotated('waits') });
      const noticed = () => daemon.records.filter(({ error }) => String(error).includes('another Consul')).length;
      const before = noticed();
      await until('more questions', () => Promise.resolve(noticed() > before + 5), LONG_MS);
      expect(await there.catalogIndex()).toBe(index);
      expect((await there.must('GET', '/kv/?keys=')) ?? []).toEqual([]);
      expect(await mirrored.addresses('vm')).toEqual(['192.0.2.80:80']);
      proxy.readFault = () => 'pass';
      proxy.transactionFault = () => 'pass';
      await until('what waited', async () => (await rig.consul.summary('waits')).length === 1, LONG_MS);
      expect((await statusOf(daemon)).consul).toMatchObject({ address: proxy.address, wentBack: null });
    } finally {
      await proxy.close();
      await there.close();
    }
  });
});
