import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CHART, Helm } from '../rig/helm.ts';
import { KubernetesApi } from '../rig/kubernetes.ts';
import { pathOf, ROOT } from '../rig/manifests.ts';
import { sharedPlane } from '../rig/shared-plane.ts';

/** Charts of earlier releases, as they were; CONTRIBUTING.md says how a release gets here. */
const RELEASED = join(ROOT, 'test/rig/charts');
const RELEASE = 'chart-upgrade';

/** Every kind of object that the chart makes without definitions of others. */
const values = {
  config: {
    cluster: 'dev',
    kubernetes: { identityNamespace: 'default' },
    leaderElection: { namespace: 'default' },
    toConsul: { readinessGate: true },
    toKubernetes: { namespaces: ['default'], importNamespaces: [RELEASE], mode: 'istio' },
  },
  networkPolicy: { enabled: true },
  metrics: { dashboard: { enabled: true } },
  extraObjects: [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'extra', namespace: '{{ .Release.Namespace }}' } },
  ],
};

let helm: Helm;
let kubernetes: KubernetesApi;
beforeAll(async () => {
  const plane = await sharedPlane();
  kubernetes = new KubernetesApi(plane.server, plane.caFile, plane.adminToken);
  helm = await Helm.open(plane.kubeconfig);
  await kubernetes.must('POST', '/api/v1/namespaces', { metadata: { name: RELEASE } });
}, 20 * 60_000);
afterAll(async () => {
  await kubernetes.call('DELETE', `/api/v1/namespaces/${RELEASE}`);
  await kubernetes.close();
}, 60_000);

const call = (command: string, ...args: string[]) =>
  helm.call([command, RELEASE, ...args, '--namespace', RELEASE], values);

/** What stands at each of these paths, without what the API server and the controllers write. */
async function objectsAt(paths: readonly string[]): Promise<Record<string, object | undefined>> {
  const entries = paths.map(async (path): Promise<[string, object | undefined]> => {
    const found = await kubernetes.find(path);
    if (found === undefined) return [path, undefined];
    const { metadata, status: _, ...object } = found;
    const { name, namespace, labels, annotations = {} } = metadata;
    const { 'deployment.kubernetes.io/revision': __, ...written } = annotations;
    return [path, { ...object, metadata: { name, namespace, labels, annotations: written } }];
  });
  return Object.fromEntries(await Promise.all(entries));
}

describe.each(readdirSync(RELEASED))('an upgrade from %s on a real API server', (name) => {
  const released = join(RELEASED, name);
  let paths: string[];
  let former: object;

  beforeAll(async () => {
    const charts = [released, CHART].map((chart) => helm.render(values, RELEASE, RELEASE, chart));
    paths = [...new Set((await Promise.all(charts)).flat().map(pathOf))];
    await call('install', released);
    former = await objectsAt(paths);
  }, 60_000);
  afterAll(() => helm.call(['uninstall', RELEASE, '--namespace', RELEASE, '--ignore-not-found']), 60_000);

  it('leaves each object as a new installation has it, goes back to how each was, and leaves nothing when it is uninstalled', async () => {
    await call('upgrade', CHART);
    const upgraded = await objectsAt(paths);
    await call('rollback', '1');
    expect(await objectsAt(paths)).toEqual(former);
    await call('uninstall');
    expect(Object.values(await objectsAt(paths)).filter((object) => object !== undefined)).toEqual([]);
    await call('install', CHART);
    const fresh = await objectsAt(paths);
    expect(upgraded).toEqual(fresh);
    const rendered = await helm.render(values, RELEASE, RELEASE);
    for (const object of rendered) expect(fresh[pathOf(object)]).toBeDefined();
    expect(Object.values(fresh).filter((object) => object !== undefined)).toHaveLength(rendered.length);
  });
});
