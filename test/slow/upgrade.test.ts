import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { nextPodIP, openRig, statusOf, until, untilEqual, type Daemon, type Manifest, type Rig } from '../rig/index.ts';
import { MANIFESTS, render } from '../rig/manifests.ts';
import { createConsulToken, grantMore, openStage, readPolicy, type ApiServer, type Stage } from '../rig/rights.ts';

const KEY_RULE = 'key "consular/dev/leader" write';
const STEADY = ['steady-1', 'steady-2', 'steady-3'];
const RESTLESS = ['restless-1', 'restless-2', 'restless-3', 'restless-4'];

const objects = render(MANIFESTS);
const isOfLeader = ({ metadata }: Manifest) => metadata.name === 'consular-leader';

const readyz = async ({ port }: Daemon) => (await fetch(`http://127.0.0.1:${port}/readyz`)).text();
const isReady = async ({ port }: Daemon) => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;

let rig: Rig;
let server: ApiServer;
let stage: Stage;
/** What goes on in the background. */
const toStop: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  rig = await openRig({ acl: true });
  server = { api: rig.kubernetes, kubeconfig: rig.kubeconfig };
  // Rights as a deployment of one replica has them: none to Leases, and none to the key.
  stage = await openStage({
    ...{ rig, server, without: KEY_RULE },
    objects: objects.filter((object) => !isOfLeader(object)),
  });
}, 60_000);
afterAll(async () => {
  for (const stop of toStop) await stop();
  await stage.close();
  await rig.close();
}, 30_000);

const annotationsFor = (service: string) => ({ 'consular.dev/service-name': stage.name(service) });

/** Pods that turn Ready and not Ready, go and come again, five times a second, until it is stopped. */
function startChanges(): { stop: () => Promise<void> } {
  const { kubernetes, namespace } = stage;
  let isOver = false;
  const change = async (turn: number) => {
    const name = RESTLESS[turn % RESTLESS.length] ?? '';
    const annotations = annotationsFor('restless');
    const exists = await kubernetes.find(`/api/v1/namespaces/${namespace}/pods/${name}`);
    if (!exists) await kubernetes.createPod(namespace, name, { annotations });
    else if (turn % 3 === 0) await kubernetes.deletePod(namespace, name);
    else await kubernetes.setReady(namespace, name, turn % 2 === 0);
  };
  const run = async () => {
    for (let turn = 0; !isOver; turn++) {
      await change(turn);
      await sleep(200);
    }
  };
  const running = run();
  const stop = async () => {
    isOver = true;
    await running;
  };
  toStop.push(stop);
  return { stop };
}

/** Looks as fast as it can whether all that does not change is where it has to be, in both systems. */
function startWatching(): { stop: () => Promise<{ looks: number; missed: string[] }> } {
  const missed: string[] = [];
  let looks = 0;
  let isOver = false;
  const look = async () => {
    const instances = await stage.consul.instances(stage.name('steady'));
    const passing = instances.filter(({ Checks }) => Checks.every(({ Status }) => Status === 'passing'));
    if (passing.length !== STEADY.length) missed.push(`${passing.length} of ${STEADY.length} instances in Consul`);
    const addresses = await mirroredAddresses();
    if (addresses !== '192.0.2.50') missed.push(`endpoints "${addresses}" of the mirrored Service`);
    looks++;
  };
  const run = async () => {
    while (!isOver) await look();
  };
  const running = run();
  const stop = async () => {
    isOver = true;
    await running;
    return { looks, missed };
  };
  toStop.push(stop);
  return { stop };
}

async function mirroredAddresses(): Promise<string> {
  const selector = `labelSelector=kubernetes.io/service-name%3D${stage.name('machine')}`;
  const path = `/apis/discovery.k8s.io/v1/namespaces/${stage.namespace}/endpointslices?${selector}`;
  const slices = (await stage.kubernetes.list(path)) as (Manifest & { endpoints: { addresses: string[] }[] | null })[];
  return slices.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses)).join();
}

/** What pods that may have changed at any moment are in Consul, and what they should be. */
async function untilConsulIsRight(): Promise<void> {
  const { kubernetes, consul, namespace } = stage;
  const pods = await kubernetes.list(`/api/v1/namespaces/${namespace}/pods`);
  const ready = pods
    .filter(({ metadata }) => metadata.name.startsWith('restless'))
    .map(({ status }) => status as { podIP: string; conditions: { type: string; status: string }[] })
    .filter(({ conditions }) => conditions.some(({ type, status }) => type === 'Ready' && status === 'True'))
    .map(({ podIP }) => `${podIP}:8080 passing`);
  await untilEqual('restless pods', async () => (await consul.summary(stage.name('restless'))).sort(), ready.sort());
}

/** Something that happens now is done: whoever has to write does. */
async function untilWritten(name: string): Promise<void> {
  const ip = nextPodIP();
  await stage.kubernetes.createPod(stage.namespace, name, { ip, annotations: annotationsFor(name) });
  await untilEqual(`pod ${name}`, () => stage.consul.summary(stage.name(name)), [`${ip}:8080 passing`]);
}

/** Today's rule of the policy is added to it, as an operator does; its tokens have the right then. */
async function addKeyRule(): Promise<void> {
  const { consul, cluster } = stage;
  const { ID } = (await consul.must('GET', `/acl/policy/name/${cluster}`)) as { ID: string };
  const rules = (await readPolicy(cluster)).map(({ text }) => text).join('\n');
  await consul.must('PUT', `/acl/policy/${ID}`, { ID, Name: cluster, Rules: rules });
}

describe('the way from one replica to two', () => {
  it('loses nothing and lets nothing flap: unfenced beside fenced, without rights, with them, and back again', async () => {
    const { kubernetes, consul, namespace, cluster } = stage;
    const oldToken = await createConsulToken(
      consul,
      `${cluster}-old`,
      (await readPolicy(cluster)).filter(({ name }) => name !== KEY_RULE),
    );
    /** As before there was an election: it writes whatever others do, without a fence. */
    const startOld = () => rig.startDaemon({ ...stage.options, token: oldToken, leaderElection: { enabled: false } });

    const old = await startOld();
    await until('the old one', () => isReady(old));
    for (const name of STEADY) await kubernetes.createPod(namespace, name, { annotations: annotationsFor('steady') });
    await consul.registerOnAgent({ id: 'machine', name: stage.name('machine'), address: '192.0.2.50', port: 9098 });
    await until('all pods', async () => (await consul.summary(stage.name('steady'))).length === STEADY.length);
    await untilEqual('the machine', mirroredAddresses, '192.0.2.50');
    const watching = startWatching();
    const changes = startChanges();

    // Two new pods beside the old one, before anybody has given them rights.
    const fresh = [await stage.start(), await stage.startBeside()];
    for (const daemon of fresh)
      await until('the missing right, by its name', async () =>
        (await readyz(daemon)).includes(
          `expected the right to get leases.coordination.k8s.io consular-${cluster} in namespace ${namespace}, found none`,
        ),
      );
    await untilWritten('written-by-the-old-one');

    // The Role: one of them leads, beside the old one, and unfenced for want of the key.
    await grantMore(server, objects.filter(isOfLeader), stage);
    await until('two that are ready', async () => (await Promise.all(fresh.map(isReady))).every(Boolean));
    const standings = await Promise.all(fresh.map(async (daemon) => (await statusOf(daemon)).leader.is));
    expect([...standings].sort()).toEqual(['leading', 'standby']);
    const leader = fresh[standings.indexOf('leading')];
    if (!leader) throw new Error('unreachable');
    await leader.started;
    expect((await statusOf(leader)).consul.unfenced).toContain("lacks permission 'key:");
    await untilWritten('written-by-both');
    await old.stop();
    await untilWritten('written-by-the-new-one');

    // The rule of the policy, though late: used without a restart.
    await addKeyRule();
    await until('the fence', async () => (await statusOf(leader)).leader.epoch !== null, 90_000);
    expect((await statusOf(leader)).consul.unfenced).toBeNull();
    await untilWritten('written-behind-the-fence');

    // And back: the old version knows nothing of Lease and key.
    await stage.stop();
    const again = await startOld();
    await until('the old one again', () => isReady(again));
    await untilWritten('written-by-the-old-one-again');

    await changes.stop();
    await untilConsulIsRight();
    const { looks, missed } = await watching.stop();
    expect(missed).toEqual([]);
    expect(looks).toBeGreaterThan(100);
  });
});
