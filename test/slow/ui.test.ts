import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findChromium, openBrowser, type Browser, type Page } from '../browser/index.ts';
import { freePort } from '../control-plane/ports.ts';
import { openRig, until, type Rig } from '../rig/index.ts';

// Which tests there are is decided when the file is read, so the browser is looked for now.
const chromium = await findChromium();
if ('missing' in chromium) process.stderr.write(`test/slow/ui.test.ts is skipped: ${chromium.missing}\n`);
const describeWithBrowser = 'missing' in chromium ? describe.skip : describe;

const CLUSTER = 'demo';
const NAMESPACE = 'shop';
const BADGE = 'Registered via Kubernetes';

/** The instances of the service `orders`, as they must be on the pages. */
const BLUE = {
  id: `${CLUSTER}.${NAMESPACE}.orders-1:orders:8080`,
  node: `k8s-${CLUSTER}--worker-1`,
  nodeAddress: '192.0.2.31',
  address: '10.42.7.1:8080',
  tags: ['blue', 'checkout'],
};
const PLAIN = {
  id: `${CLUSTER}.${NAMESPACE}.orders-2:orders:8080`,
  node: `k8s-${CLUSTER}--worker-2`,
  nodeAddress: '192.0.2.32',
  address: '10.42.7.2:8080',
};

/** Consular's own entry; at an address of its own, because to the UI a node with a server's address is that server. */
const CONSULAR = { id: `consular-${CLUSTER}`, node: `k8s-${CLUSTER}`, address: '127.0.0.2' };

/** The row of a list: from its title to the next one. */
function row(text: string, title: string, titles: readonly string[]): string {
  const rest = text.slice(text.lastIndexOf(`\n${title}\n`) + title.length + 2);
  const ends = titles.map((other) => rest.indexOf(`\n${other}\n`)).filter((end) => end >= 0);
  return rest.slice(0, Math.min(rest.length, ...ends));
}

describeWithBrowser('the UI of Consul', () => {
  let rig: Rig;
  let browser: Browser | undefined;
  let uid: string;
  let http: string;

  beforeAll(async () => {
    rig = await openRig();
    if ('file' in chromium) browser = await openBrowser(chromium.file);
    const { kubernetes, consul } = rig;
    await kubernetes.createNamespace(NAMESPACE);
    http = `${CONSULAR.address}:${await freePort()}`;
    const start = () =>
      rig.startDaemon({
        cluster: CLUSTER,
        http,
        toConsul: { namespaces: { include: [NAMESPACE], exclude: [] } },
      });
    const daemon = await start();
    await consul.registerOnAgent({ id: 'sc0-9098', name: 'sc0', address: '192.0.2.41', port: 9098 });
    const serviceName = { 'consular.dev/service-name': 'orders' };
    const pod = await kubernetes.createPod(NAMESPACE, 'orders-1', {
      ...{ node: 'worker-1', hostIP: BLUE.nodeAddress, ip: '10.42.7.1' },
      annotations: { ...serviceName, 'consular.dev/service-tags': BLUE.tags.join(',') },
    });
    uid = pod.metadata.uid ?? '';
    await kubernetes.createPod(NAMESPACE, 'orders-2', {
      ...{ node: 'worker-2', hostIP: PLAIN.nodeAddress, ip: '10.42.7.2' },
      annotations: serviceName,
    });
    await until('both pods in Consul', async () => (await consul.summary('orders')).length === 2);
    const payments = { 'consular.dev/service-name': 'payments' };
    await kubernetes.createPod(NAMESPACE, 'payments-1', {
      ...{ node: 'worker-1', hostIP: BLUE.nodeAddress, ip: '10.42.7.3', annotations: payments },
    });
    await until('the third pod in Consul', async () => (await consul.summary('payments')).length === 1);
    await daemon.stop();
    await kubernetes.annotate(NAMESPACE, 'payments-1', { 'consular.dev/service-weight': 'heavy' });
    await kubernetes.createPod(NAMESPACE, 'reports-1', {
      annotations: { 'consular.dev/service-name': 'reports', 'consular.dev/service-port': 'web' },
    });
    // Whoever starts finds all of it at once: the next summary after the first would be half a minute later.
    await start();
  });
  afterAll(async () => {
    await browser?.close();
    await rig.close();
  });

  function page(): Page {
    if (!browser) throw new Error('use the browser: expected it to run, found none');
    return browser.page;
  }

  /** Opens a page of the UI, and returns its whole text once the texts are on it. */
  async function read(path: string, texts: readonly string[]): Promise<string> {
    await page().open(`${rig.consul.address}/ui/dc1/${path}`);
    return page().read(texts);
  }

  it('marks the service, and only that one, as registered via Kubernetes in the list', async () => {
    const text = await read('services', ['orders', 'sc0', BADGE]);
    await page().screenshot('services');
    const services = ['consul', 'consular', 'orders', 'payments', 'sc0'];
    expect(row(text, 'orders', services)).toContain(BADGE);
    expect(row(text, 'orders', services)).toContain('2 instances');
    expect(row(text, 'sc0', services)).not.toContain(BADGE);
  });

  it('shows each instance of the service with its ID, node, pod IP, port and tags', async () => {
    const ids = [BLUE.id, PLAIN.id];
    const text = await read('services/orders/instances', [BADGE, ...ids, ...BLUE.tags]);
    await page().screenshot('service');
    const [blue, plain] = [row(text, BLUE.id, ids), row(text, PLAIN.id, ids)];
    for (const shown of [BLUE.node, BLUE.address, ...BLUE.tags]) expect(blue).toContain(shown);
    for (const shown of [PLAIN.node, PLAIN.address]) expect(plain).toContain(shown);
    for (const tag of BLUE.tags) expect(plain).not.toContain(tag);
  });

  it('shows the check of an instance: its type, what it is about, and why it passes', async () => {
    const path = `services/orders/instances/${BLUE.node}/${encodeURIComponent(BLUE.id)}/health-checks`;
    const text = await read(path, [BADGE, BLUE.id, BLUE.node, 'Kubernetes readiness', 'Output']);
    await page().screenshot('instance');
    expect(text).toMatch(/\nType\nkubernetes\n/);
    expect(text).toContain(
      `\nNotes\nPod ${NAMESPACE}/orders-1 (uid ${uid}) on node worker-1; registered by Consular because of annotations of the pod\n`,
    );
    expect(text).toMatch(/\nOutput\nPod is Ready since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/);
  });

  it('shows where an instance comes from in its meta', async () => {
    // By a click, because the UI opens the first tab of an instance whatever the address says.
    await read(`services/orders/instances/${BLUE.node}/${encodeURIComponent(BLUE.id)}`, ['Tags & Meta']);
    await page().click('Tags & Meta');
    const text = await page().read(['k8s-pod-uid', ...BLUE.tags]);
    await page().screenshot('instance-meta', 1100);
    expect(text).toMatch(/\nk8s-pod\s+orders-1\n/);
    expect(text).toMatch(/\nk8s-node\s+worker-1\n/);
    expect(text).toMatch(/\nmanaged-by\s+consular\n/);
  });

  it('lists a node with its address for each Kubernetes node, and no other than the server as leader', async () => {
    const text = await read('nodes', [BLUE.node, PLAIN.node, 'Leader']);
    await page().screenshot('nodes');
    const nodes = [CONSULAR.node, BLUE.node, PLAIN.node, 'consul-server-1'];
    expect(row(text, BLUE.node, nodes)).toContain(BLUE.nodeAddress);
    expect(row(text, PLAIN.node, nodes)).toContain(PLAIN.nodeAddress);
    expect(row(text, CONSULAR.node, nodes)).toContain(CONSULAR.address);
    expect(nodes.filter((node) => row(text, node, nodes).includes('Leader'))).toEqual(['consul-server-1']);
  });

  it('shows on the page of a node its instances, and in its metadata whose it is', async () => {
    const text = await read(`nodes/${BLUE.node}/service-instances`, [BLUE.id, BLUE.nodeAddress]);
    await page().screenshot('node');
    expect(text).toContain(`${CLUSTER}.${NAMESPACE}.payments-1:payments:8080`);
    expect(text).not.toContain(PLAIN.id);
    const meta = await read(`nodes/${BLUE.node}/metadata`, ['k8s-cluster-uid']);
    await page().screenshot('node-meta');
    const { metadata } = await rig.kubernetes.must('GET', '/api/v1/namespaces/kube-system');
    expect(meta).toMatch(/\nmanaged-by\s+consular(\n|$)/);
    expect(meta).toMatch(new RegExp(`\nk8s-cluster\\s+${CLUSTER}\n`));
    expect(meta).toContain(metadata.uid);
  });

  it('shows Consular itself, with one instance for the cluster and a warning, because something waits to be mended', async () => {
    const text = await read('services/consular/instances', [CONSULAR.id, BADGE, 'warning']);
    await page().screenshot('consular');
    const shown = row(text, CONSULAR.id, []);
    expect(shown).toContain(CONSULAR.node);
    expect(shown).toContain(http);
  });

  it('shows what Consular does: registered, rejected, held and mirrored, and what waits to be mended', async () => {
    const path = `services/consular/instances/${CONSULAR.node}/${CONSULAR.id}/health-checks`;
    const text = await read(path, [CONSULAR.id, 'Output', 'mirrored']);
    await page().screenshot('consular-check', 760);
    expect(text).toContain(`\nNotes\nWhat Consular does for Kubernetes cluster ${CLUSTER} (uid `);
    const [, output = ''] = text.split('\nOutput\n');
    expect(output.trim().split('\n')).toEqual([
      '3 instances registered, 2 rejected, 1 held, 1 service mirrored',
      `Pod ${NAMESPACE}/payments-1 (1 held): annotation "consular.dev/service-weight": expected a number from 1 to 65535, found "heavy"`,
      `Pod ${NAMESPACE}/reports-1: service-port: expected a port number or the name of a container port, found "web"`,
    ]);
  });
});
