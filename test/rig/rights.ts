import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Timings } from '../../src/world/context.ts';
import { startEtcd } from '../control-plane/etcd.ts';
import {
  findKubernetesProgram,
  openRunDirectory,
  startProcess,
  waitUntilReady,
  type RunDirectory,
} from '../control-plane/index.ts';
import { apiServerCaFile, apiServerReader } from '../control-plane/kube-apiserver.ts';
import { writeCredentials, writeKubeconfig } from '../control-plane/kubernetes-credentials.ts';
import { freePort, withFreshPorts } from '../control-plane/ports.ts';
import type { ConsulApi } from './consul.ts';
import type { Daemon, DaemonOptions, Rig } from './index.ts';
import { KubernetesApi } from './kubernetes.ts';
import { apply, isClusterWide, pathOf, readKubeconfig, ROOT, type Rendered } from './manifests.ts';
import { until } from './until.ts';

/** One verb on one resource: the smallest thing that can be taken away. */
export interface Right {
  /** As kubectl says it: `watch endpointslices.discovery.k8s.io`. */
  readonly name: string;
  readonly role: string;
  /** Undefined when it holds in all of them. */
  readonly namespace: string | undefined;
  readonly clusterWide: boolean;
  readonly verb: string;
  readonly resource: string;
  readonly apiGroup: string;
  readonly resourceName: string | undefined;
}

interface Role extends Rendered {
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly resourceNames?: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

const isRole = (object: Rendered): object is Role => object.kind === 'ClusterRole' || object.kind === 'Role';

/** Everything that the roles among the objects grant, one by one. */
export function rightsOf(objects: readonly Rendered[]): Right[] {
  return objects.filter(isRole).flatMap((role) =>
    role.rules.flatMap(({ apiGroups, resources, resourceNames = [undefined], verbs }) =>
      product(apiGroups, resources, resourceNames, verbs).map(([apiGroup, resource, resourceName, verb]) => ({
        name: `${verb} ${resource}${apiGroup === '' ? '' : `.${apiGroup}`}`,
        role: role.metadata.name,
        namespace: role.metadata.namespace,
        clusterWide: role.kind === 'ClusterRole',
        ...{ verb, resource, apiGroup, resourceName },
      })),
    ),
  );
}

function product<A, B, C, D>(as: readonly A[], bs: readonly B[], cs: readonly C[], ds: readonly D[]): [A, B, C, D][] {
  return as.flatMap((a) => bs.flatMap((b) => cs.flatMap((c) => ds.map((d): [A, B, C, D] => [a, b, c, d]))));
}

/** The same objects with exactly that right less. */
export function withoutRight(objects: readonly Rendered[], gone: string): Rendered[] {
  return objects.map((object) => {
    if (!isRole(object)) return object;
    const rules = rightsOf([object])
      .filter(({ name }) => name !== gone)
      .map(({ verb, resource, apiGroup, resourceName }) => ({
        apiGroups: [apiGroup],
        resources: [resource],
        verbs: [verb],
        ...(resourceName === undefined ? {} : { resourceNames: [resourceName] }),
      }));
    return { ...object, rules };
  });
}

/** One rule of a policy file: `node_prefix "" read`. */
export interface PolicyRule {
  readonly name: string;
  readonly text: string;
}

/** The shipped policy, for a cluster of the tests' own. @throws Error on what is neither a rule nor a comment. */
export async function readPolicy(cluster: string): Promise<PolicyRule[]> {
  const file = 'deploy/consul/policy.hcl';
  const text = (await readFile(join(ROOT, file), 'utf8')).replaceAll(/^#.*\n/gm, '');
  const pattern = /^(\w+) "([^"]*)" \{\n {2}policy = "(\w+)"\n\}\n/gm;
  const rest = text.replaceAll(pattern, '').trim();
  if (rest !== '') throw new Error(`read ${file}: expected rules and comments, found ${rest}`);
  return [...text.matchAll(pattern)].map(([rule, resource = '', segment = '', policy = '']) => ({
    name: `${resource} "${segment}" ${policy}`,
    // The example's name, as its user is told to replace it.
    text: rule.replace(/(?<=["/-])dev(?=[-/"])/, cluster),
  }));
}

export async function createConsulToken(
  consul: ConsulApi,
  name: string,
  rules: readonly PolicyRule[],
): Promise<string> {
  await consul.must('PUT', '/acl/policy', { Name: name, Rules: rules.map(({ text }) => text).join('\n') });
  const token = await consul.must('PUT', '/acl/token', { Description: name, Policies: [{ Name: name }] });
  return (token as { SecretID: string }).SecretID;
}

/** An API server as a test uses it: the shared one, or one of its own. */
export interface ApiServer {
  readonly api: KubernetesApi;
  readonly kubeconfig: string;
}

export interface StageOptions {
  readonly rig: Rig;
  readonly server: ApiServer;
  readonly objects: readonly Rendered[];
  /** Taken away from the roles or from the policy; nothing when it is undefined. */
  readonly without?: string;
  /** How long a Service outlives its Consul service. @default 20ms */
  readonly removalGrace?: string;
  /** What the names of namespaces end in that are mirrored into besides the stage's own. They are not made, and no Role is. */
  readonly alsoInto?: readonly string[];
  /** Other settings of that direction. */
  readonly toKubernetes?: object;
  readonly timings?: Timings;
}

/** A cluster name and a namespace of its own, the shipped rights in them, and daemons that have no others. */
export interface Stage {
  readonly rig: Rig;
  readonly kubernetes: KubernetesApi;
  readonly consul: ConsulApi;
  readonly cluster: string;
  readonly namespace: string;
  /** All that are mirrored into, the one above among them. */
  readonly mirrorNamespaces: readonly string[];
  /** Whose Services may take Consul instances in; nothing is mirrored into it. */
  readonly importNamespace: string;
  /** Those of its daemons. */
  readonly options: DaemonOptions;
  /** The configuration of its daemons, for a command, in a file. */
  configFile(): Promise<string>;
  /** Every daemon that ran here; the last one is the newest. */
  readonly daemons: readonly Daemon[];
  readonly daemon: Daemon;
  /** The name of a Consul service that pods of this cluster may register. */
  name(suffix: string): string;
  start(more?: Pick<DaemonOptions, 'pod'>): Promise<Daemon>;
  /** One more, which stands by while the newest leads: that one stays the newest. */
  startBeside(): Promise<Daemon>;
  stop(): Promise<void>;
  close(): Promise<void>;
}

export async function openStage({
  rig,
  server,
  objects,
  without,
  removalGrace = '20ms',
  alsoInto = [],
  toKubernetes = {},
  timings = {},
}: StageOptions): Promise<Stage> {
  const cluster = `r${randomBytes(4).toString('hex')}`;
  const namespace = `${cluster}-apps`;
  const importNamespace = `${cluster}-imports`;
  const folder = await mkdtemp(join(tmpdir(), 'consular-rights-'));
  const rules = (await readPolicy(cluster)).filter(({ name }) => name !== without);
  // Not createNamespace(): a server of the test's own has no controller that makes the account which that waits for.
  for (const name of [namespace, importNamespace])
    await server.api.must('POST', '/api/v1/namespaces', { metadata: { name } });
  const mirrorNamespaces = [namespace, ...alsoInto.map((suffix) => `${cluster}-${suffix}`)];
  const kubeconfig = await grant(server, without === undefined ? objects : withoutRight(objects, without), {
    cluster,
    namespace,
    mirrorNamespaces,
    importNamespace,
    folder,
  });
  const options: DaemonOptions = {
    cluster,
    kubeconfig,
    token: await createConsulToken(rig.consul, cluster, rules),
    awaitStart: false,
    leaderElection: { enabled: true, namespace },
    timings,
    toConsul: { namespaces: { include: [namespace], exclude: [] }, readinessGate: true },
    toKubernetes: {
      namespaces: mirrorNamespaces,
      importNamespaces: [importNamespace],
      services: { include: [`${cluster}-*`], exclude: [] },
      // Long enough to see that endpoints go first, and not to be waited for.
      removalGrace,
      ...toKubernetes,
    },
  };
  const daemons: Daemon[] = [];
  const stop = async () => void (await Promise.all(daemons.map((daemon) => daemon.stop())));
  return {
    ...{ rig, cluster, namespace, mirrorNamespaces, importNamespace, options, daemons, stop },
    kubernetes: server.api,
    consul: rig.consul,
    get daemon() {
      const daemon = daemons.at(-1);
      if (!daemon) throw new Error(`look at the daemon of ${cluster}: expected one that was started, found none`);
      return daemon;
    },
    name: (suffix) => `${cluster}-${suffix}`,
    configFile: async () => {
      const file = join(folder, 'consular.json');
      const tokenFile = join(folder, 'token');
      await writeFile(tokenFile, options.token ?? '');
      const { toConsul, toKubernetes } = options;
      const besides = [...rig.clusters].filter((other) => other !== cluster);
      await writeFile(file, JSON.stringify({ cluster, besides, consul: { tokenFile }, toConsul, toKubernetes }));
      return file;
    },
    start: async (more) => {
      const daemon = await rig.startDaemon({ ...options, ...more });
      daemons.push(daemon);
      return daemon;
    },
    startBeside: async () => {
      const daemon = await rig.startDaemon(options);
      daemons.unshift(daemon);
      return daemon;
    },
    close: async () => {
      await stop();
      await server.api.must('DELETE', `/api/v1/namespaces/${importNamespace}/services`);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Place {
  readonly cluster: string;
  readonly namespace: string;
  /** All that are mirrored into, the one above among them. */
  readonly mirrorNamespaces: readonly string[];
  readonly importNamespace: string;
  readonly folder: string;
}

/** Gives the account of a stage what it did not have from the beginning. */
export function grantMore(server: ApiServer, objects: readonly Rendered[], stage: Stage): Promise<void> {
  const placed = objects.map((object) => placeObject(object, stage));
  return applyRights(server, placed, stage);
}

/** The same in another namespace than the stage's own, as a kustomization for one more mirror namespace does. */
export function grantIn(
  namespace: string,
  server: ApiServer,
  objects: readonly Rendered[],
  stage: Stage,
): Promise<void> {
  return applyRights(server, placeIn(namespace, objects, stage), stage);
}

/** Takes away what was given there. */
export async function revokeIn(
  namespace: string,
  { api }: ApiServer,
  objects: readonly Rendered[],
  stage: Stage,
): Promise<void> {
  const placed = placeIn(namespace, objects, stage);
  for (const object of placed) await api.must('DELETE', pathOf(object));
  const account = { namespace: stage.namespace, name: 'consular' };
  for (const right of rightsOf(placed))
    await until(`${right.name} to be gone`, async () => !(await isAllowed(api, account, right, namespace)));
}

function placeIn(namespace: string, objects: readonly Rendered[], stage: Stage): Rendered[] {
  return objects
    .map((object) => placeObject(object, stage))
    .map((object) => ({ ...object, metadata: { ...object.metadata, namespace } }));
}

async function applyRights({ api, kubeconfig }: ApiServer, placed: readonly Rendered[], stage: Stage): Promise<void> {
  for (const object of placed) await apply(readKubeconfig(kubeconfig), object);
  const account = { namespace: stage.namespace, name: 'consular' };
  await Promise.all(rightsOf(placed).map((right) => untilGranted(api, account, right)));
}

/** Applies account, roles and bindings as they are shipped, under names of this stage; returns a kubeconfig of the account. */
async function grant({ api, kubeconfig }: ApiServer, objects: readonly Rendered[], place: Place): Promise<string> {
  const { namespace, folder } = place;
  const admin = readKubeconfig(kubeconfig);
  const placed = objects
    .filter(({ kind }) => /Role|ServiceAccount/.test(kind))
    .map((object) => placeObject(object, place));
  for (const object of placed) await apply(admin, object);
  const account = placed.find(({ kind }) => kind === 'ServiceAccount')?.metadata.name ?? '';
  await Promise.all(rightsOf(placed).map((right) => untilGranted(api, { namespace, name: account }, right)));
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
  const { status } = await api.must('POST', path, { spec: { expirationSeconds: 3600 } });
  const file = join(folder, 'kubeconfig');
  const caFile = join(folder, 'ca.crt');
  await writeFile(caFile, admin.ca);
  await writeKubeconfig({ file, server: admin.server, caFile, token: (status as { token: string }).token });
  return file;
}

/**
 * Names of cluster-wide objects get the cluster, everything else moves to the namespace, what is for imports to theirs, where
 * the mirror namespace `default` is named, all of the stage are, and the Lease is that of the cluster; nothing else is changed.
 */
function placeObject(object: Rendered, place: Omit<Place, 'folder'>): Rendered {
  const { cluster, namespace, importNamespace, mirrorNamespaces } = place;
  const { kind, metadata } = object;
  const { roleRef, subjects, rules, ...rest } = object as Rendered & Referring;
  const name = (of: { kind: string; name: string }) => (of.kind === 'ClusterRole' ? `${of.name}-${cluster}` : of.name);
  return {
    ...rest,
    ...(roleRef && { roleRef: { ...roleRef, name: name(roleRef) } }),
    ...(rules && {
      rules: rules.map(({ resourceNames, ...rule }) => ({
        ...rule,
        ...(resourceNames && {
          resourceNames: resourceNames.flatMap((name) =>
            name === 'default' ? mirrorNamespaces : name.replace(/^consular-dev$/, `consular-${cluster}`),
          ),
        }),
      })),
    }),
    ...(subjects && { subjects: subjects.map((subject) => ({ ...subject, namespace })) }),
    metadata: isClusterWide(object)
      ? { ...metadata, name: name({ kind: 'ClusterRole', name: metadata.name }) }
      : { ...metadata, namespace: metadata.name === 'consular-import' ? importNamespace : namespace },
    kind,
  };
}

interface Referring {
  readonly roleRef?: Reference;
  readonly subjects?: readonly Reference[];
  readonly rules?: Role['rules'];
}

interface Reference {
  readonly kind: string;
  readonly name: string;
}

/** The API server learns of roles and bindings by a watch of its own, a moment after they were written. */
async function untilGranted(api: KubernetesApi, account: Account, right: Right): Promise<void> {
  await until(`${right.name} to be granted`, () =>
    isAllowed(api, account, right, right.namespace ?? account.namespace),
  );
}

interface Account {
  readonly namespace: string;
  readonly name: string;
}

/** What the API server's authorizer says, in all namespaces when none is named. */
export async function isAllowed(
  api: KubernetesApi,
  account: Account,
  right: Pick<Right, 'verb' | 'resource' | 'apiGroup'> & Partial<Right>,
  namespace: string,
): Promise<boolean> {
  const answer = await api.must('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: {
      user: `system:serviceaccount:${account.namespace}:${account.name}`,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${account.namespace}`, 'system:authenticated'],
      resourceAttributes: {
        verb: right.verb,
        group: right.apiGroup,
        resource: right.resource,
        ...(right.resourceName === undefined ? {} : { name: right.resourceName }),
        ...(right.clusterWide === true ? {} : { namespace }),
      },
    },
  });
  return (answer.status as { allowed: boolean }).allowed;
}

export interface OlderApiServer extends ApiServer {
  close(): Promise<void>;
}

/** A real API server that does not stream lists, as Kubernetes did not before 1.32 and in 1.33; without controllers. */
export async function startOlderApiServer(): Promise<OlderApiServer> {
  return withFreshPorts(async () => {
    const run = await openRunDirectory('older-kubernetes');
    try {
      return await startOlderIn(run);
    } catch (error) {
      await run.close();
      throw error;
    }
  });
}

async function startOlderIn(run: RunDirectory): Promise<OlderApiServer> {
  const [{ address: etcd }, credentials, port] = await Promise.all([
    startEtcd(run),
    writeCredentials(run.path),
    freePort(),
  ]);
  const { adminToken, tokenFile, serviceAccountKeyFile } = credentials;
  const server = await startProcess({
    name: 'kube-apiserver',
    program: await findKubernetesProgram('kube-apiserver'),
    arguments: [
      '--feature-gates=WatchList=false',
      `--etcd-servers=${etcd}`,
      `--cert-dir=${run.path}/kube-apiserver`,
      '--bind-address=127.0.0.1',
      `--secure-port=${port}`,
      '--advertise-address=192.0.2.1',
      '--authorization-mode=RBAC',
      `--token-auth-file=${tokenFile}`,
      `--service-account-key-file=${serviceAccountKeyFile}`,
      `--service-account-signing-key-file=${serviceAccountKeyFile}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      '--service-cluster-ip-range=10.96.0.0/16',
    ],
    run,
  });
  const get = apiServerReader({ run, port, etcd, credentials });
  // kube-system, whose uid the daemon asks for, is made a moment after the server is ready.
  await waitUntilReady(
    server,
    async () => (await get('/readyz')) === 200 && (await get('/api/v1/namespaces/kube-system')) === 200,
  );
  const caFile = apiServerCaFile(run);
  const kubeconfig = join(run.path, 'kubeconfig');
  const address = `https://127.0.0.1:${port}`;
  await writeKubeconfig({ file: kubeconfig, server: address, caFile, token: adminToken });
  const api = new KubernetesApi(address, caFile, adminToken);
  return {
    api,
    kubeconfig,
    close: async () => {
      await api.close();
      await run.close();
    },
  };
}
