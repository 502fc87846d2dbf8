import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { Helm } from '../rig/helm.ts';
import { KubernetesApi } from '../rig/kubernetes.ts';
import { apply, pathOf, readKubeconfig, ROOT, type Kubeconfig, type Rendered } from '../rig/manifests.ts';
import { installPrometheusDefinitions, uninstallPrometheusDefinitions } from '../rig/prometheus-operator.ts';
import { sharedPlane } from '../rig/shared-plane.ts';

const NAMESPACE = 'chart-monitoring';
const config = { config: { cluster: 'dev' } };
const every = (...kinds: string[]) => Object.fromEntries(kinds.map((kind) => [kind, { enabled: true }]));

let helm: Helm;
beforeAll(async () => {
  helm = await Helm.open();
}, 20 * 60_000);

const monitored = (metrics: object) => helm.render({ ...config, metrics }, 'edge', NAMESPACE);

describe('what the chart has for monitoring', () => {
  const find = <T>(objects: readonly Rendered[], kind: string, name: string) =>
    objects.find((object) => object.kind === kind && object.metadata.name === name) as (Rendered & T) | undefined;

  it('is not there until it is asked for', async () => {
    const kinds = (await helm.render(config)).map(({ kind }) => kind);
    const more = ['Service', 'ServiceMonitor', 'PodMonitor', 'PrometheusRule'];
    expect(kinds.filter((kind) => more.includes(kind))).toEqual([]);
    expect(kinds.filter((kind) => kind === 'ConfigMap')).toHaveLength(1);
  });

  it('has the rules of deploy/monitoring, and leads to the page that the values name', async () => {
    const shipped = readFileSync(join(ROOT, 'deploy/monitoring/alerts.yaml'), 'utf8');
    const plainRule = find<Spec>(await monitored(every('prometheusRule')), 'PrometheusRule', 'edge-consular');
    expect(plainRule?.spec).toEqual(parse(shipped));
    const runbookUrl = 'https://manual.test/alerts';
    const labels = { release: 'prometheus' };
    const objects = await monitored({ prometheusRule: { enabled: true, labels, runbookUrl } });
    const rule = find<Spec>(objects, 'PrometheusRule', 'edge-consular');
    expect(rule?.metadata.labels).toMatchObject(labels);
    expect(rule?.spec).toEqual(parse(shipped.replaceAll('docs/alerts.md#', `${runbookUrl}#`)));
    expect(JSON.stringify(rule?.spec)).toContain(`${runbookUrl}#consularslow`);
  });

  it('has the dashboard of deploy/monitoring, where the sidecar of Grafana looks', async () => {
    const name = 'edge-consular-dashboard';
    const found = find<{ data: Record<string, string> }>(await monitored(every('dashboard')), 'ConfigMap', name);
    expect(found?.metadata.labels).toMatchObject({ grafana_dashboard: '1' });
    expect(JSON.parse(found?.data['consular.json'] ?? '')).toEqual(
      JSON.parse(readFileSync(join(ROOT, 'deploy/monitoring/dashboard.json'), 'utf8')),
    );
  });

  it('has a Service with the labels that its ServiceMonitor selects by, over pods that are not ready too', async () => {
    const objects = await monitored(every('serviceMonitor'));
    const service = find<Spec>(objects, 'Service', 'edge-consular-metrics');
    const monitor = find<Spec>(objects, 'ServiceMonitor', 'edge-consular');
    const { matchLabels } = monitor?.spec.selector as { matchLabels: Record<string, string> };
    expect(service?.metadata.labels).toMatchObject(matchLabels);
    expect(service?.spec).toMatchObject({
      ...{ clusterIP: 'None', publishNotReadyAddresses: true, selector: matchLabels },
      ports: [{ name: 'http', targetPort: 'http' }],
    });
    expect(monitor?.spec.endpoints).toEqual([
      { port: 'http', path: '/metrics', interval: '30s', scrapeTimeout: '10s' },
    ]);
  });
});

describe('what the chart has for monitoring, on a real API server with the definitions of the Prometheus operator,', () => {
  const labels = { release: 'prometheus' };
  const relabelings = [{ sourceLabels: ['__meta_kubernetes_pod_node_name'], targetLabel: 'node' }];
  const scraped = { enabled: true, interval: '1m', scrapeTimeout: '20s', labels, relabelings };
  const metrics = {
    podMonitor: scraped,
    serviceMonitor: scraped,
    prometheusRule: { enabled: true, labels, runbookUrl: 'https://manual.test/alerts' },
    dashboard: { enabled: true, annotations: { folder: 'Consul' } },
  };
  let kubernetes: KubernetesApi;
  let server: Kubeconfig;
  let objects: readonly Rendered[];

  beforeAll(async () => {
    const plane = await sharedPlane();
    kubernetes = new KubernetesApi(plane.server, plane.caFile, plane.adminToken);
    server = readKubeconfig(plane.kubeconfig);
    await kubernetes.must('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } });
    await installPrometheusDefinitions(kubernetes);
    const others = (await monitored({})).map(pathOf);
    objects = (await monitored(metrics)).filter((object) => !others.includes(pathOf(object)));
  }, 120_000);
  afterAll(async () => {
    if (!(kubernetes as KubernetesApi | undefined)) return;
    await uninstallPrometheusDefinitions(kubernetes);
    await kubernetes.call('DELETE', `/api/v1/namespaces/${NAMESPACE}`);
    await kubernetes.close();
  }, 60_000);

  it('is taken with every field, and nothing of it is left out', async () => {
    const kinds = objects.map(({ kind }) => kind).sort();
    expect(kinds).toEqual(['ConfigMap', 'PodMonitor', 'PrometheusRule', 'Service', 'ServiceMonitor']);
    for (const object of objects) {
      expect(await apply(server, object)).toEqual([]);
      expect(await kubernetes.must('GET', pathOf(object))).toMatchObject(object);
    }
  });

  it.each([
    ['a field that only the other monitor has', 'PodMonitor', 'podMetricsEndpoints', 'endpoints'],
    ['a field in other letters', 'ServiceMonitor', 'scrapeTimeout', 'scrapeTimeOut'],
    ['a misspelt field of what the values give', 'ServiceMonitor', 'sourceLabels', 'sourceLabel'],
    ['a misspelt field deep in a rule', 'PrometheusRule', 'expr', 'expression'],
    ['a value that is no time', 'PodMonitor', '1m', '1 minute'],
  ])('is refused with %s', async (_, kind, right, wrong) => {
    const text = JSON.stringify(objects.find((object) => object.kind === kind));
    expect(text).toContain(`"${right}"`);
    const misspelt = JSON.parse(text.replaceAll(`"${right}"`, `"${wrong}"`)) as Rendered;
    await expect(apply(server, misspelt)).rejects.toThrow(wrong);
  });
});

interface Spec {
  readonly spec: Readonly<Record<string, unknown>>;
}
