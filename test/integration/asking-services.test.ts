import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Explanation } from '../../src/commands/explain/explanation.ts';
import type { Plan } from '../../src/commands/plan.ts';
import { commandLineOn } from '../rig/command-line.ts';
import { nextPodIP, openRig, statusOf, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';

/** Services that ask for their pods to be registered, and what their owners are told. */
let rig: Rig;
let daemon: Daemon;

beforeAll(async () => {
  rig = await openRig();
  daemon = await rig.startDaemon({ toKubernetes: { enabled: false } });
}, 60_000);
afterAll(() => rig.close(), 30_000);

const said = (entries: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(entries).map(([key, value]) => [`consular.dev/${key}`, value]));

async function createService(name: string, app: string, text: Readonly<Record<string, string>>, ports?: object[]) {
  await rig.kubernetes.must('POST', `/api/v1/namespaces/${rig.namespace}/services`, {
    metadata: { name, annotations: said(text) },
    spec: { selector: { app }, ports: ports ?? [{ name: 'http', port: 80, targetPort: 'http' }] },
  });
}

const setPorts = (name: string, ports: object[]) =>
  rig.kubernetes.must('PATCH', `/api/v1/namespaces/${rig.namespace}/services/${name}`, { spec: { ports } });

const eventsOf = async (name: string) =>
  (await rig.kubernetes.eventsAbout(rig.namespace, name)).map(({ reason, note }) => `${reason}: ${note}`);

async function command<T>(...args: string[]): Promise<{ status: number; output: T }> {
  const toConsul = { namespaces: { include: [rig.namespace] } };
  const consular = commandLineOn(rig, { toConsul, toKubernetes: { enabled: false } });
  const { status, stdout, stderr } = await consular(...args, '--output', 'json');
  expect(stderr).toBe('');
  return { status, output: JSON.parse(stdout) as T };
}

describe('two Services that ask for the same instances', () => {
  it('have the tags and the meta of both on them; the smaller name wins, and the other is told', async () => {
    const { kubernetes, consul, namespace } = rig;
    await kubernetes.createPod(namespace, 'ord-0', { labels: { app: 'ord' } });
    await createService('ord-b', 'ord', { 'service-name': 'ord', 'service-tags': 'b', 'service-weight': '3' });
    const tags = async () => (await consul.instances('ord')).map(({ Service }) => Service.Tags.toSorted());
    await untilEqual('the tags of the first', tags, [['b']]);
    await createService('ord-a', 'ord', {
      ...{ 'service-name': 'ord', 'service-tags': 'a', 'service-weight': '5', 'service-meta-team': 'one' },
    });
    await untilEqual('the tags of both', tags, [['a', 'b']]);
    const [row] = await consul.instances('ord');
    expect([row?.Service.Meta.team, row?.Service.Weights.Passing]).toEqual(['one', 5]);
    const told = expect.stringMatching(/^Overruled: .*service-weight: 5 of Service \S+\/ord-a, not 3/);
    await until('the Event on the loser', async () => (await eventsOf('ord-b')).length > 0);
    expect(await eventsOf('ord-b')).toEqual([told]);
    expect(await eventsOf('ord-a')).toEqual([]);
    const { output } = await command<Explanation>('explain', 'service', `${namespace}/ord-b`);
    expect(output.warnings).toEqual([expect.stringContaining('service-weight: 5 of Service')]);
    expect((await command<Explanation>('explain', 'service', `${namespace}/ord-a`)).output.warnings).toEqual([]);
    expect((await command<Plan>('plan')).output.warnings).toEqual([
      expect.objectContaining({ direction: 'to-consul', object: `Service ${namespace}/ord-b` }),
    ]);
  });
});

describe('a Service whose targetPort is the name of a port', () => {
  it('that the next version of its application does not have, is told so', async () => {
    const { kubernetes, consul, namespace } = rig;
    const labels = { app: 'roll' };
    const ip = nextPodIP();
    await createService('roll', 'roll', { 'service-sync': 'true' });
    await kubernetes.createPod(namespace, 'roll-v1', { ip, labels });
    await untilEqual('the first version', () => consul.summary('roll'), [`${ip}:8080 passing`]);
    await kubernetes.createPod(namespace, 'roll-v2', { labels, ports: [{ name: 'web', containerPort: 8080 }] });
    await kubernetes.deletePod(namespace, 'roll-v1');
    await untilEqual('none is left', () => consul.summary('roll'), []);
    const why = 'none of the containers of pod roll-v2 has a port named "http"';
    await until('the Event', async () => (await eventsOf('roll')).length > 0);
    expect(await eventsOf('roll')).toEqual([
      expect.stringMatching(new RegExp(`^InvalidPort: Not registered in Consul as asked: .*${why}`)),
    ]);
    await untilIdle(daemon);
    expect((await statusOf(daemon)).toConsul?.rejected).toBe(1);
    expect(await command('explain', 'service', `${namespace}/roll`)).toMatchObject({
      status: 2,
      output: { rejections: [{ object: `Service ${namespace}/roll`, message: expect.stringContaining(why) }] },
    });
    await setPorts('roll', [{ name: 'http', port: 80, targetPort: 'web' }]);
    await until('the second version', async () => (await consul.summary('roll')).length === 1);
    await until('nothing is rejected', async () => (await statusOf(daemon)).toConsul?.rejected === 0);
  });

  it('that no container has any more, keeps its instances as they were, and is told so', async () => {
    const { kubernetes, consul, namespace, cluster } = rig;
    const ip = nextPodIP();
    await createService('typo', 'typo', { 'service-sync': 'true' });
    await kubernetes.createPod(namespace, 'typo-0', { ip, labels: { app: 'typo' } });
    await untilEqual('the instance', () => consul.summary('typo'), [`${ip}:8080 passing`]);
    await setPorts('typo', [{ name: 'http', port: 80, targetPort: 'htpp' }]);
    await until('the Event', async () => (await eventsOf('typo')).length > 0);
    expect(await eventsOf('typo')).toEqual([
      expect.stringMatching(/^InvalidPort: Left as it was in Consul: .*no.* port named "htpp"/),
    ]);
    expect(await consul.summary('typo')).toEqual([`${ip}:8080 passing`]);
    const { output } = await command<Plan>('plan');
    expect(output.held).toEqual([
      expect.objectContaining({ object: `k8s-${cluster}--node-1/${cluster}.${namespace}.typo-0:typo:8080` }),
    ]);
    await setPorts('typo', [{ name: 'http', port: 80, targetPort: 'http' }]);
    await until('nothing is rejected', async () => (await statusOf(daemon)).toConsul?.rejected === 0);
  });
});

describe('a Service port that its slices lack', () => {
  const slicePath = () => `/apis/discovery.k8s.io/v1/namespaces/${rig.namespace}/endpointslices`;

  it('for a moment, because it was renamed, is nothing to tell; for long, it is', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await createService('renamed', 'renamed', { 'service-sync': 'true' });
    await kubernetes.createPod(namespace, 'renamed-0', { ip, labels: { app: 'renamed' } });
    await untilEqual('the instance', () => consul.summary('renamed'), [`${ip}:8080 passing`]);
    await setPorts('renamed', [{ name: 'web', port: 80, targetPort: 'http' }]);

    // Without a selector nobody keeps its slices up to date.
    await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: 'stale', annotations: said({ 'service-sync': 'true' }) },
      spec: { ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
    });
    await kubernetes.must('POST', slicePath(), {
      metadata: { name: 'stale-1', labels: { 'kubernetes.io/service-name': 'stale' } },
      addressType: 'IPv4',
      ports: [{ name: 'other', port: 8080 }],
      endpoints: [{ addresses: [ip], targetRef: { kind: 'Pod', namespace, name: 'renamed-0' } }],
    });
    await until('the Event', async () => (await eventsOf('stale')).length > 0);
    expect(await eventsOf('stale')).toEqual([
      expect.stringMatching(/^InvalidPort: .*expected it in an EndpointSlice of pod renamed-0, found none$/),
    ]);
    expect(await eventsOf('renamed')).toEqual([]);
    expect(await consul.summary('renamed')).toEqual([`${ip}:8080 passing`]);
  });
});
