import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { nextPodIP, openRig, until, untilEqual, type Rig } from '../rig/index.ts';

const named = (name: string) => ({ 'consular.dev/service-name': name });
const container = (name: string, ...numbers: number[]) => ({
  name,
  image: name,
  ports: numbers.map((containerPort) => ({ containerPort })),
});
const APP = container('app', 8080);
const LINKERD = container('linkerd-proxy', 4143, 4191);
const NATIVE_HTTPS = {
  name: 'tls',
  image: 'tls',
  restartPolicy: 'Always',
  ports: [{ name: 'https', containerPort: 9443 }],
};

let rig: Rig;

beforeAll(async () => {
  rig = await openRig();
  await rig.startDaemon({
    toKubernetes: { enabled: false },
    toConsul: { injectedContainers: ['agent-*'] },
  });
}, 60_000);
afterAll(() => rig.close(), 30_000);

describe('the port of a pod without service-port', () => {
  it.each<[string, { annotations?: Record<string, string>; containers: object[]; initContainers?: object[] }, number]>([
    ['is not that of a proxy that a mesh put in front', { containers: [LINKERD, APP] }, 8080],
    [
      "is not that of a container that Istio's status names",
      {
        annotations: { 'sidecar.istio.io/status': '{"containers":["mesh"],"initContainers":["istio-init"]}' },
        containers: [container('mesh', 15090), APP],
      },
      8080,
    ],
    ['is not that of a container that a setting names', { containers: [container('agent-7', 7777), APP] }, 8080],
    [
      'is that of the container which kubectl takes by default',
      {
        annotations: { 'kubectl.kubernetes.io/default-container': 'main' },
        containers: [container('metrics', 9100), container('main', 7000)],
      },
      7000,
    ],
    [
      'is that of a native sidecar where no other container listens',
      { containers: [container('app')], initContainers: [container('migrate', 9000), NATIVE_HTTPS] },
      9443,
    ],
    ['is that of the only container, whatever it is called', { containers: [container('istio-proxy', 8443)] }, 8443],
  ])('%s', async (title, { annotations, containers, initContainers }, port) => {
    const ip = nextPodIP();
    const name = `roll-${ip.replaceAll('.', '-')}`;
    await rig.kubernetes.createPod(rig.namespace, name, {
      ip,
      annotations: { ...named(name), ...annotations },
      containers,
      ...(initContainers ? { initContainers } : {}),
    });
    await untilEqual(title, () => rig.consul.summary(name), [`${ip}:${port} passing`]);
  });

  it('is told to be missing where only containers of a mesh listen', async () => {
    const { kubernetes, consul, namespace } = rig;
    const containers = [LINKERD, container('app')];
    await kubernetes.createPod(namespace, 'portless', { annotations: named('portless'), containers });
    const { note } = await until('the Event', async () =>
      (await kubernetes.eventsAbout(namespace, 'portless')).find(({ reason }) => reason === 'InvalidPort'),
    );
    expect(note).toContain('found only ports of containers that a mesh put into the pod: "linkerd-proxy"');
    expect(await consul.summary('portless')).toEqual([]);
  });
});

describe('a native sidecar', () => {
  it('has ports that service-port finds by name, and an init container that ends has none', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    const migrate = { ...container('migrate'), ports: [{ name: 'progress', containerPort: 9000 }] };
    const annotations = { ...named('native'), 'consular.dev/service-port': 'https' };
    const initContainers = [migrate, NATIVE_HTTPS];
    await kubernetes.createPod(namespace, 'native', { ip, annotations, initContainers });
    await untilEqual('its port', () => consul.summary('native'), [`${ip}:9443 passing`]);
    await kubernetes.createPod(namespace, 'plain-init', {
      annotations: { ...named('plain-init'), 'consular.dev/service-port': 'progress' },
      initContainers,
    });
    const { note } = await until('the Event', async () =>
      (await kubernetes.eventsAbout(namespace, 'plain-init')).find(({ reason }) => reason === 'InvalidPort'),
    );
    expect(note).toContain('expected a port number or the name of a container port, found "progress"');
  });

  it('behind a Service has the meta that the pod gives to its port: TLS is called as TLS', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: 'safe', annotations: { 'consular.dev/service-sync': 'true' } },
      spec: { selector: { app: 'safe' }, ports: [{ name: 'https', port: 443, targetPort: 'https' }] },
    });
    await kubernetes.createPod(namespace, 'safe-1', {
      ip,
      labels: { app: 'safe' },
      annotations: { 'consular.dev/service-meta-secure.https': 'true' },
      initContainers: [NATIVE_HTTPS],
    });
    await untilEqual('the pod', () => consul.summary('safe'), [`${ip}:9443 passing`]);
    expect((await consul.instances('safe'))[0]?.Service.Meta.secure).toBe('true');
  });
});
