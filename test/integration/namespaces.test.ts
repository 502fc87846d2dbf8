import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { commandLine } from '../rig/command-line.ts';
import { nextPodIP, openRig, QUICK_ENTRY, statusOf, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { MANIFESTS, render } from '../rig/manifests.ts';
import { Mirrored } from '../rig/mirrored.ts';
import { grantIn, openStage, revokeIn, type ApiServer, type Stage } from '../rig/rights.ts';

const objects = render(MANIFESTS);
const forMirror = render(join(MANIFESTS, 'mirror-namespace'));
const forImports = render(join(MANIFESTS, 'import-namespace'));
const ABSENT = 'there is no such namespace';

let rig: Rig;
let server: ApiServer;
let stage: Stage;

beforeAll(async () => {
  rig = await openRig({ acl: true });
  server = { api: rig.kubernetes, kubeconfig: rig.kubeconfig };
}, 60_000);
afterAll(() => rig.close(), 30_000);
afterEach(() => stage.close(), 30_000);

/** A stage that mirrors into its own namespace and into another one, which is not made yet. */
async function open(timings = {}): Promise<{ own: Mirrored; other: Mirrored; otherName: string; name: string }> {
  stage = await openStage({ rig, server, objects: [...objects, ...forImports], alsoInto: ['other'], timings });
  const otherName = `${stage.cluster}-other`;
  const [own, other] = [new Mirrored(rig, stage.namespace), new Mirrored(rig, otherName)];
  return { own, other, otherName, name: stage.name('orders') };
}

/** The same with the other one made, its Role given, and a service of one instance mirrored into both. */
async function openMirrored() {
  const opened = await open();
  await rig.kubernetes.createNamespace(opened.otherName);
  await grantIn(opened.otherName, server, forMirror, stage);
  await stage.start();
  await register(1);
  for (const place of [opened.own, opened.other])
    await untilEqual('mirrored', () => place.legacyAddresses(opened.name), ['192.0.2.51:8080']);
  return opened;
}

/** A virtual machine registers itself as an instance of `orders`. */
const idOf = (number: number) => `${stage.name('orders')}-${number}`;
const register = (number: number) =>
  rig.consul.registerOnAgent({
    ...{ id: idOf(number), name: stage.name('orders'), address: `192.0.2.${50 + number}`, port: 8080 },
  });
const deregister = (number: number) => rig.consul.deregisterFromAgent(idOf(number));

const closed = async () => (await statusOf(stage.daemon)).toKubernetes?.closedNamespaces;
const isReady = async () => (await fetch(`http://127.0.0.1:${stage.daemon.port}/readyz`)).ok;
const closedMetric = async () => (await stage.daemon.metrics.closedNamespaces.get()).values[0]?.value;
const loud = () => stage.daemon.records.filter(({ level }) => level === 'warn' || level === 'error');
const noRight = (namespace: string) => `there is no right to list endpoints in namespace ${namespace}`;
const told = (namespace: string, why: string) =>
  `nothing is written into namespace ${namespace}, and nothing removed: ${why}`;
const reasonsOn = async (namespace: string) =>
  (await rig.kubernetes.eventsAbout(namespace, namespace)).map(({ reason }) => reason);

describe('a mirror namespace that cannot be written when Consular starts', () => {
  it('without its Role stands still by itself, is told once, and is served when the Role is given', async () => {
    const { own, other, otherName, name } = await open({ entryPace: QUICK_ENTRY });
    await rig.kubernetes.createNamespace(otherName);
    for (const number of [1, 2]) await register(number);
    await stage.start();
    await until('a ready daemon', isReady);
    const annotations = { 'consular.dev/service-name': stage.name('pods') };
    const ip = nextPodIP();
    await rig.kubernetes.createPod(stage.namespace, 'registered', { ip, annotations });
    await rig.kubernetes.must('POST', `/api/v1/namespaces/${stage.importNamespace}/services`, {
      metadata: { name: 'taking', annotations: { 'consular.dev/import': name } },
      spec: { ports: [{ port: 80 }] },
    });
    await untilEqual('registered', () => rig.consul.summary(stage.name('pods')), [`${ip}:8080 passing`]);
    const both = ['192.0.2.51:8080', '192.0.2.52:8080'];
    await untilEqual('mirrored', () => own.legacyAddresses(name), both);
    await untilEqual('taken in', () => new Mirrored(rig, stage.importNamespace).addresses('taking'), both);
    await untilIdle(stage.daemon);

    expect(await closed()).toEqual({ [otherName]: noRight(otherName) });
    expect([await closedMetric(), await isReady(), await other.names()]).toEqual([1, true, []]);
    const why = told(otherName, noRight(otherName));
    expect(loud()).toEqual([expect.objectContaining({ message: 'rejected', reason: 'NamespaceClosed', why })]);
    await untilEqual('an Event on it', () => reasonsOn(otherName), ['NamespaceClosed']);
    await until('a warning in the UI', async () => {
      const entry = (await rig.consul.instances('consular')).find(({ Node }) => Node.Node === `k8s-${stage.cluster}`);
      const check = entry?.Checks.find(({ ServiceID }) => ServiceID !== '');
      return check?.Status === 'warning' && check.Output.includes(why);
    });

    await grantIn(otherName, server, forMirror, stage);
    await untilEqual('mirrored there too', () => other.legacyAddresses(name), both);
    expect([await closed(), await closedMetric()]).toEqual([{}, 0]);
  });

  it('that is not there is told by its name, and is served when it is made', async () => {
    const { own, other, otherName, name } = await open();
    await register(1);
    await stage.start();
    await untilEqual('mirrored', () => own.legacyAddresses(name), ['192.0.2.51:8080']);
    expect([await closed(), await isReady()]).toEqual([{ [otherName]: ABSENT }, true]);
    expect(loud()).toEqual([expect.objectContaining({ message: 'rejected', why: told(otherName, ABSENT) })]);
    await rig.kubernetes.createNamespace(otherName);
    await untilEqual('its Role missing', closed, { [otherName]: noRight(otherName) });
    await grantIn(otherName, server, forMirror, stage);
    await untilEqual('mirrored there too', () => other.legacyAddresses(name), ['192.0.2.51:8080']);
    await until('nothing closed', async () => JSON.stringify(await closed()) === '{}');
  });

  it('is not taken for empty: what is there stays until it can be read, and goes then', async () => {
    const { own, other, otherName, name } = await openMirrored();
    await stage.stop();
    await revokeIn(otherName, server, forMirror, stage);
    await deregister(1);
    const before = await other.all(name);
    await stage.start();
    await untilEqual('gone from its own', () => own.names(), []);
    await untilIdle(stage.daemon);
    expect(await other.all(name)).toEqual(before);
    await grantIn(otherName, server, forMirror, stage);
    await untilEqual('gone from there', () => other.names(), []);
    expect(await other.addresses(name)).toEqual([]);
  });
});

describe('a mirror namespace while Consular runs', () => {
  it('that loses its Role stands still, alone and told once, until it has the Role again', async () => {
    const { own, other, otherName, name } = await openMirrored();
    await until('a second service', async () => {
      const second = stage.name('second');
      await rig.consul.registerOnAgent({ id: second, name: second, address: '192.0.2.59', port: 8080 });
      return (await other.legacyAddresses(second)).length === 1;
    });
    await untilIdle(stage.daemon);
    await revokeIn(otherName, server, forMirror, stage);
    const before = await other.all(name);
    await register(2);
    await deregister(1);
    await rig.consul.deregisterFromAgent(stage.name('second'));
    await untilEqual('right in its own', () => own.legacyAddresses(name), ['192.0.2.52:8080']);
    await untilEqual('closed', closed, { [otherName]: noRight(otherName) });
    await untilEqual('gone from its own', () => own.names(), [name]);
    await untilIdle(stage.daemon);
    expect(await other.all(name)).toEqual(before);
    expect([await other.names(), await isReady()]).toEqual([[name, stage.name('second')].sort(), true]);
    await until('a Warning on the Namespace', async () => {
      const events = await rig.kubernetes.list(`/apis/events.k8s.io/v1/namespaces/${otherName}/events`);
      return events.some(({ reason, type, note }) => {
        return reason === 'NamespaceClosed' && type === 'Warning' && String(note).includes(noRight(otherName));
      });
    });
    // A write may be refused before the rights are looked at.
    const reasons = loud().map(({ reason }) => reason);
    expect(reasons.filter((reason) => reason === 'NamespaceClosed')).toHaveLength(1);
    await grantIn(otherName, server, forMirror, stage);
    await untilEqual('right there', () => other.legacyAddresses(name), ['192.0.2.52:8080']);
    await untilEqual('gone from there', () => other.names(), [name]);
    // Its v1 Endpoints are followed again: what somebody changes is put right.
    await rig.kubernetes.must('DELETE', other.path('endpoints', name));
    await untilEqual('put right', () => other.legacyAddresses(name), ['192.0.2.52:8080']);
  });

  it('that may be read and not written stands still as well', async () => {
    const { own, other, otherName, name } = await openMirrored();
    const role = `/apis/rbac.authorization.k8s.io/v1/namespaces/${otherName}/roles/consular-mirror`;
    const { rules } = (await rig.kubernetes.must('GET', role)) as unknown as { rules: object };
    const reading = [{ apiGroups: [''], resources: ['endpoints'], verbs: ['list', 'watch'] }];
    await rig.kubernetes.must('PATCH', role, { rules: reading });
    await register(2);
    await untilEqual('both in its own', async () => (await own.legacyAddresses(name)).length, 2);
    const why = `there is no right to create services in namespace ${otherName}, nor to write anything else`;
    await untilEqual('closed', closed, { [otherName]: why });
    expect(await other.legacyAddresses(name)).toEqual(['192.0.2.51:8080']);
    await rig.kubernetes.must('PATCH', role, { rules });
    await untilEqual('both there', async () => (await other.legacyAddresses(name)).length, 2);
  });

  it('that is deleted and made again is told as gone, and is filled again', async () => {
    const { own, other, otherName, name } = await openMirrored();
    const uid = (await other.service(name))?.metadata.uid;
    await rig.kubernetes.must('DELETE', `/api/v1/namespaces/${otherName}`);
    await untilEqual('gone', closed, { [otherName]: ABSENT });
    await register(2);
    await untilEqual('right in its own', async () => (await own.legacyAddresses(name)).length, 2);
    await rig.kubernetes.createNamespace(otherName);
    await grantIn(otherName, server, forMirror, stage);
    await untilEqual('both there', async () => (await other.legacyAddresses(name)).length, 2);
    expect((await other.service(name))?.metadata.uid).not.toBe(uid);
    // Not even that an Event could not be written, or a Service not made.
    const reasons = loud().map(({ reason }) => reason);
    expect(reasons).toEqual(reasons.map(() => 'NamespaceClosed'));
    expect(await isReady()).toBe(true);
  });
});

describe('consular plan and explain, called by an administrator,', () => {
  it("name the namespaces that are not there, and those where the daemon's account has no rights", async () => {
    const { otherName, name } = await open();
    await register(1);
    const consular = commandLine({ KUBECONFIG: rig.kubeconfig, CONSUL_HTTP_ADDR: rig.consulServer.address });
    const config = await stage.configFile();
    const account = `${stage.namespace}/consular`;
    const call = async (...args: string[]) => {
      const { stdout, stderr } = await consular(...args, '--config', config, '--output', 'json');
      expect(stderr).toBe('');
      return JSON.parse(stdout) as { rejections: object[]; warnings: object[]; changes: { object: string }[] };
    };
    const absent = { object: `Namespace ${otherName}`, reason: `nothing is planned for it: ${ABSENT}` };
    expect((await call('plan', '--account', account)).rejections).toEqual([expect.objectContaining(absent)]);

    await rig.kubernetes.createNamespace(otherName);
    const { rejections, changes } = await call('plan', '--account', account);
    const reason =
      `ServiceAccount ${account} has no right to list endpoints in namespace ${otherName}, and 10 more of its rights ` +
      `are missing: until it has, nothing is written there: apply the Role in deploy/kubernetes/mirror-namespace for namespace ${otherName}`;
    expect(rejections).toEqual([expect.objectContaining({ object: `Namespace ${otherName}`, reason })]);
    expect(changes.map(({ object }) => object)).toContain(`${otherName}/${name}`);
    expect((await call('explain', 'consul-service', name, '--account', account)).rejections).toEqual([
      expect.objectContaining({ object: `Namespace ${otherName}`, message: reason }),
    ]);

    await grantIn(otherName, server, forMirror, stage);
    expect((await call('plan', '--account', account)).rejections).toEqual([]);
  });

  it("called by somebody who may not ask about the daemon's account say so in one line", async () => {
    const { otherName } = await open();
    await rig.kubernetes.createNamespace(otherName);
    await grantIn(otherName, server, forMirror, stage);
    const { kubeconfig = '' } = stage.options;
    const consular = commandLine({ KUBECONFIG: kubeconfig, CONSUL_HTTP_ADDR: rig.consulServer.address });
    const { stdout } = await consular('plan', '--config', await stage.configFile(), '--account', `${otherName}/other`);
    expect(stdout.split('\n').filter((line) => line.startsWith('  ! ') || line.startsWith('  * '))).toEqual([
      expect.stringMatching(
        `^ {2}\\* ServiceAccount ${otherName}/other: it is not known what it may write: get ServiceAccount .*403`,
      ),
    ]);
  });
});
