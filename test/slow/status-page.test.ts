import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/clock.ts';
import { serveStatus } from '../../src/observability/http.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createPage } from '../../src/status-page/answers.ts';
import type { Listing } from '../../src/status-page/listing.ts';
import type { ListedPod } from '../../src/to-consul/report/listed-pods.ts';
import type { ListedService } from '../../src/to-kubernetes/report/listed-services.ts';
import { findChromium, openBrowser, REBOUND, type Browser, type Page } from '../browser/index.ts';
import { openRig, statusOf, until, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { ROOT } from '../rig/manifests.ts';

// Which tests there are is decided when the file is read, so the browser is looked for now.
const chromium = await findChromium();
if ('missing' in chromium) process.stderr.write(`test/slow/status-page.test.ts is skipped: ${chromium.missing}\n`);
const describeWithBrowser = 'missing' in chromium ? describe.skip : describe;

/** Of the program: the pictures for the manual show it. */
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };
const CLUSTER = 'demo';
const NAMESPACE = 'shop-page';
const UI = 'https://consul.example.com/ui/dc1';
const SECRET = 'b6ff1b9e-53a1-4bd4-9a0f-3c8a2f6f7d10';
/** Run, this would show. */
const SCRIPT = '<script>globalThis.wasRun = 1</script>';
const IMAGE = '<img src=x onerror="globalThis.wasRun = 1">';
/** A page has 25 rows. */
const MANY = 30;

describeWithBrowser('the status page', () => {
  let rig: Rig;
  let browser: Browser | undefined;
  let daemon: Daemon;

  const start = (more: object = {}) =>
    rig.startDaemon({
      ...{ cluster: CLUSTER, version, token: SECRET, consul: { uiUrl: UI } },
      toConsul: { namespaces: { include: [NAMESPACE], exclude: [] } },
      toKubernetes: { namespaces: [NAMESPACE] },
      ...more,
    });

  beforeAll(async () => {
    rig = await openRig();
    if ('file' in chromium) browser = await openBrowser(chromium.file);
    const { kubernetes, consul } = rig;
    await kubernetes.createNamespace(NAMESPACE);
    await register('pay-1', 'payments', '192.0.2.10');
    await register('pay-2', 'payments', '192.0.2.11');
    for (let i = 10; i < 10 + MANY; i++) await register(`stock-${i}`, `stock-${i}`, `192.0.2.${20 + i}`);
    daemon = await start();
    await createPod('orders-1', '10.42.9.1', { 'consular.dev/service-tags': 'blue' });
    await createPod('orders-2', '10.42.9.2', { 'consular.dev/service-weight': 'heavy' });
    await createPod('reports-1', '10.42.9.3', { 'consular.dev/service-name': 'reports' });
    await until('two pods in Consul', async () => (await consul.summary('reports')).length === 1);
    await untilIdle(daemon);
  });
  afterAll(async () => {
    await browser?.close();
    await rig.kubernetes.must('DELETE', `/api/v1/namespaces/${NAMESPACE}/services`);
    await rig.close();
  });

  const register = (id: string, name: string, address: string) =>
    rig.consul.registerOnAgent({ id, name, address, port: 9000 });
  const createPod = (name: string, ip: string, annotations: Record<string, string>) =>
    rig.kubernetes.createPod(NAMESPACE, name, {
      ...{ node: 'worker-1', hostIP: '192.0.2.31', ip },
      annotations: { 'consular.dev/service-name': 'orders', ...annotations },
    });

  function page(): Page {
    if (!browser) throw new Error('use the browser: expected it to run, found none');
    return browser.page;
  }

  /** Clicks on a button below one of the lists. */
  const turn = (list: string, text: string) =>
    page().ask(
      `[...document.querySelectorAll("#${list} button")].find((one) => one.textContent === "${text}").click()`,
    );
  const address = ({ port }: Pick<Daemon, 'port'> = daemon) => `http://127.0.0.1:${port}`;
  const get = (path: string) => fetch(address() + path);

  it('shows what Consul services are in Kubernetes, what pods are in Consul, and what needs somebody', async () => {
    await page().prefer('light');
    await page().open(address());
    const text = await page().read(['Consular demo', `${NAMESPACE}/orders-1`, `${NAMESPACE}/payments`, 'rejected']);
    expect(text).toContain('ready');
    expect(text).toContain('writes, without an election');
    expect(text).toMatch(/payments\s+2 instances\s+shop-page\/payments [\d.]+ (:\d+ ?)+\s*2 endpoints/);
    expect(text).toMatch(/shop-page\/orders-1\s+on worker-1\s+orders 10\.42\.9\.1:8080 passing blue/);
    expect(text).toMatch(/last change in Consul: \d+ s ago, registered/);
    await page().screenshot('status-page-light', 1000);
  });

  it('is dark for whoever prefers that, and fits a narrow window', async () => {
    const background = 'getComputedStyle(document.body).backgroundColor';
    const light = await page().ask(background);
    await page().prefer('dark');
    expect(await page().ask(background)).not.toBe(light);
    await page().screenshot('status-page-dark', 1000);
    await page().resize(390, 844);
    expect(await page().ask('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    await page().screenshot('status-page-narrow', 1400);
    await page().resize();
    await page().prefer('light');
  });

  it('shows markup of strangers as text, and makes visible what turns the direction of writing', async () => {
    // Not before the pictures for the manual.
    await register('bad', SCRIPT, '192.0.2.12');
    await createPod('hostile-1', '10.42.9.5', { 'consular.dev/service-tags': IMAGE });
    await createPod('hostile-2', '10.42.9.6', { 'consular.dev/service-weight': `${SCRIPT}\u202e` });
    await page().read([SCRIPT, IMAGE, 'globalThis.wasRun = 1</script>\\u202e']);
    expect(await page().ask('globalThis.wasRun === undefined')).toBe(true);
    expect(await page().ask('document.querySelectorAll("main img, main script").length')).toBe(0);
  });

  it('links services and instances to the UI of Consul', async () => {
    const links = await page().ask('[...document.querySelectorAll("main a")].map((a) => a.href).join("\\n")');
    expect(links).toContain(`${UI}/services/payments/instances`);
    const id = encodeURIComponent(`${CLUSTER}.${NAMESPACE}.orders-1:orders:8080`);
    expect(links).toContain(`${UI}/services/orders/instances/k8s-${CLUSTER}--worker-1/${id}/health-checks`);
  });

  it('turns pages, and finds services and pods by words, over a reload too', async () => {
    await page().read(['1 to 25 of 32']);
    await turn('services', 'Next');
    expect(await page().read(['26 to 32 of 32'])).not.toContain('stock-10');
    await page().write('#query', 'STOCK-1 shop-page');
    const found = await page().read(['1 to 10 of 10 found, of 32', 'No such pod.']);
    expect(found).not.toContain('payments');
    await page().open(String(await page().ask('location.href')));
    await page().read(['1 to 10 of 10 found, of 32']);
    await page().write('#query', '10.42.9.3');
    expect(await page().read(['1 to 1 of 1 found, of 5', 'No such service.'])).toContain(`${NAMESPACE}/reports-1`);
    await page().write('#query', '');
    await page().read(['1 to 25 of 32']);
  });

  it('shows a new pod, and takes away one that went, without being opened anew', async () => {
    await createPod('orders-3', '10.42.9.4', {});
    await page().read([`${NAMESPACE}/orders-3`]);
    await rig.kubernetes.deletePod(NAMESPACE, 'orders-3');
    const pods = () => page().ask('document.getElementById("pods").innerText');
    await until('the pod off the page', async () => !String(await pods()).includes('orders-3'));
  });

  it('asks nobody but Consular for anything, breaks no rule of its own policy, and shows no token', async () => {
    const { errors, requests } = page().seen;
    expect(errors).toEqual([]);
    expect(requests.filter((url) => !url.startsWith(`${address()}/`))).toEqual([]);
    const policy = (await get('/')).headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    for (const path of new Set(requests)) expect(await (await fetch(path)).text()).not.toContain(SECRET);
  });

  it('shows nothing to a page whose own name leads to the address of a port-forward', async () => {
    const { port } = daemon;
    const before = page().seen.errors.length;
    await page().open(`http://${REBOUND}:${port}/`);
    expect(await page().read(['one of http.hosts'])).toContain(`found "${REBOUND}:${port}"`);
    const stolen = 'fetch("/status").then(async (answer) => `${answer.status} ${await answer.text()}`)';
    expect(await page().ask(stolen)).toMatch(/^403 Host: expected an address/);
    // The browser tells of each refused request.
    expect(
      page()
        .seen.errors.slice(before)
        .every((error) => error.includes('403')),
    ).toBe(true);
    await page().open(`http://localhost:${port}/`);
    await page().read([`Consular ${CLUSTER}`]);
  });

  it('shows 10 000 pods and as many services: a page of them, what is searched for, and the last page', async () => {
    const status = await statusOf(daemon);
    const rows = {
      pods: listOf(10_000, listedPod),
      mirrored: listOf(10_000, listedService),
      attention: listOf(0, listedPod),
    };
    const served = await serveStatus('127.0.0.1:0', {
      ...{ notReady: () => [], status: () => status, registry: createMetrics().registry },
      page: createPage({ ...rows, services: rows.mirrored }, () => undefined, systemClock),
    });
    try {
      await page().open(address(served));
      const of = '10\u202f000';
      const first = await page().read(['shop/pod-00000', 'stock-00024', `1 to 25 of ${of}`]);
      expect(first).not.toContain('pod-00025');
      await turn('pods', 'Last');
      const last = await page().read(['shop/pod-09999', `9\u202f976 to ${of} of ${of}`, `1 to 25 of ${of}`]);
      expect(last).not.toContain('pod-09974');
      await turn('pods', 'First');
      await page().read(['shop/pod-00000']);
      await page().write('#query', '-0500 SHOP');
      await page().read(['shop/pod-05009', 'stock-05009', `1 to 10 of 10 found, of ${of}`]);
      for (const list of ['pods', 'services'])
        expect(await page().ask(`document.querySelectorAll("#${list} tbody tr").length`)).toBe(10);
    } finally {
      served.close();
    }
  });

  it('ends a request whose header never comes to its end', async () => {
    const socket = connect({ host: '127.0.0.1', port: daemon.port });
    await once(socket, 'connect');
    let isOver = false;
    socket.on('error', () => undefined).on('close', () => (isOver = true));
    socket.resume().write('GET /status HTTP/1.1\r\n');
    // Half of what it takes where Node looks for such requests every 30 s.
    await until('the end of the connection', () => Promise.resolve(isOver), 15_000);
  });

  it('of a process that stands by it says so, and who leads', async () => {
    const elect = { leaderElection: { enabled: true, namespace: rig.namespace }, cluster: rig.cluster };
    const leader = await start(elect);
    const standby = await start({ ...elect, awaitStart: false });
    await page().open(address(standby));
    const text = await page().read(['standby', 'leads, and its page shows what is where']);
    expect(text).not.toContain('From Consul to Kubernetes');
    const { identity } = (await statusOf(leader)).leader;
    for (const list of ['pods', 'mirrored', 'services', 'attention']) {
      const absent = await fetch(`${address(standby)}/status/${list}`);
      expect([absent.status, await absent.json()]).toEqual([
        503,
        { error: `this process stands by and has no lists: ${identity} leads, and has them`, leader: identity },
      ]);
    }
    await standby.stop();
    await leader.stop();
  });

  it('is not there when http.page is false, and never takes anything but GET', async () => {
    expect((await fetch(`${address()}/status/pods`, { method: 'POST' })).status).toBe(405);
    const without = await start({ cluster: `${rig.cluster}-x`, page: false });
    for (const path of ['/', '/page/page.js', '/status/pods', '/status/attention'])
      expect((await fetch(address(without) + path)).status).toBe(404);
    expect((await fetch(`${address(without)}/status`)).status).toBe(200);
    await without.stop();
  });

  it('says when Consular answers no more', async () => {
    await page().open(address());
    await page().read([`${NAMESPACE}/orders-1`]);
    await daemon.stop();
    expect(await page().read(['No answer from Consular'])).toContain('What is shown is of');
  });
});

/** A list of that many rows that are not in any system. */
function listOf<Row>(length: number, rowOf: (number: string) => Row): Listing<Row> {
  const keys = Array.from({ length }, (_, i) => String(i).padStart(5, '0'));
  return { keys: () => keys, text: (key) => JSON.stringify(rowOf(key)), row: rowOf };
}

function listedPod(number: string): ListedPod {
  const pod = `pod-${number}`;
  const instance = { id: `demo.shop.${pod}:orders:8080`, service: 'orders', node: 'k8s-demo--worker-1', tags: [] };
  const health = { address: '192.0.2.40:8080', status: 'passing', output: 'Ready' } as const;
  return { pod: `shop/${pod}`, node: 'worker-1', workload: '', instances: [{ ...instance, ...health }], why: '' };
}

function listedService(number: string): ListedService {
  const mirror = { name: `shop/stock-${number}`, clusterIP: '192.0.2.50', ports: [80], endpoints: 1, ready: 1 };
  return { service: `stock-${number}`, instances: 1, mirrors: [mirror], imports: [], why: '' };
}
