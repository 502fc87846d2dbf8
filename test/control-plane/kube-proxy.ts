import { request } from 'undici';
import { freePort } from './ports.ts';
import { startProcess, waitUntilReady, type RunningProcess } from './process.ts';
import { findKubernetesProgram } from './programs.ts';
import type { RunDirectory } from './run-directory.ts';

export interface KubeProxyOptions {
  readonly run: RunDirectory;
  readonly kubeconfig: string;
  /** The name of a Node object that has an InternalIP. */
  readonly node: string;
  /** Of all pods of the cluster. */
  readonly clusterCidr: string;
}

/**
 * Starts kube-proxy and waits until it has written its first rules. It programs the nftables of the network namespace
 * that this process is in, with the `nft` program of the PATH.
 */
export async function startKubeProxy({
  run,
  kubeconfig,
  node,
  clusterCidr,
}: KubeProxyOptions): Promise<RunningProcess> {
  const [healthPort, metricsPort] = [await freePort(), await freePort()];
  const proxy = await startProcess({
    name: 'kube-proxy',
    program: await findKubernetesProgram('kube-proxy'),
    arguments: [
      `--kubeconfig=${kubeconfig}`,
      `--hostname-override=${node}`,
      '--proxy-mode=nftables',
      `--cluster-cidr=${clusterCidr}`,
      // Two pods on one bridge would answer each other directly, past the rules that changed the address.
      '--masquerade-all',
      `--healthz-bind-address=127.0.0.1:${healthPort}`,
      `--metrics-bind-address=127.0.0.1:${metricsPort}`,
      // Leave alone what belongs to the whole machine, and not to a network namespace.
      '--conntrack-max-per-core=0',
      '--conntrack-tcp-timeout-established=0',
      '--conntrack-tcp-timeout-close-wait=0',
    ],
    run,
    environment: { PATH: process.env.PATH },
  });
  await waitUntilReady(proxy, async () => {
    const { statusCode, body } = await request(`http://127.0.0.1:${healthPort}/healthz`);
    await body.dump();
    return statusCode === 200;
  });
  return proxy;
}
