import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ClusterIdentityError } from '../../src/to-consul/identity/cluster-identity.ts';
import { nextPodIP, openRig, QUICK_ENTRY, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';

const named = (name: string) => ({ 'consular.dev/service-name': name });
const QUICKLY = { timings: { entryPace: QUICK_ENTRY } };
const MIRRORING_IS_OFF = { ...QUICKLY, toKubernetes: { enabled: false } };
const OTHER_UID = '00000000-0000-4000-8000-000000000000';

interface NodeRow {
  readonly Node: string;
  readonly Address: string;
  readonly Meta: Record<string, string>;
  readonly ModifyIndex: number;
}

/** The nodes of an installation, by name. */
async function nodesOf({ consul, cluster }: Rig): Promise<NodeRow[]> {
  return (await consul.must('GET', `/catalog/nodes?node-meta=k8s-cluster:${cluster}`)) as NodeRow[];
}

/** What Consul would have of a Kubernetes cluster with another uid under the same name: there is one real one here. */
async function forge({ consul }: Rig, { Node, Address, Meta }: NodeRow, uid = OTHER_UID): Promise<void> {
  await consul.must('PUT', '/catalog/register', { Node, Address, NodeMeta: { ...Meta, 'k8s-cluster-uid': uid } });
}

const uids = async (rig: Rig) => [...new Set((await nodesOf(rig)).map(({ Meta }) => Meta['k8s-cluster-uid']))];

/** Consular's own entry. */
const ownEntry = async ({ consul, cluster }: Rig) =>
  (await consul.instances('consular')).find(({ Node }) => Node.Node === `k8s-${cluster}`);
const untilSummary = (rig: Rig, start: string) =>
  until(`the summary ${start}`, async () => {
    const [check] = (await ownEntry(rig))?.Checks ?? [];
    return check?.Output.startsWith(start) && check;
  });

async function ready(daemon: Daemon): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${daemon.port}/readyz`);
  return { status: response.status, text: await response.text() };
}

describe("Consular's own entry", () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await openRig();
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  it('says in Consul what Consular does, for whom, and since which version', async () => {
    const { kubernetes, namespace, cluster } = rig;
    for (const i of [1, 2, 3]) await kubernetes.createPod(namespace, `pod-${i}`, { annotations: named(`s-${i}`) });
    await kubernetes.createPod(namespace, 'wrong', {
      annotations: { ...named('wrong'), 'consular.dev/service-weight': '' },
    });
    const daemon = await rig.startDaemon(QUICKLY);
    const check = await untilSummary(rig, '3 instances registered');
    expect(check).toMatchObject({
      Output: [
        '3 instances registered, 1 rejected, 0 held, 0 services mirrored',
        `Pod ${namespace}/wrong: annotation "consular.dev/service-weight": expected a number from 1 to 65535, found ""`,
      ].join('\n'),
      CheckID: `consular-${cluster}`,
      Status: 'warning',
    });
    const entry = await ownEntry(rig);
    expect(entry?.Service).toMatchObject({ ID: `consular-${cluster}`, Service: 'consular', Address: '127.0.0.1' });
    const [uid] = await uids(rig);
    expect(entry?.Service.Meta).toMatchObject({ 'k8s-cluster': cluster, 'k8s-cluster-uid': uid, version: 'test' });
    expect(uid).toBe((await kubernetes.find('/api/v1/namespaces/kube-system'))?.metadata.uid);
    await untilIdle(daemon);
    await daemon.stop();
  });

  it('is not written again, and nothing else is, when Consular starts anew and finds nothing changed', async () => {
    const { consul } = rig;
    const before = await consul.catalogIndex();
    const daemon = await rig.startDaemon(QUICKLY);
    const startedAt = performance.now();
    await untilIdle(daemon);
    // The summary is looked at again and again, and that leaves no trace when it is right.
    await until('the summary to be due', () =>
      Promise.resolve(performance.now() - startedAt > 10 * QUICK_ENTRY.tickMs),
    );
    await daemon.stop();
    expect(await consul.catalogIndex()).toBe(before);
  });
});

describe("the tags of Consular's own entry", () => {
  it('keep Traefik away, and are those of the settings at the next start', async () => {
    const rig = await openRig();
    try {
      const tags = async () => (await ownEntry(rig))?.Service.Tags;
      const first = await rig.startDaemon(MIRRORING_IS_OFF);
      await untilEqual('the tag for Traefik', tags, ['traefik.enable=false']);
      await first.stop();
      await rig.startDaemon({ ...MIRRORING_IS_OFF, toConsul: { ownEntry: { tags: ['internal', 'no-lb'] } } });
      await untilEqual('the tags of the settings', tags, ['internal', 'no-lb']);
    } finally {
      await rig.close();
    }
  }, 60_000);
});

describe('a cluster name that another Kubernetes cluster has', () => {
  it('keeps a second installation from starting, which touches nothing', async () => {
    const rig = await openRig();
    const { kubernetes, consul, namespace, cluster } = rig;
    try {
      const first = await rig.startDaemon(MIRRORING_IS_OFF);
      await untilIdle(first);
      await first.stop();
      const [entry] = await nodesOf(rig);
      expect(entry?.Node).toBe(`k8s-${cluster}`);
      if (entry) await forge(rig, entry);
      await kubernetes.createPod(namespace, 'second', { annotations: named('second') });
      const before = await consul.catalogIndex();
      const second = await rig.startDaemon({ ...MIRRORING_IS_OFF, awaitStart: false });
      const error = await second.started.then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(error).toBeInstanceOf(ClusterIdentityError);
      expect(String(error)).toContain(`Consul node k8s-${cluster} was registered for the Kubernetes cluster with uid`);
      expect(String(error)).toContain('consular run --take-over');
      expect((await ready(second)).status).toBe(503);
      await second.stop();
      expect(await consul.catalogIndex()).toBe(before);
      expect(await uids(rig)).toEqual([OTHER_UID]);
    } finally {
      await rig.close();
    }
  });

  it('is noticed by an installation that runs, which writes nothing more to what is no longer its own', async () => {
    const rig = await openRig();
    const { kubernetes, consul, namespace } = rig;
    try {
      const ip = nextPodIP();
      await kubernetes.createPod(namespace, 'taken', { ip, annotations: named('taken') });
      const daemon = await rig.startDaemon(MIRRORING_IS_OFF);
      await untilEqual('registered', () => consul.summary('taken'), [`${ip}:8080 passing`]);
      await untilSummary(rig, '1 instance registered');
      for (const node of await nodesOf(rig)) await forge(rig, node);
      const answer = await until('the daemon to be not ready', async () => {
        const found = await ready(daemon);
        return found.status === 503 && found;
      });
      expect(answer.text).toContain(`was registered for the Kubernetes cluster with uid ${OTHER_UID}`);
      expect(daemon.records).toContainEqual(
        expect.objectContaining({ level: 'error', message: 'another installation uses this cluster name' }),
      );
      const before = await consul.catalogIndex();
      await kubernetes.annotate(namespace, 'taken', { 'consular.dev/service-tags': 'late' });
      await kubernetes.createPod(namespace, 'late', { annotations: named('late') });
      for (const pod of ['taken', 'late'])
        await until(`the Event about ${pod}`, async () =>
          (await kubernetes.eventsAbout(namespace, pod)).some(({ reason }) => reason === 'NodeConflict'),
        );
      await kubernetes.deletePod(namespace, 'taken');
      await daemon.stop();
      expect(await consul.catalogIndex()).toBe(before);
      expect(await consul.summary('taken')).toEqual([`${ip}:8080 passing`]);
    } finally {
      await rig.close();
    }
  });

  it('can be taken over: what is there is adopted, and what has no pod here is removed', async () => {
    const rig = await openRig();
    const { kubernetes, consul, namespace } = rig;
    try {
      const ip = nextPodIP();
      await kubernetes.createPod(namespace, 'stays', { ip, annotations: named('stays') });
      await kubernetes.createPod(namespace, 'goes', { node: 'node-2', annotations: named('goes') });
      const first = await rig.startDaemon(MIRRORING_IS_OFF);
      await until(
        'both',
        async () => (await consul.summary('stays')).length + (await consul.summary('goes')).length === 2,
      );
      await untilIdle(first);
      await first.stop();
      const index = async () => (await consul.instances('stays')).map(({ Service }) => Service.ModifyIndex);
      const untouched = await index();
      const [uid] = await uids(rig);
      const nodes = await nodesOf(rig);
      expect(nodes).toHaveLength(3);
      for (const node of nodes) await forge(rig, node);
      await kubernetes.deletePod(namespace, 'goes');
      const daemon = await rig.startDaemon({ ...MIRRORING_IS_OFF, takeOver: true });
      await untilEqual('the instance without a pod', () => consul.summary('goes'), []);
      await untilIdle(daemon);
      expect(await uids(rig)).toEqual([uid]);
      expect(await consul.summary('stays')).toEqual([`${ip}:8080 passing`]);
      expect(await index()).toEqual(untouched);
      expect(daemon.records).toContainEqual(
        expect.objectContaining({ message: 'took over what another cluster left under this name', nodes: 3 }),
      );
      expect(daemon.records).toContainEqual(
        expect.objectContaining({ message: 'instance without its object, deregistering', pod: `${namespace}/goes` }),
      );
    } finally {
      await rig.close();
    }
  });
});
