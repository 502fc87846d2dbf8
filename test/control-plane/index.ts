import { startConsul, type ConsulOptions, type ConsulServer } from './consul.ts';
import { startKubernetes, type KubernetesPlane } from './kubernetes.ts';

export { leaderOf, startConsul, type ConsulAgent, type ConsulOptions, type ConsulServer } from './consul.ts';
export { readIstioDefinitions, readPrometheusDefinitions } from './definitions.ts';
export { startKubernetes, type KubernetesPlane, type SavedData } from './kubernetes.ts';
export { startProcess, waitUntilReady, type Program, type RunningProcess } from './process.ts';
export { findPrometheus, type Prometheus } from './prometheus.ts';
export { findActionlint, findConsul, findHelm, findKubernetesProgram, type KubernetesProgram } from './programs.ts';
export { openRunDirectory, type RunDirectory } from './run-directory.ts';

export interface ControlPlane {
  readonly kubernetes: KubernetesPlane;
  readonly consul: ConsulServer;
  stop(): Promise<void>;
}

/** Starts a real Kubernetes control plane and a real Consul on the loopback address, and returns when both are ready. */
export async function startControlPlane(options: { readonly consul?: ConsulOptions } = {}): Promise<ControlPlane> {
  const [kubernetes, consul] = await Promise.allSettled([startKubernetes(), startConsul(options.consul)]);
  if (kubernetes.status === 'fulfilled' && consul.status === 'fulfilled') {
    return plane(kubernetes.value, consul.value);
  }
  for (const half of [kubernetes, consul]) {
    if (half.status === 'fulfilled') await half.value.stop();
  }
  throw failureOf([kubernetes, consul]);
}

function plane(kubernetes: KubernetesPlane, consul: ConsulServer): ControlPlane {
  return {
    kubernetes,
    consul,
    stop: async () => {
      await Promise.all([kubernetes.stop(), consul.stop()]);
    },
  };
}

function failureOf(results: readonly PromiseSettledResult<unknown>[]): Error {
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
  // Both halves say the same when what is missing is the Go toolchain.
  const messages = new Set(failures.map(({ message }) => message));
  return new AggregateError(failures, [...messages].join('\n'));
}
