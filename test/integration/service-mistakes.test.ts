import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { commandLineOn } from '../rig/command-line.ts';
import { nextPodIP, openRig, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';

/** Mistakes are told where the person looks who made them: on the Service, and not on its pods. */

let rig: Rig;
let daemon: Daemon;

beforeAll(async () => {
  rig = await openRig();
  daemon = await rig.startDaemon({ toKubernetes: { enabled: false } });
}, 60_000);
afterAll(() => rig.close(), 30_000);

async function createService(name: string, annotations: Record<string, string>, spec: object = {}): Promise<void> {
  await rig.kubernetes.must('POST', `/api/v1/namespaces/${rig.namespace}/services`, {
    metadata: { name, annotations },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }], ...spec },
  });
}

const createPod = (name: string, app: string, ip = nextPodIP()) =>
  rig.kubernetes.createPod(rig.namespace, name, { ip, labels: { app } });

async function toldOf(name: string): Promise<string[]> {
  const events = await rig.kubernetes.eventsAbout(rig.namespace, name);
  return events.map(({ reason, note }) => `${reason}: ${note}`);
}

const untilTold = (name: string) => until(`an Event about ${name}`, async () => (await toldOf(name))[0]);

function consular(...args: string[]) {
  const toConsul = { namespaces: { include: [rig.namespace] } };
  return commandLineOn(rig, { toConsul, toKubernetes: { enabled: false } })(...args);
}

async function counted(reason: string): Promise<number> {
  const { values } = await daemon.metrics.rejections.get();
  return values.filter(({ labels }) => labels.reason === reason).reduce((sum, { value }) => sum + value, 0);
}

describe('a mistake in the annotations of a Service', () => {
  const WRONG = 'annotation "consular.dev/service-weight": expected a number from 1 to 65535, found "0"';

  it('is one Event on the Service and counted once, without pods and with them', async () => {
    const { consul, namespace } = rig;
    const before = await counted('InvalidAnnotation');
    await createService('heavy', { 'consular.dev/service-sync': 'true', 'consular.dev/service-weight': '0' });
    const note = `InvalidAnnotation: Not registered in Consul as asked: Service ${namespace}/heavy: ${WRONG}`;
    expect(await untilTold('heavy')).toBe(note);
    const { status, stdout } = await consular('explain', 'service', `${namespace}/heavy`);
    expect([status, stdout]).toEqual([
      2,
      expect.stringContaining(`InvalidAnnotation: Service ${namespace}/heavy: ${WRONG}`),
    ]);
    const plan = await consular('plan');
    expect(plan.stdout).toContain(`! Service ${namespace}/heavy: Service ${namespace}/heavy: ${WRONG}`);

    const pods = ['heavy-1', 'heavy-2', 'heavy-3'];
    for (const pod of pods) await createPod(pod, 'heavy');
    await until('the Service has its pods', async () => {
      const said = await consular('explain', 'service', `${namespace}/heavy`);
      return pods.every((pod) => said.stdout.includes(pod));
    });
    await untilIdle(daemon);
    expect([await toldOf('heavy'), ...(await Promise.all(pods.map(toldOf)))]).toEqual([[note], [], [], []]);
    expect((await counted('InvalidAnnotation')) - before).toBe(1);
    expect(await consul.summary('heavy')).toEqual([]);
    const again = await consular('explain', 'service', `${namespace}/heavy`);
    expect([again.status, again.stdout.split(WRONG).length - 1]).toEqual([2, 1]);
  });

  it('takes no instance away, and says so; mended, it is over', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await createService('held', { 'consular.dev/service-name': 'held' });
    await createPod('held-1', 'held', ip);
    await untilEqual('the pod', () => consul.summary('held'), [`${ip}:8080 passing`]);
    const annotate = (tags: string) =>
      kubernetes.must('PATCH', `/api/v1/namespaces/${namespace}/services/held`, {
        metadata: { annotations: { 'consular.dev/service-tags': tags } },
      });
    await annotate('a\nb');
    expect(await untilTold('held')).toBe(
      `InvalidAnnotation: Left as it was in Consul: Service ${namespace}/held: tag: expected printable characters, found "a\\nb"`,
    );
    expect([await consul.summary('held'), await toldOf('held-1')]).toEqual([[`${ip}:8080 passing`], []]);
    await annotate('c');
    await untilEqual('the tag', async () => (await consul.instances('held'))[0]?.Service.Tags, ['c']);
    expect((await consular('explain', 'service', `${namespace}/held`)).status).toBe(0);
  });
});

describe('a slip of the pen', () => {
  it('is told on the Service and on the pod, by plan and by explain, with what was meant; consul-k8s keeps its words', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await createService('nmae', { 'consular.dev/service-nmae': 'orders' });
    await createService('yes', { 'consular.dev/service-sync': 'yes' });
    await createService('port', { 'consular.dev/service-port': 'http' });
    await createService('peer', { 'consul.hashicorp.com/service-sync': '1' });
    await createPod('peer-1', 'peer', ip);
    await kubernetes.createPod(namespace, 'only-port', { annotations: { 'consular.dev/service-port': '8080' } });
    const told = [
      [
        'service',
        'nmae',
        'annotation "consular.dev/service-nmae" is not one that Consular knows; did you mean "service-name"?',
      ],
      ['service', 'yes', 'expected "true" or "false", found "yes"; did you mean "true"?'],
      ['service', 'port', 'annotation "consular.dev/service-port" asks for nothing: expected service-name'],
      ['pod', 'only-port', 'annotation "consular.dev/service-port" asks for nothing on a pod'],
    ] as const;
    for (const [, name, why] of told) expect(await untilTold(name)).toContain(why);
    const { stdout: planned } = await consular('plan');
    for (const [kind, name, why] of told) {
      expect(planned).toContain(why);
      const explained = await consular('explain', kind, `${namespace}/${name}`);
      expect([explained.status, explained.stdout]).toEqual([2, expect.stringContaining(why)]);
    }
    await untilEqual('the pod as consul-k8s would have it', () => consul.summary('peer'), [`${ip}:8080 passing`]);
    expect(await toldOf('peer')).toEqual([]);
  });
});

describe('what asks and can never be registered', () => {
  it('is told on an ExternalName Service', async () => {
    const { namespace } = rig;
    await createService(
      'elsewhere',
      { 'consular.dev/service-sync': 'true' },
      { type: 'ExternalName', externalName: 'example.com' },
    );
    expect(await untilTold('elsewhere')).toContain('NoPod: Not registered in Consul as asked: Service');
    const { status, stdout } = await consular('explain', 'service', `${namespace}/elsewhere`);
    expect([status, stdout]).toEqual([2, expect.stringContaining('found type ExternalName, which has none')]);
  });

  it('is told on a pod that wants to be registered, and does not say under which name', async () => {
    const { kubernetes, namespace } = rig;
    await kubernetes.createPod(namespace, 'nameless', { annotations: { 'consular.dev/service-sync': 'true' } });
    expect(await untilTold('nameless')).toContain(
      'InvalidAnnotation: Not registered in Consul as asked: annotation service-sync',
    );
    const { status, stdout } = await consular('explain', 'pod', `${namespace}/nameless`);
    expect([status, stdout]).toEqual([2, expect.stringContaining('asks for nothing on a pod')]);
  });

  it('is not told on a pod that a Service asks for', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await createService('asking', { 'consular.dev/service-sync': 'true' });
    const annotations = { 'consular.dev/service-sync': 'true' };
    await kubernetes.createPod(namespace, 'asked', { ip, labels: { app: 'asking' }, annotations });
    await untilEqual('the pod', () => consul.summary('asking'), [`${ip}:8080 passing`]);
    await untilIdle(daemon);
    expect(await toldOf('asked')).toEqual([]);
    expect(await consular('explain', 'pod', `${namespace}/asked`)).toMatchObject({ status: 0 });
  });
});
