import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  openRig,
  podIPsOfTheirOwn,
  statusOf,
  until,
  untilEqual,
  untilIdle,
  type Daemon,
  type Rig,
} from '../rig/index.ts';

/** A service is judged when it has more than 20 instances; beside the others of this file it is no majority. */
const MANY = 30;

describe('when pods turn NotReady in masses', () => {
  let rig: Rig;
  let daemon: Daemon;
  let folder: string;
  let controlFile: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'consular-breaker-'));
    controlFile = join(folder, 'control');
    rig = await openRig();
    daemon = await rig.startDaemon({ controlFile });
    // They stay as they are, so that no test loses most of everything.
    await start('bystander', 2 * MANY + 20);
  }, 120_000);
  afterAll(async () => {
    await rig.close();
    await rm(folder, { recursive: true });
  }, 30_000);

  const names = (service: string, count = MANY) => Array.from({ length: count }, (_, i) => `${service}-${i}`);

  /** Ready pods of a Consul service, until all of them are in Consul. */
  async function start(service: string, count = MANY, node = 'node-1'): Promise<string[]> {
    const { kubernetes, namespace } = rig;
    const pods = names(service, count);
    const annotations = { 'consular.dev/service-name': service };
    const ips = podIPsOfTheirOwn(count);
    await Promise.all(
      pods.map((pod, i) => kubernetes.createPod(namespace, pod, { ip: ips[i] ?? '', node, annotations })),
    );
    await untilCounts({ [service]: `${count} passing` });
    return pods;
  }

  /** How many instances are retained. */
  async function retained(): Promise<number> {
    return ((await statusOf(daemon)).retained ?? []).reduce((sum, { instances }) => sum + instances, 0);
  }

  /** Under which everything is retained now. */
  async function hashOf(service: string): Promise<string> {
    return (await statusOf(daemon)).retained?.find((row) => row.service === service)?.hash ?? '';
  }

  const setReady = (pods: readonly string[], ready: boolean) =>
    Promise.all(pods.map((pod) => rig.kubernetes.setReady(rig.namespace, pod, ready)));

  const end = (pods: readonly string[]) => Promise.all(pods.map((pod) => rig.kubernetes.deletePod(rig.namespace, pod)));

  /** How many instances a service has, by the status of their checks: `30 passing`, or `none`. */
  async function countOf(service: string): Promise<string> {
    const statuses = (await rig.consul.summary(service)).map((line) => line.split(' ')[1] ?? '');
    const counts = [...new Set(statuses)].sort().map((status) => {
      return `${statuses.filter((one) => one === status).length} ${status}`;
    });
    return counts.join(', ') || 'none';
  }

  async function untilCounts(expected: Readonly<Record<string, string>>): Promise<void> {
    for (const [service, counts] of Object.entries(expected))
      await untilEqual(`the instances of ${service}`, () => countOf(service), counts);
  }

  it('services that would be empty keep their instances, critical, and have them passing when they are Ready', async () => {
    const [one, two] = await Promise.all([start('one'), start('two')]);
    await setReady([...one, ...two], false);
    await untilCounts({ one: `${MANY} critical`, two: `${MANY} critical` });
    const [row] = await rig.consul.instances('one');
    expect(row?.Checks[0]?.Output).toMatch(
      /^Pod is not Ready since .*; retained by Consular: its pod is not Ready, much was lost at once, and one would be empty$/,
    );
    expect(await statusOf(daemon)).toMatchObject({ toConsul: { retained: 2 * MANY, held: 0 } });
    await setReady([...one, ...two], true);
    await untilCounts({ one: `${MANY} passing`, two: `${MANY} passing` });
    await end([...one, ...two]);
    await untilCounts({ one: 'none', two: 'none' });
  });

  it('instances whose node is Unknown stay passing', async () => {
    const { kubernetes, cluster } = rig;
    const node = `${cluster}-lost`;
    await kubernetes.createNode(node);
    const setNode = (status: string) =>
      kubernetes.must('PATCH', `/api/v1/nodes/${node}/status`, { status: { conditions: [{ type: 'Ready', status }] } });
    await setNode('True');
    const pods = await start('unheard', MANY, node);
    await setNode('Unknown');
    await setReady(pods, false);
    await untilEqual('what is retained', retained, MANY);
    await untilIdle(daemon);
    // The first of them went before it was known that most would, and are there again.
    await untilCounts({ unheard: `${MANY} passing` });
    await setNode('False');
    await untilCounts({ unheard: `${MANY} critical` });
    await end(pods);
    await untilCounts({ unheard: 'none' });
  });

  it('two thirds of a service are deregistered at once while the third serves, and come again when that is lost', async () => {
    const pods = await start('zones', 33);
    await setReady(pods.slice(0, 22), false);
    await untilCounts({ zones: '11 passing' });
    await setReady(pods.slice(22), false);
    await untilCounts({ zones: '33 critical' });
    // The others go when it has been Ready for half a minute.
    await setReady(pods.slice(0, 1), true);
    await untilCounts({ zones: '32 critical, 1 passing' });
    await end(pods);
    await untilCounts({ zones: 'none' });
  });

  it('deleted pods go at once, and so does one whose address another pod has', async () => {
    const { kubernetes, namespace } = rig;
    const pods = await start('deleted');
    await setReady(pods, false);
    await untilCounts({ deleted: `${MANY} critical` });
    await end(pods.slice(0, 5));
    await untilCounts({ deleted: `${MANY - 5} critical` });
    const { status } = await kubernetes.must('GET', `/api/v1/namespaces/${namespace}/pods/deleted-5`);
    const { podIP } = status as { podIP: string };
    await kubernetes.createPod(namespace, 'deleted-heir', { ip: podIP });
    await untilCounts({ deleted: `${MANY - 6} critical` });
    await end([...pods.slice(5), 'deleted-heir']);
    await untilCounts({ deleted: 'none' });
  });

  it('a release lets go what was shown under the hash, and nothing that was lost later', async () => {
    const [shown, later] = await Promise.all([start('shown'), start('later')]);
    await setReady(shown, false);
    await untilCounts({ shown: `${MANY} critical` });
    await untilIdle(daemon);
    const hash = await hashOf('shown');
    await setReady(later, false);
    await untilCounts({ later: `${MANY} critical` });
    await writeFile(controlFile, `00000000\n${hash}\n`);
    await untilCounts({ shown: 'none', later: `${MANY} critical` });
    expect(await retained()).toBe(MANY);
    const record = await until('what was released', () =>
      Promise.resolve(daemon.records.find(({ message }) => message === 'released what was retained')),
    );
    expect(record).toMatchObject({ hash, instances: MANY, staying: MANY });
    await setReady(shown.slice(0, 1), true);
    await untilCounts({ shown: '1 passing' });
    await end([...shown, ...later]);
    await untilCounts({ shown: 'none', later: 'none' });
  });

  /** The instances of a service with the indexes of their registrations. */
  const registrations = async (service: string) =>
    (await rig.consul.instances(service)).map(({ Service: { ID, CreateIndex } }) => `${ID} ${CreateIndex}`).sort();

  it('a restart in the middle keeps what is retained, and deregisters none of it for a moment', async () => {
    const pods = await start('restarted');
    await setReady(pods, false);
    await untilCounts({ restarted: `${MANY} critical` });
    await untilIdle(daemon);
    const before = await registrations('restarted');
    await daemon.stop();
    daemon = await rig.startDaemon({ controlFile });
    await untilIdle(daemon);
    await untilCounts({ restarted: `${MANY} critical` });
    expect(await retained()).toBe(MANY);
    expect(await registrations('restarted')).toEqual(before);
    await end(pods);
    await untilCounts({ restarted: 'none' });
  });
});
