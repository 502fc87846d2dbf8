import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandLineOn, type CallConsular } from '../rig/command-line.ts';
import {
  counted,
  createDeployment,
  openRig,
  podIPsOfTheirOwn,
  QUICK_ENTRY,
  statusOf,
  until,
  untilEqual,
  type Daemon,
  type Rig,
} from '../rig/index.ts';

/** More than half of all, and more than the breaker lets go. */
const MANY = 24;

let rig: Rig;
let consular: CallConsular;
let daemon: Daemon | undefined;

beforeAll(async () => {
  rig = await openRig();
  consular = commandLineOn(rig, {
    leaderElection: { namespace: rig.namespace },
    toConsul: { namespaces: { include: [rig.namespace] } },
    toKubernetes: { enabled: false },
  });
}, 60_000);
afterEach(async () => {
  await daemon?.stop();
  daemon = undefined;
}, 30_000);
afterAll(() => rig.close(), 30_000);

const podsOf = (service: string) => Array.from({ length: MANY }, (_, i) => `${service}-${i}`);

/** A Consul service of many Ready pods. */
async function registered(service: string): Promise<void> {
  const { kubernetes, consul, namespace } = rig;
  const annotations = { 'consular.dev/service-name': service };
  const ips = podIPsOfTheirOwn(MANY);
  const pods = podsOf(service).map((pod, i) => kubernetes.createPod(namespace, pod, { annotations, ip: ips[i] ?? '' }));
  await Promise.all(pods);
  await untilEqual('all registered', async () => (await statuses(service)).length, MANY);
  await until('all passing', async () => (await statuses(service)).every((status) => status === 'passing'));
  expect(await consul.instances(service)).toHaveLength(MANY);
}

async function statuses(service: string): Promise<string[]> {
  const instances = await rig.consul.instances(service);
  return instances.map(({ Checks }) => Checks[0]?.Status ?? '');
}

/** All pods turn NotReady, and their instances are retained. @returns the hash */
async function retained(running: Daemon, service: string): Promise<string> {
  const { kubernetes, namespace } = rig;
  await Promise.all(podsOf(service).map((pod) => kubernetes.setReady(namespace, pod, false)));
  const row = await until('what is retained', async () => {
    const row = (await statusOf(running)).retained?.find((one) => one.service === service);
    return row?.instances === MANY && row;
  });
  return row.hash;
}

const MIRRORING_IS_OFF = { toKubernetes: { enabled: false } };

describe('what is retained because much was lost at once', () => {
  it('is shown wherever somebody may look, and goes when it is released', async () => {
    const { kubernetes, namespace, consul, cluster } = rig;
    const pod = { namespace, name: await createDeployment(kubernetes, namespace, 'registrar') };
    const leaderElection = { enabled: true, namespace };
    const timings = { entryPace: QUICK_ENTRY };
    daemon = await rig.startDaemon({ ...MIRRORING_IS_OFF, pod, leaderElection, timings });
    await registered('orders');
    const hash = await retained(daemon, 'orders');
    const [row, ...others] = (await statusOf(daemon)).retained ?? [];
    expect(others).toEqual([]);
    expect(row).toMatchObject({
      direction: 'to-consul',
      service: 'orders',
      release: `consular release ${hash} --config FILE`,
    });
    expect(row?.why).toContain('much was lost at once');
    expect(Date.parse(row?.since ?? '')).toBeLessThanOrEqual(Date.now());

    const sentence = `retained ${MANY} instances (consular release ${hash} --config FILE lets them go) of orders, which would be deregistered`;
    const event = await until('the Event on the Deployment', async () =>
      (await kubernetes.eventsAbout(namespace, 'registrar')).find(({ note }) => note.startsWith(sentence)),
    );
    expect(event.reason).toBe('RemovalsRetained');
    const deployment = await kubernetes.must('GET', `/apis/apps/v1/namespaces/${namespace}/deployments/registrar`);
    const events = await kubernetes.list(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
    const regarding = events.map((one) => one.regarding as { kind: string; uid: string });
    expect(regarding).toContainEqual(expect.objectContaining({ kind: 'Deployment', uid: deployment.metadata.uid }));
    await until("Consular's own entry", async () => {
      const entries = await consul.instances('consular');
      return entries.some(({ Node, Checks }) => {
        const [check] = Checks;
        return Node.Node === `k8s-${cluster}` && check?.Status === 'warning' && check.Output.includes(sentence);
      });
    });
    expect(await counted(daemon.metrics.retained)).toEqual([{ value: MANY, labels: { direction: 'to-consul' } }]);

    const released = await consular('release', hash);
    expect({ status: released.status, stdout: released.stdout }).toEqual({
      status: 0,
      stdout: `released ${MANY} under ${hash}\n`,
    });
    await untilEqual('no instance', () => statuses('orders'), []);
    expect((await statusOf(daemon)).retained).toEqual([]);
  });

  it('goes when that is asked while nobody leads, by the leader that comes', async () => {
    const { kubernetes, namespace, cluster } = rig;
    const leaderElection = { enabled: true, namespace };
    daemon = await rig.startDaemon({ ...MIRRORING_IS_OFF, leaderElection });
    await registered('bills');
    const hash = await retained(daemon, 'bills');
    await daemon.stop();
    const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/consular-${cluster}`;
    const annotations = {
      'consular.dev/release': hash,
      'consular.dev/released': JSON.stringify({ hash, known: true, released: 1, staying: 1 }),
    };
    await kubernetes.must('PATCH', path, { metadata: { annotations } });
    daemon = await rig.startDaemon({ ...MIRRORING_IS_OFF, leaderElection });
    await untilEqual('no instance', () => statuses('bills'), []);
    await untilEqual(
      'what became of it',
      async () => (await kubernetes.must('GET', path)).metadata.annotations?.['consular.dev/released'],
      JSON.stringify({ hash, known: true, released: MANY, staying: 0 }),
    );
  });

  it('is said by plan and explain, whoever runs', async () => {
    const { namespace } = rig;
    daemon = await rig.startDaemon(MIRRORING_IS_OFF);
    await registered('carts');
    await daemon.stop();
    await Promise.all(podsOf('carts').map((pod) => rig.kubernetes.setReady(namespace, pod, false)));
    const plan = await consular('plan', '--output', 'json');
    const { changes, retained } = JSON.parse(plan.stdout) as Record<'changes' | 'retained', { note: string }[]>;
    expect(retained).toHaveLength(MANY);
    expect(retained[0]?.note).toContain('much was lost at once, and carts would be empty');
    expect(changes.filter((change) => 'action' in change && change.action === 'remove')).toEqual([]);
    expect((await consular('plan')).stdout).toContain(`, ${MANY} retained.`);

    const pod = await consular('explain', 'pod', `${namespace}/carts-0`);
    expect(pod.stdout).toMatch(/= retained +ServiceInstance .*carts-0:carts:8080 .*much was lost at once/);
    const service = await consular('explain', 'consul-service', 'carts');
    expect(service.stdout).toMatch(
      /carts-0 +1 in Consul.*, 1 retained: .*; retained, as its pod is not Ready: much was/,
    );
  });

  it('goes by the control file where no leader is elected', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'consular-control-'));
    const controlFile = join(folder, 'control');
    try {
      daemon = await rig.startDaemon({ ...MIRRORING_IS_OFF, controlFile });
      await registered('pay');
      const hash = await retained(daemon, 'pay');
      await writeFile(controlFile, `00000000\n${hash}\n`);
      await untilEqual('no instance', () => statuses('pay'), []);
      const said = daemon.records.filter(({ message }) => message.includes('release'));
      expect(said.map(({ message, hash: of }) => [message, of])).toEqual([
        ['cannot release', '00000000'],
        ['released what was retained', hash],
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is told in the log, once, where the Deployment is not found', async () => {
    const { namespace } = rig;
    daemon = await rig.startDaemon({ ...MIRRORING_IS_OFF, pod: { namespace, name: 'nobody' } });
    await registered('alone');
    await retained(daemon, 'alone');
    const record = await until('the record', () =>
      Promise.resolve(
        daemon?.records.find(({ message }) => message.startsWith('an Event is not told on the Deployment')),
      ),
    );
    expect(record).toMatchObject({ level: 'warn', error: expect.stringContaining(`get Pod ${namespace}/nobody`) });
  });
});
