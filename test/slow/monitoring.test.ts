import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { PANELS } from '../../deploy/monitoring/panels.ts';
import { findChromium, openBrowser } from '../browser/index.ts';
import { findConsul, findPrometheus, openRunDirectory, type RunDirectory } from '../control-plane/index.ts';
import { freePort } from '../control-plane/ports.ts';
import { startConsular } from '../rig/consular.ts';
import { drawDashboard } from '../rig/dashboard-picture.ts';
import { comparedIn } from '../rig/expressions.ts';
import { openRig, until, untilEqual, type Rig } from '../rig/index.ts';
import { ROOT } from '../rig/manifests.ts';
import { Mirrored } from '../rig/mirrored.ts';
import { startPrometheus, type RunningPrometheus, type Sample } from '../rig/prometheus.ts';

const run = promisify(execFile);
const MONITORING = join(ROOT, 'deploy/monitoring');
const ALERTS = join(MONITORING, 'alerts.yaml');

interface Alert {
  readonly alert: string;
  readonly expr: string;
}
const { groups } = parse(readFileSync(ALERTS, 'utf8')) as { groups: { rules: Alert[] }[] };
const alerts = groups.flatMap(({ rules }) => rules);

/** The queries of the manual, as its page has them. */
const [, toLookAt = ''] = readFileSync(join(ROOT, 'docs/monitoring.md'), 'utf8').split('\n## To look at\n');
const manual = [...toLookAt.matchAll(/^\| (.+) \| `([^`]+)` \|$/gm)].map(
  ([, what = '', query = '']) => [what, query] as const,
);

describe('the rules of alerts', () => {
  const promtool = async (...args: string[]) => {
    const { file } = (await findPrometheus()).promtool;
    return (await run(file, args)).stdout;
  };

  it('are ones that Prometheus takes', async () => {
    expect(await promtool('check', 'rules', ALERTS)).toContain(`SUCCESS: ${alerts.length} rules found`);
  });

  it('fire and do not fire as their cases say', async () => {
    expect(await promtool('test', 'rules', join(MONITORING, 'alerts.test.yaml'))).toContain('SUCCESS');
  });
});

/** As Grafana asks, with a rate over a few scrapes. */
function asAsked(expression: string): string {
  return expression.replaceAll('$job', 'consular').replaceAll('$__rate_interval', '10s');
}

describe('a Prometheus that scrapes a leader and its standby while much changes', () => {
  let rig: Rig;
  let prometheus: RunningPrometheus;
  const runs: RunDirectory[] = [];
  const churn = { isOver: false, ended: Promise.resolve() };

  beforeAll(async () => {
    const [shared, first, second] = await Promise.all(
      ['monitoring', 'leader', 'standby'].map((name) => openRunDirectory(name)),
    );
    if (!shared || !first || !second) throw new Error('open run directories: expected three');
    runs.push(shared, first, second);
    const https = await withCertificates(shared);
    rig = await openRig({ acl: true, settings: https.settings });
    const settings = {
      cluster: rig.cluster,
      kubernetes: { kubeconfig: rig.kubeconfig },
      consul: {
        address: `https://localhost:${https.port}`,
        caFile: https.caFile,
        tokenFile: await writeToken(rig, shared),
      },
      toConsul: { namespaces: { include: [rig.namespace], exclude: [] } },
      toKubernetes: { namespaces: [rig.namespace] },
      leaderElection: { enabled: true, namespace: rig.namespace },
    };
    const leader = await startConsular(first, settings);
    const standby = await startConsular(second, settings);
    const targets = [leader, standby].map(({ address }) => new URL(address).host);
    prometheus = await startPrometheus(shared, { targets, rules: [ALERTS] });
    churn.ended = change(rig, churn);
    // Told at the end.
    churn.ended.catch(() => undefined);
  }, 120_000);
  afterAll(async () => {
    churn.isOver = true;
    await churn.ended;
    for (const folder of runs) await folder.close();
    await rig.close();
  }, 60_000);

  it('reaches both', async () => {
    await until('two targets that answer', async () => {
      const targets = await prometheus.targets();
      return targets.length === 2 && targets.every(({ health }) => health === 'up');
    });
  });

  const panels = PANELS.flatMap(({ title, queries }) =>
    queries.map(({ expr, legend }) => [title, legend, expr] as const),
  );

  it.each(panels)('has an answer for the panel %s, %s', async (_, __, expr) => {
    // A quantile of nothing is no number; before a second scrape there is no rate.
    const isNumber = ({ value: [, value] }: Sample) => Number.isFinite(Number(value));
    await until(`numbers of ${expr}`, async () => {
      const samples = await prometheus.query(asAsked(expr));
      return samples.length > 0 && samples.every(isNumber);
    });
  });

  it('has both directions in the first panel', async () => {
    const [promise] = panels;
    await until('both directions', async () => (await prometheus.query(asAsked(promise?.[2] ?? ''))).length === 2);
  });

  it.each(alerts.map(({ alert, expr }) => [alert, expr] as const))(
    'can judge %s',
    async (alert, expr) => {
      await prometheus.query(expr);
      const compared = comparedIn(expr);
      expect(compared.length).toBeGreaterThan(0);
      // A subquery has a value each minute.
      for (const one of compared)
        await until(`an answer to ${one} for ${alert}`, async () => (await prometheus.query(one)).length > 0, 90_000);
    },
    100_000,
  );

  it('is asked the query of each row in the manual', () => {
    expect(manual.length).toBe(toLookAt.split('\n').filter((line) => line.startsWith('| ')).length - 1);
    expect(manual.length).toBeGreaterThan(5);
  });

  it.each(manual)('has an answer for the query of the manual: %s', async (_, query) => {
    await until(`an answer to ${query}`, async () => (await prometheus.query(query)).length > 0);
  });

  it('has of the token of each pod how long it lives, which ConsularTokenExpires measures the rest by', async () => {
    const lifetime = 'consular_token_expiry_timestamp_seconds - consular_token_created_timestamp_seconds';
    await untilEqual(
      'the lives of two tokens',
      async () => (await prometheus.query(lifetime)).map(({ value: [, seconds] }) => Math.round(Number(seconds))),
      [86_400, 86_400],
    );
  });

  it('finds every rule well, and none of them fires', async () => {
    const judged = await until('judged rules', async () => {
      const rules = await prometheus.rules();
      return rules.every(({ health }) => health !== 'unknown') && rules;
    });
    expect(judged.map(({ name }) => name)).toEqual(alerts.map(({ alert }) => alert));
    expect(judged.filter(({ health }) => health !== 'ok')).toEqual([]);
    expect(judged.filter(({ state }) => state === 'firing').map(({ name }) => name)).toEqual([]);
  });

  // For the manual, and only where somebody wants it: enough has to happen first.
  if (process.env.CONSULAR_SCREENSHOTS)
    it('draws the dashboard', async () => {
      const chromium = await findChromium();
      if ('missing' in chromium) throw new Error(chromium.missing);
      const seconds = 120;
      await until(
        'enough to draw',
        async () => {
          const [counted] = await prometheus.query('min(count_over_time(consular_build_info[10m]))');
          return Number(counted?.value[1]) > seconds;
        },
        3 * seconds * 1000,
      );
      const page = join(runs[0]?.path ?? '', 'dashboard.html');
      const html = await drawDashboard(async ({ expr, legend }) => {
        // Here it is the memory of the machine, beside which all other lines are flat.
        if (legend === 'limit') return [];
        const series = await prometheus.history(asAsked(expr), seconds);
        return series.map(({ metric, values }) => ({
          name: legend.replaceAll(/{{(\w+)}}/g, (_, label: string) => metric[label] ?? ''),
          points: values.map(([time, value]) => [time, Number(value)] as const),
        }));
      });
      await writeFile(page, html);
      const browser = await openBrowser(chromium.file);
      try {
        await browser.page.open(`file://${page}`);
        await browser.page.read(PANELS.map(({ title }) => title));
        const height = Number(await browser.page.ask('document.documentElement.scrollHeight'));
        await browser.page.screenshot('dashboard', height);
      } finally {
        await browser.close();
      }
    });
});

/** A Consul over TLS, so that there is a certificate that can end; its tests read it in plain text. */
async function withCertificates({ path }: RunDirectory) {
  const { file, prefix } = await findConsul();
  for (const args of [
    ['ca', 'create'],
    ['cert', 'create', '-server', '-dc', 'dc1'],
  ])
    await run(file, [...prefix, 'tls', ...args], { cwd: path });
  const port = await freePort();
  const caFile = join(path, 'consul-agent-ca.pem');
  const [certificate, key] = ['dc1-server-consul-0.pem', 'dc1-server-consul-0-key.pem'].map((name) => join(path, name));
  const settings = {
    ports: { https: port },
    tls: { defaults: { ca_file: caFile, cert_file: certificate, key_file: key } },
  };
  return { port, caFile, settings };
}

/** A token with an end, as a login makes it; here it is given, and may do everything. */
async function writeToken({ consul }: Rig, { path }: RunDirectory): Promise<string> {
  const token = { ExpirationTTL: '24h', Policies: [{ Name: 'global-management' }] };
  const { SecretID } = (await consul.must('PUT', '/acl/token', token)) as { SecretID: string };
  const file = join(path, 'token');
  await writeFile(file, SecretID);
  return file;
}

/** A pod comes and goes, and an instance fails and recovers, each as seen in the other system, until it is over; it ends after a whole round. */
async function change(rig: Rig, churn: { readonly isOver: boolean }): Promise<void> {
  const { kubernetes, consul, namespace } = rig;
  const mirrored = new Mirrored(rig);
  const [steady, failing] = ['stock', 'stock-that-fails'];
  const register = (id: string, address: string) => consul.registerOnAgent({ id, name: 'stock', address, port: 9000 });
  const untilSeen = (count: number) =>
    until(`${count} pods in Consul, and instances in Kubernetes`, async () => {
      const [pods, instances] = await Promise.all([consul.summary('orders'), mirrored.addresses('stock')]);
      return pods.length === count && instances.length === 1 + count;
    });
  await register(steady, '192.0.2.10');
  await register(failing, '192.0.2.11');
  for (let round = 1; !churn.isOver; round++) {
    const pod = `orders-${round}`;
    await kubernetes.createPod(namespace, pod, { annotations: { 'consular.dev/service-name': 'orders' } });
    await consul.setHealth(failing, 'pass');
    await untilSeen(1);
    await kubernetes.deletePod(namespace, pod);
    await consul.setHealth(failing, 'fail');
    await untilSeen(0);
  }
}
