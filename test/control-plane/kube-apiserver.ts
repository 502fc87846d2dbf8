import { readFile } from 'node:fs/promises';
import { Agent, request } from 'undici';
import type { Credentials } from './kubernetes-credentials.ts';
import { startProcess, waitUntilReady, type RunningProcess } from './process.ts';
import { findKubernetesProgram } from './programs.ts';
import type { RunDirectory } from './run-directory.ts';

export interface ApiServerOptions {
  readonly run: RunDirectory;
  readonly port: number;
  readonly etcd: string;
  readonly credentials: Credentials;
  /** Of ClusterIPs; two ranges, one for each IP family, separated by a comma. @default 10.96.0.0/16 */
  readonly serviceRange?: string | undefined;
}

// The API refuses endpoints on the loopback network, so the endpoint of the Service `kubernetes` is an address reserved
// for documentation. It also spares the API server the search for a default route, which a test machine may not have.
const ADVERTISED_ADDRESS = '192.0.2.1';

const ISSUER = 'https://kubernetes.default.svc';

/** Where the API server puts the certificate that it makes for itself; it serves as its own certificate authority. */
export function apiServerCaFile(run: RunDirectory): string {
  return `${run.path}/kube-apiserver/apiserver.crt`;
}

/** Starts the API server and waits until it answers that it is ready. */
export async function startApiServer(options: ApiServerOptions): Promise<RunningProcess> {
  const apiServer = await startProcess({
    name: 'kube-apiserver',
    program: await findKubernetesProgram('kube-apiserver'),
    arguments: apiServerArguments(options),
    run: options.run,
  });
  const get = apiServerReader(options);
  await waitUntilReady(apiServer, async () => (await get('/readyz')) === 200);
  return apiServer;
}

function apiServerArguments({
  run,
  port,
  etcd,
  credentials,
  serviceRange = '10.96.0.0/16',
}: ApiServerOptions): string[] {
  return [
    `--etcd-servers=${etcd}`,
    `--cert-dir=${run.path}/kube-apiserver`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--advertise-address=${ADVERTISED_ADDRESS}`,
    '--authorization-mode=Node,RBAC',
    `--token-auth-file=${credentials.tokenFile}`,
    `--service-account-key-file=${credentials.serviceAccountKeyFile}`,
    `--service-account-signing-key-file=${credentials.serviceAccountKeyFile}`,
    `--service-account-issuer=${ISSUER}`,
    `--service-cluster-ip-range=${serviceRange}`,
    '--allow-privileged=true',
    // The tests make thousands of objects at once; they measure the daemon, not the API server's patience.
    '--max-requests-inflight=3000',
    '--max-mutating-requests-inflight=1000',
  ];
}

/** Reads a path as the administrator and returns the answer's status code. */
export function apiServerReader({ run, port, credentials }: ApiServerOptions): (path: string) => Promise<number> {
  return async (path) => {
    const dispatcher = new Agent({ connect: { ca: await readFile(apiServerCaFile(run)) } });
    try {
      const headers = { authorization: `Bearer ${credentials.adminToken}` };
      const { statusCode, body } = await request(`https://127.0.0.1:${port}${path}`, { dispatcher, headers });
      await body.dump();
      return statusCode;
    } finally {
      await dispatcher.close();
    }
  };
}
