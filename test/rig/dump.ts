import type { ConsulApi } from './consul.ts';
import type { KubernetesApi, Manifest } from './kubernetes.ts';

/** Everything that may be compared of both systems: no indexes, no versions, no Events, no conditions of pods. */
export interface Dump {
  /** By kind, `namespace/name`. */
  readonly kubernetes: ReadonlyMap<string, unknown>;
  /** By node, `node/id`, key, session. */
  readonly consul: ReadonlyMap<string, unknown>;
}

const PATHS = [
  ...['services', 'endpoints', 'pods', 'nodes', 'namespaces', 'configmaps'].map((plural) => `/api/v1/${plural}`),
  '/apis/discovery.k8s.io/v1/endpointslices',
  '/apis/coordination.k8s.io/v1/leases',
];
const ISTIO = 'networking.istio.io';

interface Systems {
  readonly kubernetes: KubernetesApi;
  readonly consul: ConsulApi;
}

/** What Consular could have touched. */
export async function dump({ kubernetes, consul }: Systems): Promise<Dump> {
  const groups = (await kubernetes.must('GET', '/apis')).groups as { name: string }[];
  const isThere = groups.some(({ name }) => name === ISTIO);
  const paths = isThere ? [...PATHS, `/apis/${ISTIO}/v1/workloadentries`] : PATHS;
  return { kubernetes: await dumpKubernetes(kubernetes, paths), consul: await dumpConsul(consul) };
}

/** Every object that there is, of whatever kind. */
export async function dumpAll({ kubernetes, consul }: Systems): Promise<Dump> {
  return { kubernetes: await dumpKubernetes(kubernetes, await allPaths(kubernetes)), consul: await dumpConsul(consul) };
}

/** Of every kind that can be listed, once. Components say how they are at each request. */
async function allPaths(kubernetes: KubernetesApi): Promise<string[]> {
  const { groups } = (await kubernetes.must('GET', '/apis')) as unknown as {
    groups: { preferredVersion: { groupVersion: string } }[];
  };
  const roots = ['/api/v1', ...groups.map(({ preferredVersion }) => `/apis/${preferredVersion.groupVersion}`)];
  const kinds = await Promise.all(
    roots.map(async (root) => {
      const { resources } = (await kubernetes.must('GET', root)) as unknown as {
        resources: { name: string; verbs: string[] }[];
      };
      return resources.filter(({ verbs }) => verbs.includes('list')).map(({ name }) => `${root}/${name}`);
    }),
  );
  return kinds.flat().filter((path) => !/\/(events|componentstatuses)$/.test(path));
}

/** What is in one of them and not in the other, or is another there. */
export function changed(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): string[] {
  const keys = [...new Set([...a.keys(), ...b.keys()])];
  return keys.filter((key) => JSON.stringify(a.get(key)) !== JSON.stringify(b.get(key))).sort();
}

export function differences(a: Dump, b: Dump): string[] {
  return [...changed(a.kubernetes, b.kubernetes), ...changed(a.consul, b.consul)];
}

async function dumpKubernetes(kubernetes: KubernetesApi, paths: readonly string[]): Promise<Map<string, unknown>> {
  const objects = new Map<string, unknown>();
  for (const path of paths) {
    const found = await kubernetes.find(path);
    for (const { metadata, ...rest } of (found?.items ?? []) as Manifest[]) {
      const { namespace = '', name } = metadata;
      // Those of the control plane itself are renewed all the time.
      if (path.endsWith('/leases') && namespace === 'kube-system') continue;
      const { resourceVersion: _, managedFields: __, ...kept } = metadata;
      const isPod = path.endsWith('/pods');
      objects.set(`${path.split('/').at(-1)} ${namespace}/${name}`, {
        metadata: kept,
        ...(isPod ? withoutConditions(rest) : rest),
      });
    }
  }
  return objects;
}

function withoutConditions(pod: Record<string, unknown>): object {
  const { conditions: _, ...status } = (pod.status ?? {}) as Record<string, unknown>;
  return { ...pod, status };
}

async function dumpConsul(consul: ConsulApi): Promise<Map<string, unknown>> {
  const entries = new Map<string, unknown>();
  const nodes = (await consul.must('GET', '/catalog/nodes')) as { Node: string }[];
  for (const row of nodes) {
    // An agent tells more of itself a while after its start.
    if (!row.Node.startsWith('consul-server')) entries.set(`node ${row.Node}`, withoutIndexes(row));
    const { Services } = (await consul.must('GET', `/catalog/node-services/${encodeURIComponent(row.Node)}`)) as {
      Services: { ID: string }[] | null;
    };
    for (const service of Services ?? []) entries.set(`instance ${row.Node}/${service.ID}`, withoutIndexes(service));
  }
  const checks = (await consul.must('GET', '/health/state/any')) as { Node: string; CheckID: string }[];
  for (const check of checks) entries.set(`check ${check.Node}/${check.CheckID}`, withoutIndexes(check));
  const { status, body } = await consul.call('GET', '/kv/?recurse=');
  for (const key of status === 404 ? [] : (body as { Key: string }[]))
    entries.set(`key ${key.Key}`, withoutIndexes(key));
  for (const session of (await consul.must('GET', '/session/list')) as { ID: string }[])
    entries.set(`session ${session.ID}`, withoutIndexes(session));
  return entries;
}

function withoutIndexes(row: object): object {
  return Object.fromEntries(Object.entries(row).filter(([key]) => !key.endsWith('Index')));
}
