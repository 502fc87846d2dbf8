import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Agent, request } from 'undici';
import { parse, parseAllDocuments } from 'yaml';
import type { Manifest } from './kubernetes.ts';

/** The repository's root. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const MANIFESTS = join(ROOT, 'deploy/kubernetes');

export interface Rendered extends Manifest {
  readonly apiVersion: string;
  readonly kind: string;
}

export interface Generator {
  readonly name: string;
  readonly namespace?: string;
  readonly files: readonly string[];
  readonly behavior?: 'replace';
}

interface Kustomization {
  readonly patches: readonly { readonly patch: string }[];
  readonly namespace: string | undefined;
  readonly resources: readonly string[];
  readonly configMapGenerator: readonly Generator[];
}

/**
 * What `kubectl kustomize` makes of a folder, for the few features that deploy/ uses, so that the tests need no kubectl:
 * - `resources`: files of objects, and folders that are rendered first;
 * - `namespace`: for every namespaced object;
 * - `configMapGenerator`: `files`, the hash of the content in the name, and the new name in the volumes of Deployments; one
 *   that replaces an earlier one;
 * - `patches` that delete an object.
 * @throws Error on any other field: it would be ignored here and not by kustomize.
 */
export function render(folder: string): Rendered[] {
  const { namespace, resources, configMapGenerator, patches } = readKustomization(join(folder, 'kustomization.yaml'));
  const objects = resources.flatMap((resource) => {
    const path = join(folder, resource);
    return statSync(path).isDirectory() ? render(path) : readObjects(path);
  });
  const gone = new Set(patches.map(deletedBy));
  const generated = configMapGenerator.map((generator) => generate(folder, generator));
  const replaced = configMapGenerator.flatMap(({ name, behavior }) => (behavior === 'replace' ? [name] : []));
  const isReplaced = ({ kind, metadata }: Rendered) =>
    kind === 'ConfigMap' && replaced.some((name) => metadata.name.startsWith(`${name}-`));
  const earlier = objects.filter(isReplaced).map(({ metadata }) => metadata.name);
  const names = new Map(
    generated.flatMap(({ original, object }) =>
      [original, ...earlier].map((name) => [name, object.metadata.name] as const),
    ),
  );
  const kept = objects.filter((object) => !isReplaced(object) && !gone.delete(pathOf(object)));
  if (gone.size > 0) throw new Error(`render ${folder}: expected to delete ${[...gone].join()}, found none such`);
  return [...kept.map((object) => withNames(object, names)), ...generated.map(({ object }) => object)].map((object) =>
    namespace === undefined || isClusterWide(object) ? object : moved(object, namespace),
  );
}

function readKustomization(file: string): Kustomization {
  const {
    apiVersion,
    kind,
    namespace,
    resources = [],
    configMapGenerator = [],
    patches = [],
    ...unknown
  } = parse(readFileSync(file, 'utf8')) as Partial<Kustomization> & { apiVersion?: string; kind?: string };
  if (apiVersion !== 'kustomize.config.k8s.io/v1beta1' || kind !== 'Kustomization')
    throw new Error(`read ${file}: expected a Kustomization of v1beta1, found ${kind ?? 'no kind'}`);
  if (Object.keys(unknown).length > 0)
    throw new Error(`read ${file}: expected fields that the tests can render, found ${Object.keys(unknown).join()}`);
  return { namespace, resources, configMapGenerator, patches };
}

/** The path of the object that a patch deletes. @throws Error for any other patch */
function deletedBy({ patch }: { readonly patch: string }): string {
  const { $patch: action, ...object } = parse(patch) as Rendered & { readonly $patch?: string };
  if (action !== 'delete') throw new Error(`render a patch: expected one that deletes, found ${patch}`);
  return pathOf(object);
}

function readObjects(file: string): Rendered[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).map((document) => {
    const [error] = document.errors;
    if (error) throw new Error(`read ${file}: expected valid YAML`, { cause: error });
    return document.toJS() as Rendered;
  });
}

export function isClusterWide({ kind }: Rendered): boolean {
  return kind === 'Namespace' || kind === 'ClusterRole' || kind === 'ClusterRoleBinding';
}

function moved(object: Rendered, namespace: string): Rendered {
  return { ...object, metadata: { ...object.metadata, namespace } };
}

function generate(folder: string, { name, namespace, files }: Generator): { original: string; object: Rendered } {
  const data = Object.fromEntries(files.map((file) => [basename(file), readFileSync(join(folder, file), 'utf8')]));
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    data,
    metadata: { name: `${name}-${contentHash(data)}`, ...(namespace === undefined ? {} : { namespace }) },
  };
  return { original: name, object };
}

/** Kustomize's own, in which the name is always empty and no digit could be part of a word. */
function contentHash(data: Record<string, string>): string {
  const replaced: Record<string, string> = { 0: 'g', 1: 'h', 3: 'k', a: 'm', e: 't' };
  const digest = createHash('sha256')
    .update(JSON.stringify({ data, kind: 'ConfigMap', name: '' }))
    .digest('hex');
  return digest.slice(0, 10).replaceAll(/[013ae]/g, (digit) => replaced[digit] ?? digit);
}

function withNames(object: Rendered, names: ReadonlyMap<string, string>): Rendered {
  if (object.kind !== 'Deployment') return object;
  const deployment = structuredClone(object) as Rendered & {
    spec: { template: { spec: { volumes: { configMap?: { name: string } }[] } } };
  };
  for (const { configMap } of deployment.spec.template.spec.volumes)
    if (configMap) configMap.name = names.get(configMap.name) ?? configMap.name;
  return deployment;
}

/** Where each kind lives; a kind that is not here cannot be applied by the tests. */
const PLURALS: Readonly<Record<string, string>> = {
  Namespace: 'namespaces',
  ServiceAccount: 'serviceaccounts',
  ConfigMap: 'configmaps',
  Deployment: 'deployments',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  PodDisruptionBudget: 'poddisruptionbudgets',
  Service: 'services',
  NetworkPolicy: 'networkpolicies',
  PodMonitor: 'podmonitors',
  ServiceMonitor: 'servicemonitors',
  PrometheusRule: 'prometheusrules',
};

export function pathOf({ apiVersion, kind, metadata }: Rendered): string {
  const plural = PLURALS[kind];
  if (plural === undefined) throw new Error(`apply ${kind} ${metadata.name}: expected a known kind, found ${kind}`);
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  return `${root}${scope}/${plural}/${metadata.name}`;
}

export interface Kubeconfig {
  readonly server: string;
  readonly ca: string;
  readonly token: string;
}

/** The one that the tests' Kubernetes comes with: JSON, one cluster, a token. */
export function readKubeconfig(file: string): Kubeconfig {
  const { clusters, users } = JSON.parse(readFileSync(file, 'utf8')) as {
    clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
    users: [{ user: { token: string } }];
  };
  const { cluster } = clusters[0];
  const ca = Buffer.from(cluster['certificate-authority-data'], 'base64').toString();
  return { server: cluster.server, ca, token: users[0].user.token };
}

/**
 * Applies an object as `kubectl apply --server-side` does, and takes the API server's word for every field: an unknown
 * or repeated one is refused.
 * @param dryRun whether the API server only says what it would do
 * @returns the warnings of the API server
 */
export async function apply(
  { server, ca, token }: Kubeconfig,
  object: Rendered,
  { dryRun = false } = {},
): Promise<string[]> {
  const dispatcher = new Agent({ connect: { ca } });
  try {
    const { statusCode, headers, body } = await request(`${server}${pathOf(object)}`, {
      dispatcher,
      method: 'PATCH',
      query: { fieldManager: 'consular-tests', fieldValidation: 'Strict', ...(dryRun ? { dryRun: 'All' } : {}) },
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/apply-patch+yaml' },
      body: JSON.stringify(object),
    });
    const text = await body.text();
    if (statusCode >= 300)
      throw new Error(`apply ${object.kind} ${object.metadata.name}: expected 200 or 201, found ${statusCode} ${text}`);
    return [headers.warning ?? []].flat();
  } finally {
    await dispatcher.close();
  }
}

export interface Instruction {
  readonly name: string;
  readonly text: string;
}

export interface Stage {
  readonly name: string;
  readonly image: string;
  readonly instructions: readonly Instruction[];
}

/** The stages of a Dockerfile, with comments gone, continued lines joined, and images by the defaults of their arguments. */
export function readDockerfile(file: string): Stage[] {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const stages: { name: string; image: string; instructions: Instruction[] }[] = [];
  const defaults = new Map<string, string>();
  for (const line of lines) {
    const [, name = '', text = ''] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    const [, image, alias = ''] = (name === 'FROM' && /^(?:--platform=\S+ )?(\S+)(?: AS (\S+))?$/.exec(text)) || [];
    const [, argument, value = ''] = (name === 'ARG' && stages.length === 0 && /^(\w+)=(\S+)$/.exec(text)) || [];
    if (image !== undefined)
      stages.push({
        name: alias,
        image: image.replace(/^\$(\w+)$/, (_, one: string) => defaults.get(one) ?? one),
        instructions: [],
      });
    else if (argument !== undefined) defaults.set(argument, value);
    else if (name === '' || stages.length === 0)
      throw new Error(`read ${basename(dirname(file))}/${basename(file)}: expected an instruction, found "${line}"`);
    else stages.at(-1)?.instructions.push({ name, text });
  }
  return stages;
}
