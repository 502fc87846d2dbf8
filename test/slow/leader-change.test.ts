import { expect, it } from '@jest/globals';
import { nextPodIP, openRig, statusOf, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';
import { ConsulApi } from '../rig/consul.ts';
import { untilPassed } from '../rig/time-travel.ts';

/** Three servers of Consul, of which the leader stops: nothing was lost, and nothing is taken for lost. */

interface RaftServer {
  readonly Node: string;
  readonly Leader: boolean;
}

/** Which of the servers leads; undefined while none does. */
async function leaderOf({ consulServer: { servers } }: Rig, among = servers): Promise<number | undefined> {
  for (const { address } of among) {
    const api = new ConsulApi(address);
    try {
      const { body } = await api.call('GET', '/operator/raft/configuration');
      const leader = (body as { Servers?: RaftServer[] }).Servers?.find(({ Leader }) => Leader)?.Node;
      const index = Number(leader?.slice(leader.lastIndexOf('-') + 1)) - 1;
      if (leader !== undefined && (await api.call('GET', '/catalog/services?consistent')).status === 200) return index;
    } catch {
      // A server that is away does not know.
    } finally {
      await api.close();
    }
  }
  return undefined;
}

it.each<[string, NodeJS.Signals]>([
  ['is killed', 'SIGKILL'],
  ['is told to stop', 'SIGTERM'],
  ['leaves', 'SIGINT'],
])('a leader that %s starts no distrust: what goes afterwards goes at once', async (_, signal) => {
  const rig = await openRig({ servers: 3 });
  const { servers } = rig.consulServer;
  let other: ConsulApi | undefined;
  try {
    const first = await until('a leader', () => leaderOf(rig));
    const leader = servers[first];
    const follower = servers.find((server) => server !== leader);
    if (!leader || !follower) throw new Error(`find a leader and a follower among ${servers.length} servers`);
    const followerApi = (other = new ConsulApi(follower.address));
    const mirrored = new Mirrored(rig);
    for (const name of ['a', 'b', 'c']) await followerApi.registerOutside(name, '192.0.2.10');
    const ip = nextPodIP();
    await rig.kubernetes.createPod(rig.namespace, 'p', { ip, annotations: { 'consular.dev/service-name': 'orders' } });
    const daemon = await rig.startDaemon({ consulAddress: follower.address, toKubernetes: { removalGrace: '0s' } });
    await untilEqual('all mirrored', () => mirrored.names(), ['a', 'b', 'c']);
    await untilIdle(daemon);
    await leader.kill(signal);
    const others = servers.filter((server) => server !== leader);
    await until('another leader', async () => {
      const next = await leaderOf(rig, others);
      return next !== undefined && next !== first;
    });
    await followerApi.registerOutside('d', '192.0.2.10');
    await untilEqual('what comes', () => mirrored.names(), ['a', 'b', 'c', 'd']);
    await followerApi.deregisterFromCatalog({ node: 'outside-a', id: 'a-80' });
    await untilEqual('what goes', () => mirrored.names(), ['b', 'c', 'd']);
    await rig.kubernetes.deletePod(rig.namespace, 'p');
    await untilEqual('our pod', () => followerApi.summary('orders'), []);
    expect((await statusOf(daemon)).consul.wentBack).toBeNull();
  } finally {
    await other?.close();
    await rig.close();
  }
});

it('a lone server that is told to stop and comes back with its data starts no distrust', async () => {
  const rig = await openRig({ persistent: true });
  const { consul, consulServer } = rig;
  try {
    const mirrored = new Mirrored(rig);
    for (const name of ['a', 'b', 'c']) await consul.registerOutside(name, '192.0.2.10');
    const ip = nextPodIP();
    await rig.kubernetes.createPod(rig.namespace, 'p', { ip, annotations: { 'consular.dev/service-name': 'orders' } });
    const daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s' } });
    await untilEqual('all mirrored', () => mirrored.names(), ['a', 'b', 'c']);
    await untilIdle(daemon);
    // An index that moved since the waiting questions were asked could be of the state after.
    await untilPassed(30_000);
    await consulServer.kill('SIGTERM');
    await until('a daemon that notices', async () => !(await statusOf(daemon)).ready);
    await consulServer.start();
    await until('a daemon that follows again', async () => (await statusOf(daemon)).ready);
    await consul.registerOutside('d', '192.0.2.10');
    await untilEqual('what comes', () => mirrored.names(), ['a', 'b', 'c', 'd']);
    await consul.deregisterFromCatalog({ node: 'outside-a', id: 'a-80' });
    await untilEqual('what goes', () => mirrored.names(), ['b', 'c', 'd']);
    expect((await statusOf(daemon)).consul.wentBack).toBeNull();
  } finally {
    await rig.close();
  }
});
