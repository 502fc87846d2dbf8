import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { leavesOf, readChartValues } from '../../config/chart.ts';
import { CHART, Helm } from '../rig/helm.ts';
import { KubernetesApi } from '../rig/kubernetes.ts';
import { apply, readKubeconfig, type Rendered } from '../rig/manifests.ts';
import { sharedPlane } from '../rig/shared-plane.ts';
import { ALONE, TOGETHER, type ValueRow } from './value-rows.ts';

const REQUIRED = { config: { cluster: 'dev' } };
/** Values that one other has to go with; the others have tests by the dozen. */
const NEEDING_OTHERS = ['global.imageRegistry', 'serviceAccount.create'];

let helm: Helm;
const renderEdge = (values: object) => helm.render({ ...REQUIRED, ...values }, 'edge', 'edge');

/** The values of these rows in one map. */
function valuesOf(rows: readonly Pick<ValueRow, 'value' | 'given'>[]): object {
  const values: Record<string, unknown> = {};
  for (const { value, given } of rows) {
    const keys = value.split('.');
    const last = keys.pop() ?? '';
    let map = values;
    for (const key of keys) map = (map[key] ??= {}) as Record<string, unknown>;
    map[last] = given;
  }
  return values;
}

/** What stands there in these objects; undefined for nothing. */
function found(objects: readonly Rendered[], { object, path }: ValueRow): unknown {
  const [kind, name] = object.split(' ');
  const first: unknown = objects.find((one) => one.kind === kind && one.metadata.name === (name ?? one.metadata.name));
  return path.reduce((value: unknown, key) => {
    if (!Array.isArray(value)) return (value as Record<string, unknown> | undefined)?.[key];
    return /^\d+$/.test(key) ? value[Number(key)] : value.find(({ name }: { name: string }) => name === key);
  }, first);
}

const matching = (expected: unknown) => (expected instanceof RegExp ? expect.stringMatching(expected) : expected);

describe('each value of the chart', () => {
  let shipped: Rendered[];
  let together: Rendered[];
  beforeAll(async () => {
    helm = await Helm.open();
    shipped = await renderEdge({});
    together = await renderEdge(valuesOf(TOGETHER));
  }, 20 * 60_000);

  it.each(TOGETHER.map((row) => ({ ...row, place: row.path.join(' ') })))('$value shows in $object: $place', (row) => {
    expect(found(together, row)).toEqual(matching(row.expected));
    // Else the row would say nothing.
    expect(found(shipped, row)).not.toEqual(matching(row.expected));
  });

  it.each(ALONE.map((row) => ({ ...row, place: row.path.join(' ') })))(
    '$value as $given shows in $object: $place',
    async (row) => {
      expect(found(await renderEdge(valuesOf([row])), row)).toEqual(row.expected);
      expect(found(shipped, row)).not.toEqual(row.expected);
    },
  );

  it('is in one of these tests', () => {
    const values = leavesOf(readChartValues(readFileSync(join(CHART, 'values.yaml'), 'utf8'))).map(({ path }) => path);
    const tested = new Set([...TOGETHER, ...ALONE].map(({ value }) => value));
    for (const value of NEEDING_OTHERS) tested.add(value);
    expect(values.filter((value) => !tested.has(value))).toEqual([]);
  });

  it('of an image goes after global.imageRegistry', async () => {
    const objects = await renderEdge({
      global: { imageRegistry: 'all.test' },
      image: { registry: 'one.test', tag: '1.2.3' },
    });
    const [image] = TOGETHER.filter(({ value }) => value === 'image.registry');
    expect(image && found(objects, image)).toBe('all.test/consular:1.2.3');
  });

  it('of an account makes none where serviceAccount.create is false, and needs its name then', async () => {
    const objects = await renderEdge({ serviceAccount: { create: false, name: 'theirs' } });
    expect(objects.filter(({ kind }) => kind === 'ServiceAccount')).toEqual([]);
    const subjects = objects.flatMap(({ subjects = [] }) => subjects as { name: string }[]);
    expect(new Set(subjects.map(({ name }) => name))).toEqual(new Set(['theirs']));
    const [account] = TOGETHER.filter(({ value }) => value === 'serviceAccount.name');
    expect(account && found(objects, account)).toBe('theirs');
    await expect(renderEdge({ serviceAccount: { create: false } })).rejects.toThrow('serviceAccount.name');
  });

  it('of an account leaves the token to the pod where an older release has no word about it', async () => {
    const objects = await renderEdge({ serviceAccount: { automount: null } });
    const account = objects.find(({ kind }) => kind === 'ServiceAccount');
    expect(account?.automountServiceAccountToken).toBe(false);
  });

  it('for labels and places is in every object, and no label takes the place of those that pods are selected by', async () => {
    for (const object of together.filter(({ metadata }) => metadata.name !== 'edge-more')) {
      expect([object.kind, object.metadata.labels]).toEqual([
        object.kind,
        expect.objectContaining({ 'app.kubernetes.io/name': 'registrar', team: expect.any(String) }),
      ]);
      expect(['chart-values', 'default', 'kube-public', undefined]).toContain(object.metadata.namespace);
    }
    const stolen = { 'app.kubernetes.io/name': 'other', 'app.kubernetes.io/instance': 'other' };
    const objects = await renderEdge({ commonLabels: stolen, podLabels: stolen });
    const deployment = objects.find(({ kind }) => kind === 'Deployment') as unknown as {
      spec: { selector: { matchLabels: object }; template: { metadata: { labels: object } } };
    };
    const { selector, template } = deployment.spec;
    expect(template.metadata.labels).toMatchObject(selector.matchLabels);
    expect(selector.matchLabels).toEqual({
      'app.kubernetes.io/name': 'consular',
      'app.kubernetes.io/instance': 'edge',
    });
  });

  it('of a NetworkPolicy is open where it names nobody', async () => {
    const objects = await renderEdge({ networkPolicy: { enabled: true } });
    expect(objects.find(({ kind }) => kind === 'NetworkPolicy')?.spec).toMatchObject({
      ...{ policyTypes: ['Ingress', 'Egress'], ingress: [{ ports: [{ port: 'http' }] }], egress: [{}] },
    });
  });
});

describe('all values of the chart at once', () => {
  let kubernetes: KubernetesApi;
  beforeAll(async () => {
    const plane = await sharedPlane();
    kubernetes = new KubernetesApi(plane.server, plane.caFile, plane.adminToken);
    await kubernetes.must('POST', '/api/v1/namespaces', { metadata: { name: 'chart-values' } });
  }, 120_000);
  afterAll(async () => {
    await kubernetes.call('DELETE', '/api/v1/namespaces/chart-values');
    await kubernetes.close();
  }, 60_000);

  it('are taken by the API server, with every field known and without a warning', async () => {
    const server = readKubeconfig((await sharedPlane()).kubeconfig);
    const everything = await renderEdge(valuesOf([...TOGETHER, { value: 'config', given: EVERYTHING }]));
    // What is for the Prometheus operator is tried with its definitions elsewhere.
    const objects = everything.filter(({ apiVersion }) => !apiVersion.startsWith('monitoring.coreos.com/'));
    expect(new Set(objects.map(({ kind }) => kind)).size).toBeGreaterThanOrEqual(9);
    for (const object of objects)
      expect({ object, warnings: await apply(server, object, { dryRun: true }) }).toEqual({ object, warnings: [] });
    const misspelt = JSON.parse(JSON.stringify(objects).replaceAll('"hostAliases"', '"hostAlias"')) as Rendered[];
    const deployment = misspelt.filter(({ kind }) => kind === 'Deployment');
    await expect(Promise.all(deployment.map((one) => apply(server, one, { dryRun: true })))).rejects.toThrow(
      'hostAlias',
    );
  });
});

/** With each optional right, and the Lease elsewhere. */
const EVERYTHING = {
  cluster: 'dev',
  kubernetes: { identityNamespace: 'default' },
  leaderElection: { namespace: 'kube-public' },
  consul: { login: { authMethod: 'k8s', bearerTokenFile: '/run/consular/login/token' } },
  toConsul: { readinessGate: true },
  toKubernetes: { namespaces: ['default'], importNamespaces: ['chart-values'] },
};
