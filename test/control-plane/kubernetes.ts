import { cp, rm } from 'node:fs/promises';
import { startEtcd } from './etcd.ts';
import { apiServerCaFile, apiServerReader, startApiServer, type ApiServerOptions } from './kube-apiserver.ts';
import { startControllerManager } from './kube-controller-manager.ts';
import { writeCredentials, writeKubeconfig } from './kubernetes-credentials.ts';
import { freePort, withFreshPorts } from './ports.ts';
import { restartable, waitUntilReady, type RunningProcess } from './process.ts';
import { openRunDirectory, type RunDirectory } from './run-directory.ts';

/** etcd, kube-apiserver and kube-controller-manager, without a node. */
export interface KubernetesPlane {
  /** For example `https://127.0.0.1:12345`. */
  readonly server: string;
  /** The file of a kubeconfig whose user may do everything. */
  readonly kubeconfig: string;
  /** The token in that kubeconfig, for a test that speaks HTTP itself. */
  readonly adminToken: string;
  readonly caFile: string;
  readonly serviceAccountKeyFile: string;
  readonly apiServerPid: number;
  readonly etcdPid: number;
  /**
   * Ends the API server, by default without a goodbye; etcd keeps the objects. With SIGTERM it says goodbye: it takes no
   * new connections while open watches go on, until all are closed or 10 seconds have passed.
   */
  readonly stopApiServer: (signal?: NodeJS.Signals) => Promise<void>;
  /** Starts it again on the same port, with the same certificate; returns when it is ready. */
  readonly startApiServer: () => Promise<void>;
  readonly restartApiServer: (signal?: NodeJS.Signals) => Promise<void>;
  /** Copies the data of etcd as it is now; the API server has no etcd meanwhile. */
  readonly saveData: () => Promise<SavedData>;
  /**
   * As an operator puts a backup back: ends all programs, gives etcd these data, and starts all again. Without data it is
   * another cluster that answers at the same address, with the same certificate and tokens.
   * @param meanwhile done while nothing runs
   */
  readonly restoreData: (data: SavedData | undefined, meanwhile?: () => Promise<void>) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export interface SavedData {
  readonly folder: string;
}

// Made by the API server and the controllers after /readyz says yes; a test that is quicker than they are would fail.
const FIRST_OBJECTS = [
  '/api/v1/namespaces/default/services/kubernetes',
  '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes',
  '/api/v1/namespaces/default/serviceaccounts/default',
  '/api/v1/namespaces/default/configmaps/kube-root-ca.crt',
  '/api/v1/namespaces/kube-system/serviceaccounts/default',
];

export type KubernetesOptions = Pick<ApiServerOptions, 'serviceRange'>;

export async function startKubernetes(kubernetes: KubernetesOptions = {}): Promise<KubernetesPlane> {
  return withFreshPorts(async () => {
    const run = await openRunDirectory('kubernetes');
    try {
      return await startIn(run, kubernetes);
    } catch (error) {
      await run.close();
      throw error;
    }
  });
}

async function startIn(run: RunDirectory, kubernetes: KubernetesOptions): Promise<KubernetesPlane> {
  const [etcd, credentials, port] = await Promise.all([startEtcd(run), writeCredentials(run.path), freePort()]);
  const options: ApiServerOptions = { run, port, etcd: etcd.address, credentials, ...kubernetes };
  const server = `https://127.0.0.1:${port}`;
  const caFile = apiServerCaFile(run);
  const kubeconfig = `${run.path}/kubeconfig`;
  const { adminToken, serviceAccountKeyFile } = credentials;

  const apiServer = restartable(await startApiServer(options), () => startApiServer(options));
  await writeKubeconfig({ file: kubeconfig, server, caFile, token: adminToken });
  const startControllers = async () => {
    const started = await startControllerManager({ run, kubeconfig, caFile, serviceAccountKeyFile });
    await waitForFirstObjects(started, options);
    return started;
  };
  const controllers = restartable(await startControllers(), startControllers);
  let saved = 0;
  return {
    ...{ server, kubeconfig, adminToken, caFile, serviceAccountKeyFile },
    get apiServerPid() {
      return apiServer.pid();
    },
    get etcdPid() {
      return etcd.pid();
    },
    stopApiServer: apiServer.stop,
    startApiServer: apiServer.start,
    restartApiServer: async (signal) => {
      await apiServer.stop(signal);
      await apiServer.start();
    },
    saveData: async () => {
      const folder = `${run.path}/saved-${++saved}`;
      await etcd.stop('SIGTERM');
      await cp(etcd.dataFolder, folder, { recursive: true });
      await etcd.start();
      return { folder };
    },
    restoreData: async (data, meanwhile) => {
      for (const program of [controllers, apiServer, etcd]) await program.stop();
      await meanwhile?.();
      await rm(etcd.dataFolder, { recursive: true });
      if (data) await cp(data.folder, etcd.dataFolder, { recursive: true });
      for (const program of [etcd, apiServer, controllers]) await program.start();
    },
    stop: () => run.close(),
  };
}

async function waitForFirstObjects(controllers: RunningProcess, options: ApiServerOptions): Promise<void> {
  const get = apiServerReader(options);
  await waitUntilReady(controllers, async () => {
    const codes = await Promise.all(FIRST_OBJECTS.map(get));
    return codes.every((code) => code === 200);
  });
}
