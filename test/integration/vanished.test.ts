import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandLineOn } from '../rig/command-line.ts';
import { openRig, statusOf, untilEqual, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** Longer than any test: what is retained in it is let go by something else. */
const LONG: { secondAnswerMs: number } = { secondAnswerMs: 600_000 };
const NODE = 'outside';

let rig: Rig;
let mirrored: Mirrored;
let daemon: Daemon | undefined;

beforeAll(async () => {
  rig = await openRig();
  mirrored = new Mirrored(rig);
  // So that it is never half of everything that vanishes.
  await register('steady', 60, 100);
}, 60_000);
afterEach(async () => {
  await daemon?.stop();
  daemon = undefined;
});
afterAll(() => rig.close(), 30_000);

const idOf = (name: string, i: number) => `${name}-${i}`;
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Instances on one node without an agent, in one transaction. */
async function register(name: string, count: number, from = 0, status = 'passing'): Promise<void> {
  const node = { Node: { Verb: 'set', Node: { Node: NODE, Address: '192.0.2.200' } } };
  await rig.consul.must('PUT', '/txn', [
    node,
    ...range(count).map((i) => ({
      Service: {
        Verb: 'set',
        Node: NODE,
        Service: { ID: idOf(name, i), Service: name, Address: `10.20.0.${from + i}`, Port: 80 },
      },
    })),
  ]);
  if (status === 'passing') return;
  const check = (i: number) => ({
    Node: NODE,
    ServiceID: idOf(name, i),
    CheckID: `${name}-${i}-check`,
    Name: 'check',
    Status: status,
  });
  await rig.consul.must(
    'PUT',
    '/txn',
    range(count).map((i) => ({ Check: { Verb: 'set', Check: check(i) } })),
  );
}

/** They are gone, all in one transaction. */
function vanish(name: string, count: number): Promise<unknown> {
  return rig.consul.must(
    'PUT',
    '/txn',
    range(count).map((i) => ({
      Service: { Verb: 'delete', Node: NODE, Service: { ID: idOf(name, i), Service: name } },
    })),
  );
}

const endpointsOf = async (name: string) => (await mirrored.addresses(name)).length;
const untilEndpoints = (name: string, count: number) =>
  untilEqual(`the endpoints of ${name}`, () => endpointsOf(name), count);
async function untilRetained(count: number): Promise<void> {
  const running = daemon;
  if (running)
    await untilEqual('how many are retained', async () => (await statusOf(running)).toKubernetes?.retained, count);
}

async function start(timings = LONG): Promise<Daemon> {
  daemon = await rig.startDaemon({ toConsul: { enabled: false }, timings });
  return daemon;
}

/** What a command says that reads both systems now. */
async function plan(): Promise<string> {
  const settings = { toConsul: { enabled: false }, toKubernetes: { namespaces: [rig.namespace] } };
  return (await commandLineOn(rig, settings)('plan')).stdout;
}

/** A mirrored service with so many endpoints. */
async function mirror(name: string, count: number): Promise<void> {
  await register(name, count);
  await untilEndpoints(name, count);
}

it('endpoints whose instances vanish in one transaction stay until a second answer says the same', async () => {
  await start({ secondAnswerMs: 3000 });
  await mirror('masses', 40);
  await vanish('masses', 40);
  await untilRetained(40);
  expect(await endpointsOf('masses')).toBe(40);
  expect((await mirrored.endpoints('masses'))?.subsets).toHaveLength(1);
  await untilEndpoints('masses', 0);
  await untilRetained(0);
});

it('other services are not delayed meanwhile, nor are few that vanish', async () => {
  await start();
  await mirror('many', 40);
  await mirror('few', 5);
  await vanish('many', 40);
  await untilRetained(40);
  await vanish('few', 5);
  await untilEndpoints('few', 0);
  await rig.consul.deregisterFromCatalog({ node: NODE, id: idOf('steady', 59) });
  await untilEndpoints('steady', 59);
  expect(await endpointsOf('many')).toBe(40);
  await register('steady', 60, 100);
  await register('many', 40);
  await untilRetained(0);
});

it('an instance that is back, or that Consul calls critical, is retained no more', async () => {
  await start();
  await mirror('back', 40);
  const before = await mirrored.slices('back');
  await vanish('back', 40);
  await untilRetained(40);
  await register('back', 10);
  await untilRetained(30);
  await register('back', 40);
  await untilRetained(0);
  expect((await mirrored.slices('back')).map(({ metadata }) => metadata.resourceVersion)).toEqual(
    before.map(({ metadata }) => metadata.resourceVersion),
  );
  await vanish('back', 40);
  await untilRetained(40);
  await register('back', 3, 0, 'critical');
  await untilEndpoints('back', 37);
  await register('back', 40);
  await rig.consul.must(
    'PUT',
    '/txn',
    range(3).map((i) => ({ Check: { Verb: 'delete', Check: { Node: NODE, CheckID: `back-${i}-check` } } })),
  );
  await untilEndpoints('back', 40);
});

it('instances that deregister themselves one after the other go at once, however many they are', async () => {
  await start();
  await mirror('leaving', 40);
  for (const i of range(40)) {
    await rig.consul.deregisterFromCatalog({ node: NODE, id: idOf('leaving', i) });
    await untilEndpoints('leaving', 39 - i);
  }
  await untilRetained(0);
});

it('a restart meanwhile changes nothing: endpoints that are written stay, though the first answer has no instance', async () => {
  await start();
  await mirror('restarted', 40);
  await mirror('partly', 40);
  await daemon?.stop();
  await vanish('restarted', 40);
  await vanish('partly', 38);
  const said = await plan();
  expect(said).toMatch(/\* Consul service partly: 38 instances retained: more than half of what was there/);
  expect(said).toMatch(/\* Consul service restarted: 40 instances retained: /);
  expect(said).not.toMatch(/[-~+] \w+ +\w+ +\S*(partly|restarted)/);
  await start();
  await untilRetained(78);
  await register('new', 1);
  await untilEndpoints('new', 1);
  expect([await endpointsOf('restarted'), await endpointsOf('partly')]).toEqual([40, 40]);
  await daemon?.stop();
  await start({ secondAnswerMs: 300 });
  await untilEndpoints('restarted', 0);
  await untilEndpoints('partly', 2);
});

it('what a Service takes in of them stays as well', async () => {
  const { kubernetes, namespace } = rig;
  daemon = await rig.startDaemon({
    toConsul: { enabled: false },
    toKubernetes: { importNamespaces: [namespace], services: { include: ['*'], exclude: ['taken'] } },
    timings: { secondAnswerMs: 3000 },
  });
  await register('taken', 40);
  await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
    metadata: { name: 'taking', annotations: { 'consular.dev/import': 'taken' } },
    spec: { ports: [{ name: 'http', port: 80 }] },
  });
  await untilEndpoints('taking', 40);
  await vanish('taken', 40);
  await untilRetained(40);
  expect(await endpointsOf('taking')).toBe(40);
  await untilEndpoints('taking', 0);
});

it('an operator lets them go by the hash that is shown', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'consular-vanished-'));
  const controlFile = join(folder, 'control');
  try {
    daemon = await rig.startDaemon({ toConsul: { enabled: false }, timings: LONG, controlFile });
    await mirror('released', 40);
    await vanish('released', 40);
    await untilRetained(40);
    const [row, ...others] = (await statusOf(daemon)).retained ?? [];
    expect(others).toEqual([]);
    expect(row).toMatchObject({ direction: 'to-kubernetes', service: 'released', instances: 40 });
    expect(await endpointsOf('released')).toBe(40);
    await writeFile(controlFile, `${row?.hash ?? ''}\n`);
    await untilEndpoints('released', 0);
    await untilRetained(0);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('of a Consul that loses everything, services of one instance are retained too', async () => {
  await rig.consul.must('PUT', '/txn', [
    { Node: { Verb: 'set', Node: { Node: NODE, Address: '192.0.2.200' } } },
    ...range(20).map((i) => ({
      Service: {
        Verb: 'set',
        Node: NODE,
        Service: { ID: idOf(`single-${i}`, 0), Service: `single-${i}`, Address: `10.20.1.${i}`, Port: 80 },
      },
    })),
  ]);
  await register('steady', 60, 100);
  await start();
  await untilEndpoints('single-19', 1);
  await untilEndpoints('steady', 60);
  for (const i of range(20)) await vanish(`single-${i}`, 1);
  for (const i of range(20)) await untilEndpoints(`single-${i}`, 0);
  await rig.consul.must('PUT', '/catalog/deregister', { Node: NODE });
  for (const i of range(20)) await untilEndpoints(`single-${i}`, 1);
  await untilEndpoints('steady', 60);
});
