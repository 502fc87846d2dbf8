import { parseAllDocuments } from 'yaml';
import { readPrometheusDefinitions } from '../control-plane/index.ts';
import type { KubernetesApi, Manifest } from './kubernetes.ts';
import { until } from './until.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

interface Definition extends Manifest {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string };
    readonly versions: readonly { readonly name: string }[];
  };
}

/** The Prometheus operator's own definitions of what the chart makes for it, on the real API server, which then checks every such object. */
export async function installPrometheusDefinitions(kubernetes: KubernetesApi): Promise<void> {
  const definitions = await readDefinitions();
  for (const definition of definitions) await kubernetes.must('POST', DEFINITIONS, definition);
  for (const { spec } of definitions)
    await until(`lists of ${spec.names.plural}`, async () => {
      const lists = spec.versions.map(({ name }) => `/apis/${spec.group}/${name}/${spec.names.plural}`);
      return (await Promise.all(lists.map((list) => kubernetes.find(list)))).every((list) => list !== undefined);
    });
}

/** With every such object that there is. */
export async function uninstallPrometheusDefinitions(kubernetes: KubernetesApi): Promise<void> {
  const paths = (await readDefinitions()).map(({ metadata }) => `${DEFINITIONS}/${metadata.name}`);
  for (const path of paths) await kubernetes.call('DELETE', path);
  for (const path of paths) await until(`the end of ${path}`, async () => !(await kubernetes.find(path)));
}

async function readDefinitions(): Promise<Definition[]> {
  const documents = parseAllDocuments(await readPrometheusDefinitions());
  return documents.flatMap((document) => (document.toJS() as Definition | null) ?? []);
}
