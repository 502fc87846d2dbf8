import { existsSync, readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { delimiter, join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { Agent, type Dispatcher } from 'undici';
import { inBackground } from '../background.ts';
import type { KubernetesConfig } from '../config/schema.ts';
import { firstEnd, knownEnds, lastEnd } from '../observability/certificate-ends.ts';

type ConnectionConfig = Pick<KubernetesConfig, 'kubeconfig' | 'context'>;

/** Where the kubelet puts the credentials of a pod's service account. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Credentials are read again this often: client-node itself looks at rotated token files once a minute. */
const CREDENTIALS_AGE_MS = 10_000;

/** Where the API server is and how to speak to it; the only module that loads @kubernetes/client-node at run time. */
export interface KubernetesConnection {
  readonly server: string;
  /** Connections and headers for the next request; `fresh` reads the credentials again, as after a 401. */
  authenticate(fresh?: boolean): Promise<Credentials>;
  /** When the certificates end that connections are made with now, by what they are for; none before the first connection. */
  readonly certificateEnds: ReadonlyMap<'kubernetes-ca' | 'kubernetes-client', Date>;
  close(): Promise<void>;
}

export interface Credentials {
  readonly dispatcher: Dispatcher;
  readonly headers: Readonly<Record<string, string>>;
}

/** @throws Error when there is no usable kubeconfig, naming the ways to give one. */
export function connectKubernetes(config: ConnectionConfig): KubernetesConnection {
  const kubeconfig = loadKubeConfig(config);
  const cluster = kubeconfig.getCurrentCluster();
  if (!cluster)
    throw new Error(
      `read kubeconfig: expected a current context that names a cluster, found "${kubeconfig.getCurrentContext()}"`,
    );
  let tls = '';
  let dispatcher: Agent | undefined;
  let certificateEnds: KubernetesConnection['certificateEnds'] = new Map();
  let cached: { readonly credentials: Credentials; readonly at: number } | undefined;

  async function authenticate(fresh = false): Promise<Credentials> {
    if (cached && !fresh && performance.now() - cached.at < CREDENTIALS_AGE_MS) return cached.credentials;
    const options: RequestOptions & { headers?: Record<string, string> } = {};
    await kubeconfig.applyToHTTPSOptions(options);
    const { ca, cert, key, servername, rejectUnauthorized } = options;
    const now = JSON.stringify([ca, cert, key, servername, rejectUnauthorized].map(String));
    if (!dispatcher || now !== tls) {
      // A rotated certificate needs new connections; the old ones end with their requests.
      inBackground(dispatcher?.close());
      tls = now;
      certificateEnds = endsOf(options);
      dispatcher = new Agent({
        allowH2: false, // one reset of a shared HTTP/2 connection would kill every watch at once
        keepAliveTimeout: 60_000,
        connect: {
          timeout: 10_000,
          keepAlive: true,
          keepAliveInitialDelay: 30_000,
          ...defined({ ca, cert, key, servername, rejectUnauthorized }),
        },
      });
    }
    const headers: Record<string, string> = { ...options.headers };
    if (typeof options.auth === 'string')
      headers.Authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`;
    cached = { credentials: { dispatcher, headers }, at: performance.now() };
    return cached.credentials;
  }

  return {
    server: cluster.server.replace(/\/$/, ''),
    authenticate,
    get certificateEnds() {
      return certificateEnds;
    },
    // Not close(): that waits for running watches.
    close: async () => dispatcher?.destroy(),
  };
}

/** What comes from a kubeconfig may be bytes. */
function endsOf({ ca, cert }: RequestOptions): KubernetesConnection['certificateEnds'] {
  const textOf = (pem: typeof ca) => (typeof pem === 'string' || Buffer.isBuffer(pem) ? pem.toString() : '');
  return knownEnds([
    ['kubernetes-ca', lastEnd(textOf(ca))],
    ['kubernetes-client', firstEnd(textOf(cert))],
  ]);
}

/** The pod that this process runs in and whose service account it uses. */
export interface OwnPod {
  /** Empty when the service account does not tell it. */
  readonly namespace: string;
}

/**
 * Undefined where a kubeconfig says which cluster is meant: that may be another than that of the pod.
 * @param folder what the kubelet wrote
 */
export function findOwnPod({ kubeconfig }: ConnectionConfig, folder = SERVICE_ACCOUNT): OwnPod | undefined {
  if (kubeconfig !== '' || !isInPod(folder)) return undefined;
  const file = join(folder, 'namespace');
  return { namespace: existsSync(file) ? readFileSync(file, 'utf8').trim() : '' };
}

function isInPod(folder: string): boolean {
  return existsSync(join(folder, 'token'));
}

function loadKubeConfig({ kubeconfig: path, context }: ConnectionConfig): KubeConfig {
  const kubeconfig = new KubeConfig();
  if (path !== '') loadFiles(kubeconfig, path);
  else if (isInPod(SERVICE_ACCOUNT)) kubeconfig.loadFromCluster();
  else kubeconfig.loadFromDefault();
  if (context !== '') {
    if (!kubeconfig.getContextObject(context))
      throw new Error(`read kubeconfig: expected a context named "${context}", found none`);
    kubeconfig.setCurrentContext(context);
  }
  return kubeconfig;
}

/** KUBECONFIG may be a list of files; the first that says something wins, as with kubectl. */
function loadFiles(kubeconfig: KubeConfig, paths: string): void {
  const files = paths
    .split(delimiter)
    .filter((path) => path !== '')
    .map(loadFile);
  kubeconfig.loadFromOptions({
    clusters: firstOfEachName(files.flatMap(({ clusters }) => clusters)),
    users: firstOfEachName(files.flatMap(({ users }) => users)),
    contexts: firstOfEachName(files.flatMap(({ contexts }) => contexts)),
    currentContext: files.map(({ currentContext }) => currentContext).find(Boolean) ?? '',
  });
}

function firstOfEachName<T extends { readonly name: string }>(entries: readonly T[]): T[] {
  return entries.filter(({ name }, i) => entries.findIndex((entry) => entry.name === name) === i);
}

function loadFile(path: string): KubeConfig {
  const kubeconfig = new KubeConfig();
  try {
    kubeconfig.loadFromFile(path);
    return kubeconfig;
  } catch (cause) {
    throw new Error(`read kubeconfig ${path}`, { cause });
  }
}

function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
