import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findChromium, openBrowser, type Browser, type Page } from '../browser/index.ts';
import { openRig, until, type Rig } from '../rig/index.ts';

// Which tests there are is decided when the file is read, so the browser is looked for now.
const chromium = await findChromium();
if ('missing' in chromium) process.stderr.write(`test/integration/ui.test.ts is skipped: ${chromium.missing}\n`);
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

  beforeAll(async () => {
    rig = await openRig();
    if ('file' in chromium) browser = await openBrowser(chromium.file);
    const { kubernetes, consul } = rig;
    await kubernetes.createNamespace(NAMESPACE);
    await rig.startDaemon({ cluster: CLUSTER, toConsul: { namespaces: { include: [NAMESPACE], exclude: [] } } });
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
    const services = ['consul', 'consular', 'orders', 'sc0'];
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
    await page().screenshot('instance-meta');
    expect(text).toMatch(/\nk8s-pod\s+orders-1\n/);
    expect(text).toMatch(/\nk8s-node\s+worker-1\n/);
    expect(text).toMatch(/\nmanaged-by\s+consular\n/);
  });

  it('lists a node with its address for each Kubernetes node', async () => {
    const text = await read('nodes', [BLUE.node, PLAIN.node]);
    await page().screenshot('node');
    const nodes = [BLUE.node, PLAIN.node, 'consul-server-1'];
    expect(row(text, BLUE.node, nodes)).toContain(BLUE.nodeAddress);
    expect(row(text, PLAIN.node, nodes)).toContain(PLAIN.nodeAddress);
  });
});
