import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKubernetesClient } from '../../src/kubernetes/client.ts';
import { connectKubernetes } from '../../src/kubernetes/connection.ts';
import { createResources } from '../../src/kubernetes/resources.ts';
import { createObjectApi } from '../../src/kubernetes/object-api.ts';
import { explainError } from '../../src/observability/log.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { startApiProxy, type ApiProxy, type Faults } from '../rig/api-proxy.ts';
import { openRig, statusOf, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { readKubeconfig } from '../rig/manifests.ts';

let rig: Rig;
let folder: string;
const toClose: ApiProxy[] = [];

beforeAll(async () => {
  rig = await openRig();
  folder = await mkdtemp(join(tmpdir(), 'consular-proof-'));
}, 60_000);
afterAll(async () => {
  await rig.close();
  for (const proxy of toClose) await proxy.close();
  await rm(folder, { recursive: true });
}, 30_000);

/** A kubeconfig that leads through a proxy to the real API server. */
async function through(faults: Faults): Promise<string> {
  const target = readKubeconfig(rig.kubeconfig);
  const proxy = await startApiProxy(target, faults);
  toClose.push(proxy);
  const file = join(folder, `kubeconfig-${toClose.length}`);
  const named = <T extends object>(what: T) => [{ name: 'proxy', ...what }];
  const kubeconfig = {
    'current-context': 'proxy',
    contexts: named({ context: { cluster: 'proxy', user: 'proxy' } }),
    clusters: named({ cluster: { server: proxy.server, 'insecure-skip-tls-verify': true } }),
    users: named({ user: { token: target.token } }),
  };
  await writeFile(file, JSON.stringify(kubeconfig));
  return file;
}

const slicesPath = (service: string) =>
  `/apis/discovery.k8s.io/v1/namespaces/${rig.namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3D${service}`;

/** An annotated Service over a pod; the name of its slice. */
async function servicePod(name: string): Promise<string> {
  const { kubernetes, consul, namespace } = rig;
  await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
    metadata: { name, annotations: { 'consular.dev/service-sync': 'true' } },
    spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] },
  });
  await kubernetes.createPod(namespace, `${name}-0`, { labels: { app: name } });
  await until('its instance', async () => (await consul.summary(name)).length === 1);
  const [slice] = await kubernetes.list(slicesPath(name));
  return slice?.metadata.name ?? '';
}

const indexesOf = async (service: string) =>
  (await rig.consul.instances(service)).map(({ Service }) => Service.ModifyIndex);

describe('what is missing in Kubernetes costs an instance only when a direct read does not find it', () => {
  it('an EndpointSlice that cannot be read takes no instance of its Service', async () => {
    const { kubernetes, namespace } = rig;
    const first = await rig.startDaemon();
    const slice = await servicePod('unreadable');
    await untilIdle(first);
    await first.stop();
    const before = await indexesOf('unreadable');
    // The field that is the uid gets a wire type that does not exist.
    const uid = Buffer.from([(5 << 3) | 2, 36]);
    let isSpoilt = false;
    const kubeconfig = await through({
      spoil(piece) {
        const at = piece.indexOf(slice);
        const field = isSpoilt || at < 0 ? -1 : piece.indexOf(uid, at);
        if (field >= 0) isSpoilt = piece.writeUInt8((5 << 3) | 7, field) > 0;
      },
    });
    const second = await rig.startDaemon({ kubeconfig, toKubernetes: { enabled: false } });
    expect(isSpoilt).toBe(true);
    const key = `${namespace}/unreadable-0`;
    const failing = async () => (await statusOf(second)).toConsul?.failing[key];
    await until('the reason', async () => (await failing())?.includes('the EndpointSlice is missing from the watch'));
    expect(await indexesOf('unreadable')).toEqual(before);
    // It comes again, and can be read.
    await kubernetes.must('PATCH', `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices/${slice}`, {
      metadata: { annotations: { 'consular.dev/again': 'yes' } },
    });
    await untilIdle(second);
    expect(await indexesOf('unreadable')).toEqual(before);
    await second.stop();
  });

  it('a pod that its Service does not select any more is deregistered', async () => {
    const { kubernetes, consul, namespace } = rig;
    const daemon = await rig.startDaemon();
    await servicePod('deselected');
    await kubernetes.must('PATCH', `/api/v1/namespaces/${namespace}/pods/deselected-0`, {
      metadata: { labels: { app: 'other' } },
    });
    await untilEqual('no instance', () => consul.summary('deselected'), []);
    await untilIdle(daemon);
    await daemon.stop();
  });
});

describe('the last instance of a service, whose pod went while Consular was away', () => {
  it('stays after a first direct read, and goes after a second; where another pod lives, it goes at once', async () => {
    const { kubernetes, consul, namespace } = rig;
    const first = await rig.startDaemon();
    const createPod = (name: string, service: string) =>
      kubernetes.createPod(namespace, name, { annotations: { 'consular.dev/service-name': service } });
    await Promise.all([createPod('pair-0', 'pair'), createPod('pair-1', 'pair'), createPod('single-0', 'single')]);
    const countsOf = async () => [(await consul.summary('pair')).length, (await consul.summary('single')).length];
    await untilEqual('their instances', countsOf, [2, 1]);
    await untilIdle(first);
    await first.stop();
    await Promise.all(['pair-0', 'single-0'].map((name) => kubernetes.deletePod(namespace, name)));
    const before = await indexesOf('single');

    const cautious = await rig.startDaemon({ timings: { secondProofMs: 3_600_000 } });
    await untilEqual('the one beside another gone', countsOf, [1, 1]);
    await untilEqual('the last one held', async () => (await statusOf(cautious)).toConsul?.held, 1);
    await untilIdle(cautious);
    expect(await indexesOf('single')).toEqual(before);
    await cautious.stop();

    const quick = await rig.startDaemon();
    await untilEqual('the last one gone', countsOf, [1, 0]);
    await untilIdle(quick);
    const levels = [...cautious.records, ...quick.records].map(({ level }) => level);
    expect(levels.filter((level) => level === 'warn' || level === 'error')).toEqual([]);
    await quick.stop();
  });
});

describe('a direct read', () => {
  const metrics = createMetrics();
  const resources = createResources({ annotation: () => true, variable: () => true });
  it('of a pod that is not there says so', async () => {
    const client = createKubernetesClient(connectKubernetes({ kubeconfig: rig.kubeconfig, context: '' }), 'test');
    expect(await createObjectApi(client, metrics).get(resources.pods, rig.namespace, 'nobody')).toBeUndefined();
    await client.close();
  });

  it('believes no 404 of somebody on the way', async () => {
    const kubeconfig = await through({ refuse: () => 404 });
    const client = createKubernetesClient(connectKubernetes({ kubeconfig, context: '' }), 'test');
    const error = await createObjectApi(client, metrics)
      .get(resources.pods, rig.namespace, 'nobody')
      .catch((error: unknown) => error);
    expect(explainError(error)).toContain('the API server answered 404: refused on the way');
    await client.close();
  });
});
