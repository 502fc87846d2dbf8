import { parseAllDocuments } from 'yaml';
import { readIstioDefinitions } from '../control-plane/index.ts';
import type { KubernetesApi, Manifest } from './kubernetes.ts';
import { until } from './until.ts';

const GROUP = 'networking.istio.io';
const NAME = `workloadentries.${GROUP}`;
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const group = (version: string) => `/apis/${GROUP}/${version}`;

interface Definition extends Manifest {
  readonly spec: { readonly versions: { readonly name: string; readonly served: boolean }[] };
}

/** Istio's own definition of WorkloadEntries, on the real API server, which then checks every one of them. */
export async function installWorkloadEntries(
  kubernetes: KubernetesApi,
  versions: readonly string[] = ['v1', 'v1beta1', 'v1alpha3'],
): Promise<void> {
  const definition = await readDefinition();
  const spec = {
    ...definition.spec,
    versions: definition.spec.versions.map((version) => ({ ...version, served: versions.includes(version.name) })),
  };
  const present = await kubernetes.find(`${DEFINITIONS}/${NAME}`);
  const { metadata } = definition;
  if (present) await kubernetes.must('PATCH', `${DEFINITIONS}/${NAME}`, { spec });
  else await kubernetes.must('POST', DEFINITIONS, { apiVersion: 'apiextensions.k8s.io/v1', kind, metadata, spec });
  await until(`WorkloadEntries in ${versions.join()}`, async () => {
    const served = await servedVersions(kubernetes);
    return versions.every((version) => served.includes(version)) && served.length === versions.length;
  });
  // The list of groups knows of them a moment before the group itself does, and its versions.
  await until('the kind in its group', async () => {
    const paths = [`/apis/${GROUP}`, ...versions.map((version) => `/apis/${GROUP}/${version}`)];
    const found = (await Promise.all(paths.map((path) => kubernetes.find(path)))) as (Discovered | undefined)[];
    return found.every((answer) => {
      if (answer?.versions) return answer.versions.length === versions.length;
      return answer?.resources?.some(({ name }) => name === 'workloadentries') ?? false;
    });
  });
}

/** A group, or what is in a version of it. */
interface Discovered {
  readonly versions?: readonly object[];
  readonly resources?: readonly { readonly name: string }[];
}
const kind = 'CustomResourceDefinition';

/** All of Istio's other definitions too, for manifests as its users write them. */
export async function installIstioDefinitions(kubernetes: KubernetesApi): Promise<void> {
  for (const definition of await readDefinitions()) {
    const { status } = await kubernetes.call('POST', DEFINITIONS, definition);
    if (status !== 201 && status !== 409)
      throw new Error(`create ${definition.metadata.name}: expected 201 or 409, found ${status}`);
  }
}

/** With every WorkloadEntry that there is. */
export async function uninstallWorkloadEntries(kubernetes: KubernetesApi): Promise<void> {
  await kubernetes.must('DELETE', `${DEFINITIONS}/${NAME}`);
  await until('no WorkloadEntries', async () => (await servedVersions(kubernetes)).length === 0);
}

async function servedVersions(kubernetes: KubernetesApi): Promise<string[]> {
  const { groups } = (await kubernetes.must('GET', '/apis')) as unknown as {
    groups: { name: string; versions: { version: string }[] }[];
  };
  return groups.filter(({ name }) => name === GROUP).flatMap(({ versions }) => versions.map(({ version }) => version));
}

async function readDefinition(): Promise<Definition> {
  const found = (await readDefinitions()).find(({ metadata }) => metadata.name === NAME);
  if (!found) throw new Error(`read Istio's definitions: expected ${NAME} among them, found none`);
  return found;
}

async function readDefinitions(): Promise<Definition[]> {
  const documents = parseAllDocuments(await readIstioDefinitions());
  return documents.flatMap((document) => (document.toJS() as Definition | null) ?? []);
}

export interface EntryManifest extends Manifest {
  readonly spec: {
    readonly address: string;
    readonly ports: Record<string, number>;
    readonly labels: Record<string, string>;
    readonly locality?: string;
    readonly weight?: number;
    readonly serviceAccount?: string;
  };
}

export const entryPath = (namespace: string, name = '', version = 'v1') =>
  `${group(version)}/namespaces/${namespace}/workloadentries${name === '' ? '' : `/${name}`}`;

/** The WorkloadEntries that a Service selects, by the way that Istio selects them, in order of their names. */
export async function entriesOf(kubernetes: KubernetesApi, namespace: string, service: string) {
  const { spec } = await kubernetes.must('GET', `/api/v1/namespaces/${namespace}/services/${service}`);
  const selector = Object.entries((spec as { selector?: Record<string, string> }).selector ?? {});
  if (selector.length === 0) return [];
  const entries = (await kubernetes.list(entryPath(namespace))) as EntryManifest[];
  return entries
    .filter(({ spec }) => selector.every(([key, value]) => spec.labels[key] === value))
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

interface SliceManifest extends Manifest {
  readonly ports: { readonly name: string; readonly port: number }[] | null;
  readonly endpoints: { readonly addresses: string[] }[] | null;
}

export async function slicesOf(kubernetes: KubernetesApi, namespace: string, service: string) {
  const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  return (await kubernetes.list(`${path}?labelSelector=kubernetes.io/service-name%3D${service}`)) as SliceManifest[];
}

export const isHiddenFromIstio = ({ metadata }: Manifest) =>
  metadata.labels?.['multicluster.kubernetes.io/service-name'] !== undefined;

/** Where two kinds of clients would connect to on port `main`, as `address:port`: kube-proxy's, and those with Istio's sidecar. */
export async function clientsOf(kubernetes: KubernetesApi, namespace: string, service: string) {
  const slices = await slicesOf(kubernetes, namespace, service);
  const inSlices = (some: readonly SliceManifest[]) =>
    some.flatMap(({ ports, endpoints }) => {
      const port = (ports ?? []).find(({ name }) => name === 'main')?.port ?? 0;
      return (endpoints ?? []).flatMap(({ addresses }) => addresses.map((address) => `${address}:${port}`));
    });
  const entries = await entriesOf(kubernetes, namespace, service);
  const ofEntries = entries.map(({ spec }) => `${spec.address}:${spec.ports.main ?? 0}`);
  const sorted = (list: readonly string[]) => [...new Set(list)].sort();
  return {
    everybody: sorted(inSlices(slices)),
    mesh: sorted([...ofEntries, ...inSlices(slices.filter((slice) => !isHiddenFromIstio(slice)))]),
  };
}
