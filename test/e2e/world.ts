import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openRunDirectory, startControlPlane, type RunDirectory } from '../control-plane/index.ts';
import { startKubeProxy } from '../control-plane/kube-proxy.ts';
import { ConsulApi } from '../rig/consul.ts';
import { startConsular } from '../rig/consular.ts';
import { KubernetesApi } from '../rig/kubernetes.ts';
import { openNetwork, POD_NETWORK, ROUTER_ADDRESS, type Network } from './network.ts';
import { createNode, NODE, startPod, type Pod, type PodOptions } from './pods.ts';

/** A network with both systems, kube-proxy and Consular in it, all real. */
export interface World {
  readonly network: Network;
  readonly kubernetes: KubernetesApi;
  readonly consul: ConsulApi;
  startPod(options: PodOptions): Promise<Pod>;
  /** The end of what each process wrote. */
  output(): string;
  close(): Promise<void>;
}

const SHOWN_LINES = 40;

/** @param toKubernetes settings of that direction */
export async function openWorld(toKubernetes: object = {}): Promise<World> {
  const run = await openRunDirectory('e2e');
  const closing: (() => Promise<unknown>)[] = [() => run.close()];
  const close = async () => {
    for (const step of closing) await step();
  };
  try {
    const network = await openNetwork(run);
    closing.push(() => network.close());
    const plane = await startControlPlane({ consul: { clientAddress: ROUTER_ADDRESS } });
    const { server, caFile, adminToken, kubeconfig } = plane.kubernetes;
    const kubernetes = new KubernetesApi(server, caFile, adminToken);
    const consul = new ConsulApi(plane.consul.address);
    closing.push(
      () => Promise.all([kubernetes.close(), consul.close()]),
      () => plane.stop(),
    );
    await createNode(kubernetes);
    await startKubeProxy({ run, kubeconfig, node: NODE, clusterCidr: POD_NETWORK });
    await startConsular(run, {
      cluster: 'e2e',
      kubernetes: { kubeconfig },
      consul: { address: plane.consul.address },
      toKubernetes,
    });
    return {
      ...{ network, kubernetes, consul, close },
      startPod: (options) => startPod(kubernetes, network, options),
      output: () => lastLines(run),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function lastLines(run: RunDirectory): string {
  const logs = readdirSync(run.path).filter((file) => file.endsWith('.log'));
  return logs
    .map((file) => {
      const lines = readFileSync(join(run.path, file), 'utf8').trimEnd().split('\n').slice(-SHOWN_LINES);
      return `--- ${file}\n${lines.join('\n')}\n`;
    })
    .join('');
}
