import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { startKubernetes, type KubernetesPlane } from '../control-plane/index.ts';
import { openRig, statusOf, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { clientsOf, entriesOf, installWorkloadEntries } from '../rig/istio.ts';
import { MANIFESTS, render } from '../rig/manifests.ts';
import { grantIn, grantMore, openStage, rightsOf, withoutRight, type ApiServer, type Stage } from '../rig/rights.ts';

const objects = render(MANIFESTS);
const optional = render(join(MANIFESTS, 'istio'));
const rights = rightsOf(optional).map(({ name }) => name);

let plane: KubernetesPlane;
let rig: Rig;
let server: ApiServer;
let stage: Stage;

beforeAll(async () => {
  plane = await startKubernetes();
  rig = await openRig({ acl: true }, plane);
  server = { api: rig.kubernetes, kubeconfig: rig.kubeconfig };
  await installWorkloadEntries(rig.kubernetes);
}, 60_000);
afterAll(async () => {
  await rig.close();
  await plane.stop();
}, 30_000);

/** A virtual machine registers itself as an instance of `apps`. */
async function register(address: string, meta: Record<string, string> = {}): Promise<void> {
  const name = stage.name('apps');
  await rig.consul.registerOnAgent({ id: `${name}-${address}`, name, address, port: 8080, meta });
}

const entries = () => entriesOf(rig.kubernetes, stage.namespace, stage.name('apps'));
const clients = () => clientsOf(rig.kubernetes, stage.namespace, stage.name('apps'));
const refusals = () =>
  stage.daemons
    .flatMap(({ records }) => records.map((record) => JSON.stringify(record)))
    .filter((record) => /\b40[13]\b|forbidden|permission denied/i.test(record));
const workloadEntries = async () => (await statusOf(stage.daemon)).toKubernetes?.workloadEntries;

describe('the rights to WorkloadEntries, as they are shipped,', () => {
  it('are in a folder of their own, for the same account, and for nothing else', () => {
    expect(rights).toEqual(
      ['list', 'watch', 'create', 'patch', 'delete'].map((verb) => `${verb} workloadentries.networking.istio.io`),
    );
    expect(rightsOf(objects).filter(({ apiGroup }) => apiGroup.includes('istio'))).toEqual([]);
    const subjects = objects
      .filter(({ kind, metadata }) => kind === 'RoleBinding' && metadata.name === 'consular-mirror')
      .map(({ subjects }) => subjects);
    expect(optional.flatMap(({ subjects = [] }) => subjects)).toEqual(subjects.flat());
  });
});

describe('the rights to WorkloadEntries', () => {
  afterEach(() => stage.close(), 30_000);

  it('are enough to create, change and remove them, and nothing is refused', async () => {
    stage = await openStage({ rig, server, objects: [...objects, ...optional], toKubernetes: { mode: 'istio' } });
    await stage.start();
    await register('192.0.2.51');
    await register('192.0.2.52');
    await until('the entries', async () => (await entries()).length === 2);
    await register('192.0.2.51', { version: 'v2' });
    await until('the label', async () => (await entries())[0]?.spec.labels.version === 'v2');
    await rig.consul.deregisterFromAgent(`${stage.name('apps')}-192.0.2.51`);
    await until('one entry', async () => (await entries()).length === 1);
    await untilIdle(stage.daemon);
    expect(refusals()).toEqual([]);
  });

  it.each(rights)('are used all together or not at all: not without the right to %s, which is named', async (right) => {
    stage = await openStage({
      ...{ rig, server, toKubernetes: { mode: 'istio' } },
      objects: [...objects, ...withoutRight(optional, right)],
    });
    await stage.start();
    await register('192.0.2.53');
    const both = ['192.0.2.53:8080'];
    await untilEqual('clients', clients, { everybody: both, mesh: both });
    // What is missing is told once all is written.
    await untilIdle(stage.daemon);
    expect(await entries()).toEqual([]);
    const why = `there is no right to ${right} in namespace ${stage.namespace}`;
    expect(await workloadEntries()).toBe(why);
    const said = stage.daemon.records.filter(({ level }) => level === 'warn' || level === 'error');
    expect(said).toEqual([
      expect.objectContaining({ message: expect.stringContaining('without WorkloadEntries'), why }),
    ]);
    expect(refusals()).toEqual([]);
  });

  it('are not missed by whoever wants no WorkloadEntries', async () => {
    stage = await openStage({ rig, server, objects });
    await stage.start();
    await register('192.0.2.54');
    const both = ['192.0.2.54:8080'];
    await untilEqual('clients', clients, { everybody: both, mesh: both });
    await untilIdle(stage.daemon);
    expect(stage.daemon.records.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
    expect(refusals()).toEqual([]);
  });

  it('are missed in the namespace that lacks them, and in no other', async () => {
    const alsoInto = ['other'];
    stage = await openStage({
      rig,
      server,
      objects: [...objects, ...optional],
      alsoInto,
      toKubernetes: { mode: 'istio' },
    });
    const other = `${stage.cluster}-other`;
    await rig.kubernetes.createNamespace(other);
    await grantIn(other, server, render(join(MANIFESTS, 'mirror-namespace')), stage);
    await stage.start();
    await register('192.0.2.56');
    const name = stage.name('apps');
    const both = ['192.0.2.56:8080'];
    await untilEqual('clients', () => clientsOf(rig.kubernetes, other, name), { everybody: both, mesh: both });
    await until('the entry', async () => (await entries()).length === 1);
    await untilIdle(stage.daemon);
    expect(await entriesOf(rig.kubernetes, other, name)).toEqual([]);
    const { workloadEntries, withoutWorkloadEntries } = (await statusOf(stage.daemon)).toKubernetes ?? {};
    expect([workloadEntries, withoutWorkloadEntries]).toEqual(['networking.istio.io/v1', 1]);
    await grantIn(other, server, optional, stage);
    await until('the entry there', async () => (await entriesOf(rig.kubernetes, other, name)).length === 1);
    expect(refusals()).toEqual([]);
  });

  it('can be given later', async () => {
    stage = await openStage({ rig, server, objects, toKubernetes: { mode: 'istio' } });
    await stage.start();
    await register('192.0.2.55');
    await until('the fallback', async () => (await statusOf(stage.daemon)).toKubernetes?.withoutWorkloadEntries === 1);
    await grantMore(server, optional, stage);
    await until('the entry', async () => (await entries()).length === 1, 60_000);
    expect(await workloadEntries()).toBe('networking.istio.io/v1');
  });
});
