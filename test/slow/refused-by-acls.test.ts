import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandLineOn, type CallConsular } from '../rig/command-line.ts';
import { counted, QUICK_ENTRY, statusOf, until, untilEqual, untilIdle } from '../rig/index.ts';
import { WriterStage } from '../rig/writer-stage.ts';

const named = (...names: string[]) => ({
  annotations: Object.fromEntries(names.map((name, i) => [`consular.dev/service-name.${8080 + i}`, name])),
  ports: names.map((_, i) => ({ containerPort: 8080 + i })),
});

/** As shipped, for pods that may register names that begin with `team-`, and these names. */
const rulesOf = (cluster: string, ...names: string[]) => `
  node_prefix "" { policy = "read" }
  service_prefix "" { policy = "read" }
  agent_prefix "" { policy = "read" }
  key_prefix "consular/" { policy = "write" }
  node_prefix "k8s-${cluster}" { policy = "write" }
  service "consular" { policy = "write" }
  service_prefix "team-" { policy = "write" }
  ${names.map((name) => `service "${name}" { policy = "write" }`).join('\n')}`;

describe('a pod whose service name the ACLs of Consul do not let the token write', () => {
  let stage: WriterStage;
  let policy: string;
  let folder: string;
  let consular: CallConsular;

  beforeAll(async () => {
    stage = await WriterStage.open({ acl: true });
    const { consul, cluster, namespace } = stage.rig;
    const { ID } = (await consul.must('PUT', '/acl/policy', { Name: 'some', Rules: rulesOf(cluster) })) as {
      ID: string;
    };
    policy = ID;
    const token = (await consul.must('PUT', '/acl/token', { Policies: [{ ID }] })) as { SecretID: string };
    await consul.must('PUT', `/acl/policy/${ID}`, { Name: 'some', Rules: rulesOf(cluster, 'first-on-node-1') });
    await stage.start({ token: token.SecretID, timings: { entryPace: QUICK_ENTRY } }, ['node-1']);
    folder = await mkdtemp(join(tmpdir(), 'consular-acls-'));
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, token.SecretID);
    consular = commandLineOn(stage.rig, {
      consul: { tokenFile },
      toConsul: { namespaces: { include: [namespace], exclude: [] } },
      toKubernetes: { namespaces: [namespace] },
    });
  }, 60_000);
  afterAll(async () => {
    await stage.close();
    await rm(folder, { recursive: true });
  }, 30_000);

  const allow = (...names: string[]) =>
    stage.rig.consul.must('PUT', `/acl/policy/${policy}`, {
      Name: 'some',
      Rules: rulesOf(stage.rig.cluster, 'first-on-node-1', ...names),
    });
  const sent = (service: string) =>
    stage.proxy.transactions.filter(({ operations }) => operations.some(({ id }) => id.includes(`:${service}:`)));
  const noteOn = (pod: string) =>
    until(`an Event on ${pod}`, async () => {
      const events = await stage.rig.kubernetes.eventsAbout(stage.rig.namespace, pod);
      return events.find(({ reason }) => reason === 'ConsulRefused')?.note;
    });
  const ownEntry = async () =>
    (await stage.rig.consul.instances('consular'))[0]?.Checks.map(({ Status, Output }) => `${Status} ${Output}`).join();
  const refusals = (service: string) =>
    stage.daemon.records.filter(
      ({ level, why, error }) => level !== 'debug' && `${String(why)} ${String(error)}`.includes(`"${service}"`),
    );

  it('is told on the pod, in the log once, in the metric, /status, the own entry, `explain` and `plan`, and costs no other', async () => {
    const { kubernetes, consul, namespace } = stage.rig;
    await kubernetes.createPod(namespace, 'refused', named('team-a', 'orders'));
    await kubernetes.createPod(namespace, 'other', named('team-b'));
    await untilEqual('the rest of the pod', async () => (await consul.summary('team-a')).length, 1);
    await untilEqual('the other pod', async () => (await consul.summary('team-b')).length, 1);
    expect(sent('orders').map(({ status }) => status)).toEqual([409]);
    expect(sent('team-a').map(({ status }) => status)).toEqual([409, 200]);
    const rule = 'service "orders" { policy = "write" }';
    const why = `Consul's ACLs refuse it: the token may not write service orders: add \`${rule}\` to its policy`;
    expect(await noteOn('refused')).toBe(`Not registered in Consul as asked: ${why}`);
    await untilIdle(stage.daemon);
    const status = await statusOf(stage.daemon);
    expect(status).toMatchObject({
      ready: true,
      toConsul: { rejected: 1, failing: {}, missingRights: [{ right: 'service orders', rule }] },
    });
    const values = await counted(stage.daemon.metrics.rejections);
    expect(values.map(({ labels, value }) => [labels.reason, value])).toEqual([['ConsulRefused', 1]]);
    await until('the own entry', async () => (await ownEntry())?.includes(`Pod ${namespace}/refused: ${why}`));
    expect(await ownEntry()).toMatch(/^warning .*, 1 rejected,/);
    const explained = await consular('explain', 'pod', `${namespace}/refused`);
    expect(explained).toMatchObject({ stderr: '', stdout: expect.stringContaining(why) });
    expect(explained.stdout).not.toContain('+ create');
    const planned = await consular('plan');
    expect(planned.stdout).toContain(`! Pod ${namespace}/refused: ${why}`);
    expect(planned.stdout).toContain('0 to create');
    expect(refusals('orders')).toHaveLength(1);
  });

  it('another pod of that name is told too, and Consul is not asked again for it', async () => {
    const { kubernetes, namespace } = stage.rig;
    await kubernetes.createPod(namespace, 'refused-too', named('orders'));
    expect(await noteOn('refused-too')).toContain('the token may not write service orders');
    await untilIdle(stage.daemon);
    expect(sent('orders')).toHaveLength(1);
  });

  it('is registered within seconds when the policy is mended, with nobody doing anything else', async () => {
    await allow('orders');
    await untilEqual('both pods', async () => (await stage.rig.consul.summary('orders')).length, 2, 15_000);
    await untilIdle(stage.daemon);
    expect(await statusOf(stage.daemon)).toMatchObject({ toConsul: { rejected: 0, missingRights: [] } });
    await until('the own entry', async () => (await ownEntry())?.startsWith('passing'));
  });

  it('stays in Consul when the right is taken away and the pod is deleted, which is told, and goes when it is given back', async () => {
    const { kubernetes, consul, namespace } = stage.rig;
    await allow();
    await kubernetes.deletePod(namespace, 'refused');
    await untilEqual('what may go', () => consul.summary('team-a'), []);
    expect(await noteOn('refused')).toBeDefined();
    await until('an Event on the pod that is gone', async () => {
      const events = await kubernetes.eventsAbout(namespace, 'refused');
      return events.some(({ note }) => note.startsWith('Left as it was in Consul: '));
    });
    await until('the own entry', async () => (await ownEntry())?.includes(`Pod ${namespace}/refused (1 held): `));
    expect((await consul.summary('orders')).length).toBe(2);
    const explained = await consular('explain', 'pod', `${namespace}/refused`);
    expect(explained.stdout).toMatch(/= held .*orders/);
    await allow('orders');
    await untilEqual('what is left', async () => (await consul.summary('orders')).length, 1, 15_000);
    await untilIdle(stage.daemon);
  });

  it('a node that may not be written is told on its pods, and makes no daemon unready that has others', async () => {
    const { kubernetes, consul, namespace, cluster } = stage.rig;
    const rules = rulesOf(cluster, 'first-on-node-1', 'orders').replace(
      `node_prefix "k8s-${cluster}"`,
      `node "k8s-${cluster}" { policy = "write" } node "k8s-${cluster}--node-1"`,
    );
    await consul.must('PUT', `/acl/policy/${policy}`, { Name: 'some', Rules: rules });
    await kubernetes.createPod(namespace, 'homeless', { ...named('team-c'), node: 'node-2' });
    expect(await noteOn('homeless')).toContain(
      `the token may not write Consul node k8s-${cluster}--node-2: add \`node_prefix "k8s-${cluster}--" { policy = "write" }\``,
    );
    expect((await statusOf(stage.daemon)).ready).toBe(true);
    await allow('orders');
    await untilEqual('the pod', async () => (await consul.summary('team-c')).length, 1, 15_000);
  });

  it('the right to the key of the fence is named with its rule by /readyz and `plan`, and used when it is back', async () => {
    const { consul, cluster } = stage.rig;
    const rules = rulesOf(cluster, 'first-on-node-1', 'orders').replace(
      'key_prefix "consular/" { policy = "write" }',
      '',
    );
    await consul.must('PUT', `/acl/policy/${policy}`, { Name: 'some', Rules: rules });
    const rule = `key "consular/${cluster}/leader" { policy = "write" }`;
    await stage.rig.kubernetes.createPod(stage.rig.namespace, 'unfenced', named('team-d'));
    await until('the rule in /readyz', async () =>
      (await (await fetch(`http://127.0.0.1:${stage.daemon.port}/readyz`)).text()).includes(rule),
    );
    const planned = await consular('plan');
    expect(planned.stdout).toContain(`* Consul: writes go without a fence: the token may not write key`);
    expect(planned.stdout).toContain(rule);
    expect(planned.stdout).not.toMatch(/create\s+Key/);
    expect(await consul.summary('team-d')).toEqual([]);
    await allow('orders');
    await untilEqual('the pod', async () => (await consul.summary('team-d')).length, 1, 30_000);
  });

  it('a daemon without a token says that it may be missing, each cause once, and since when', async () => {
    const { cluster } = stage.rig;
    const anonymous = await stage.rig.startDaemon({ cluster: `${cluster}n`, token: '', awaitStart: false });
    const reasons = await until('the reason', async () => {
      const text = await (await fetch(`http://127.0.0.1:${anonymous.port}/readyz`)).text();
      return text.includes('token') && text.trim().split('\n');
    });
    expect(reasons.filter((line) => line.includes('is the token missing or without rights? (since 20'))).toHaveLength(
      1,
    );
    const causes = reasons.map((line) =>
      line
        .replace(/ \(since .*/, '')
        .split(': ')
        .at(-1),
    );
    expect(new Set(causes).size).toBe(causes.length);
    await anonymous.stop();
  });
});
