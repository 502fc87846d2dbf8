import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { nextPodIP, until, untilEqual, untilIdle } from '../rig/index.ts';
import type { SeenTransaction } from '../rig/fault-proxy.ts';
import { podsIn, WriterStage } from '../rig/writer-stage.ts';

const CRITICAL = { 'consular.dev/not-ready': 'critical' };
const TAGS = 'consular.dev/service-tags';

describe('between the look and the write', () => {
  let stage: WriterStage;

  beforeAll(async () => {
    stage = await WriterStage.open();
    await stage.start();
  }, 60_000);
  beforeEach(() => stage.settle());
  afterAll(() => stage.close(), 30_000);

  const nodeName = (node: string) => `k8s-${stage.rig.cluster}--${node}`;
  const statuses = (transactions: readonly SeenTransaction[]) => transactions.map(({ status }) => status);

  /** As somebody else writes to the catalog: over what is ours, without asking. */
  function register(service: string, entry: { Service?: object; Check?: object }): Promise<unknown> {
    return stage.rig.consul.must('GET', `/catalog/service/${service}`).then((rows) => {
      const [row] = rows as { Node: string; Address: string }[];
      return stage.rig.consul.must('PUT', '/catalog/register', {
        Node: row?.Node,
        Address: row?.Address,
        SkipNodeUpdate: true,
        ...entry,
      });
    });
  }

  const instance = async (service: string) => (await stage.rig.consul.instances(service))[0];

  async function registered(service: string, annotations: Record<string, string> = {}): Promise<string> {
    await stage.createPods(service, 1, { annotations });
    await stage.untilRegistered(service, 1);
    await stage.settle();
    return stage.idOf(`${service}-0`, service);
  }

  it('somebody touched the Service: it is not overwritten blindly, but read again and repaired', async () => {
    const id = await registered('touched');
    const { gate, batch } = await stage.holdTogether(1, () =>
      stage.rig.kubernetes.annotate(stage.rig.namespace, 'touched-0', { [TAGS]: 'ours' }),
    );
    const { Service } = (await instance('touched')) ?? {};
    await register('touched', { Service: { ...Service, Tags: ['theirs'] } });
    const theirs = (await instance('touched'))?.Service.ModifyIndex;
    gate.release();
    await untilEqual('our tags', async () => (await instance('touched'))?.Service.Tags, ['ours']);
    await untilIdle(stage.daemon);
    expect(batch.operations.map(({ kind, index }) => [kind, index])).toEqual([['Service', Service?.ModifyIndex]]);
    const [first, second] = stage.transactionsOf(id);
    expect(statuses(stage.transactionsOf(id))).toEqual([409, 200]);
    expect(first).toBe(batch);
    expect(second?.operations.map(({ kind, index }) => [kind, index])).toEqual([['Service', theirs]]);
  });

  it('somebody touched the Check: the same, by the index of the check', async () => {
    const { kubernetes, namespace } = stage.rig;
    const id = await registered('checked', CRITICAL);
    const { gate, batch } = await stage.holdTogether(1, () => kubernetes.setReady(namespace, 'checked-0', false));
    const [check] = (await instance('checked'))?.Checks ?? [];
    await register('checked', { Check: { ...check, Node: nodeName('node-1'), Status: 'warning', Notes: 'theirs' } });
    gate.release();
    const seen = async () => (await instance('checked'))?.Checks.map(({ Status, Notes }) => `${Status} ${Notes}`);
    await untilEqual('our check', seen, [`critical ${check?.Notes ?? ''}`]);
    await untilIdle(stage.daemon);
    expect(statuses(stage.transactionsOf(id))).toEqual([409, 200]);
    for (const { operations } of stage.transactionsOf(id))
      expect(operations.map(({ kind, verb }) => `${verb} ${kind}`)).toEqual(['cas Check']);
    expect(stage.transactionsOf(id)[1]?.operations[0]?.index).toBeGreaterThan(batch.operations[0]?.index ?? Infinity);
  });

  it('each has an index of its own: a touched Service does not refuse the Check', async () => {
    const { kubernetes, namespace } = stage.rig;
    const id = await registered('halves', CRITICAL);
    const { gate, batch } = await stage.holdTogether(1, () => kubernetes.setReady(namespace, 'halves-0', false));
    await register('halves', { Service: { ...(await instance('halves'))?.Service, Tags: ['theirs'] } });
    gate.release();
    await until('the answer', () => Promise.resolve(batch.answered < Infinity));
    expect(batch.status).toBe(200);
    expect(stage.transactionsOf(id)[0]).toBe(batch);
    expect((await instance('halves'))?.Checks.map(({ Status }) => Status)).toEqual(['critical']);
    await kubernetes.annotate(namespace, 'halves-0', { [TAGS]: 'ours' });
    await untilEqual('our tags', async () => (await instance('halves'))?.Service.Tags, ['ours']);
  });

  it('somebody took our name for a node: its pod is rejected with an Event, the others of the batch go through', async () => {
    const { kubernetes, consul, namespace, cluster } = stage.rig;
    const node = `${cluster}-taken`;
    await kubernetes.createNode(node);
    const { gate, batch } = await stage.holdTogether(4, async () => {
      await stage.createPods('homeless', 2, { node });
      await stage.createPods('neighbour', 2);
    });
    await consul.must('PUT', '/catalog/register', { Node: nodeName(node), Address: '192.0.2.70' });
    gate.release();
    await stage.untilRegistered('neighbour', 2);
    const events = await until('an Event on each pod', async () => {
      const found = await kubernetes.list(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
      const notes = found.filter(({ reason }) => reason === 'NodeConflict').map(({ note }) => String(note));
      return notes.length >= 2 && notes;
    });
    expect(events[0]).toContain(`Consul node ${nodeName(node)} exists and was not made by this installation`);
    expect(batch.status).toBe(409);
    expect(podsIn(batch)).toEqual(new Set(['homeless-0', 'homeless-1', 'neighbour-0', 'neighbour-1']));
    expect(await consul.summary('homeless')).toEqual([]);
    const [found] = (await consul.must('GET', `/catalog/nodes?filter=Node%3D%3D%22${nodeName(node)}%22`)) as object[];
    expect(found).toMatchObject({ Address: '192.0.2.70', Meta: {} });
  });

  it('somebody created the instance: it becomes ours in its place', async () => {
    const ip = nextPodIP();
    const id = stage.idOf('early-0', 'early');
    const { gate, batch } = await stage.holdTogether(1, () => stage.createPods('early', 1, { ip }));
    const [service] = batch.operations;
    await register('first-on-node-1', { Service: { ...service?.body, Tags: ['theirs'] } });
    gate.release();
    await untilEqual('the instance', () => stage.rig.consul.summary('early'), [`${ip}:8080 passing`]);
    await untilEqual('our tags', async () => (await instance('early'))?.Service.Tags, []);
    expect(statuses(stage.transactionsOf(id))).toEqual([409, 200]);
  });

  it('somebody removed the instance: it is created again, with its neighbours of the batch', async () => {
    const { kubernetes, consul, namespace } = stage.rig;
    const id = await registered('removed');
    const { gate } = await stage.holdTogether(3, async () => {
      await kubernetes.annotate(namespace, 'removed-0', { [TAGS]: 'ours' });
      await stage.createPods('beside', 2);
    });
    await consul.must('PUT', '/catalog/deregister', { Node: nodeName('node-1'), ServiceID: id });
    gate.release();
    await stage.untilRegistered('removed', 1);
    await stage.untilRegistered('beside', 2);
    expect((await instance('removed'))?.Service.Tags).toEqual(['ours']);
    expect(statuses(stage.transactionsOf(id))).toEqual([409, 200]);
  });

  it('somebody removed the node: it is created again with all that was on it', async () => {
    const { kubernetes, consul, cluster } = stage.rig;
    const node = `${cluster}-removed`;
    await kubernetes.createNode(node);
    await stage.createPods('standing', 1, { node });
    await stage.untilRegistered('standing', 1);
    await stage.settle();
    const { gate, batch } = await stage.holdTogether(2, () => stage.createPods('joining', 2, { node }));
    await consul.must('PUT', '/catalog/deregister', { Node: nodeName(node) });
    gate.release();
    await stage.untilRegistered('joining', 2);
    await stage.untilRegistered('standing', 1);
    expect(batch.status).toBe(409);
  });

  it('somebody removed what we remove: that is done then', async () => {
    const { kubernetes, consul, namespace } = stage.rig;
    const id = await registered('leaving');
    const { gate, batch } = await stage.holdTogether(1, () => kubernetes.deletePod(namespace, 'leaving-0'));
    await consul.must('PUT', '/catalog/deregister', { Node: nodeName('node-1'), ServiceID: id });
    gate.release();
    await untilIdle(stage.daemon);
    expect(batch.operations.map(({ verb }) => verb)).toEqual(['delete-cas']);
    expect(statuses(stage.transactionsOf(id))).toEqual([409]);
    expect(await consul.summary('leaving')).toEqual([]);
  });

  it('somebody touched what we remove: it is read again, and removed as it is now', async () => {
    const { kubernetes, consul, namespace } = stage.rig;
    const id = await registered('last-touch');
    const { gate } = await stage.holdTogether(1, () => kubernetes.deletePod(namespace, 'last-touch-0'));
    await register('last-touch', { Service: { ...(await instance('last-touch'))?.Service, Tags: ['theirs'] } });
    gate.release();
    await untilEqual('no instance', () => consul.summary('last-touch'), []);
    expect(statuses(stage.transactionsOf(id))).toEqual([409, 200]);
  });
});
