import { startProcess, type RunningProcess } from './process.ts';
import { findKubernetesProgram } from './programs.ts';
import type { RunDirectory } from './run-directory.ts';

export interface ControllerManagerOptions {
  readonly run: RunDirectory;
  readonly kubeconfig: string;
  readonly caFile: string;
  readonly serviceAccountKeyFile: string;
}

// What turns a Deployment into pods, counts those that may be evicted, turns Services into endpoints, and namespaces into
// something that pods can run in and that can be deleted again. Nothing here needs a node: pods are the tests' own to make ready.
const CONTROLLERS = [
  'deployment-controller',
  'disruption-controller',
  'endpoints-controller',
  'endpointslice-controller',
  'endpointslice-mirroring-controller',
  'garbage-collector-controller',
  'namespace-controller',
  'replicaset-controller',
  'root-ca-certificate-publisher-controller',
  'serviceaccount-controller',
  'serviceaccount-token-controller',
  'statefulset-controller',
];

export async function startControllerManager(options: ControllerManagerOptions): Promise<RunningProcess> {
  const { run, kubeconfig, caFile, serviceAccountKeyFile } = options;
  return startProcess({
    name: 'kube-controller-manager',
    program: await findKubernetesProgram('kube-controller-manager'),
    arguments: [
      `--kubeconfig=${kubeconfig}`,
      `--controllers=${CONTROLLERS.join(',')}`,
      '--leader-elect=false',
      '--secure-port=0', // nobody asks it anything
      '--authentication-skip-lookup=true',
      `--root-ca-file=${caFile}`,
      `--service-account-private-key-file=${serviceAccountKeyFile}`,
      '--kube-api-content-type=application/vnd.kubernetes.protobuf',
      // The defaults, 20 requests a second, are for a cluster that lives for months: 1 000 pods would take a minute.
      '--kube-api-qps=2000',
      '--kube-api-burst=4000',
      '--concurrent-deployment-syncs=20',
      '--concurrent-replicaset-syncs=20',
      '--concurrent-statefulset-syncs=20',
      '--concurrent-endpoint-syncs=20',
      '--concurrent-service-endpoint-syncs=20',
      '--concurrent-namespace-syncs=20',
      '--mirroring-concurrent-service-endpoint-syncs=20',
    ],
    run,
  });
}
