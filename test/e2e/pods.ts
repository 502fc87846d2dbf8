import { fileURLToPath } from 'node:url';
import { waitUntilReady } from '../control-plane/index.ts';
import type { KubernetesApi } from '../rig/kubernetes.ts';
import { NODE_ADDRESS, type Network } from './network.ts';

/** A pod whose process really runs. There is no kubelet, so what a kubelet would do is done here. */
export interface Pod {
  readonly origin: string;
  /** As `GET /instance` says it. */
  readonly instance: string;
  /** As `kubectl delete pod` does: the pod is being deleted, and its process runs on. */
  beginDeletion(): Promise<void>;
  /** As a kubelet does at the end of a deletion: the process is gone, then the object. */
  finishDeletion(): Promise<void>;
}

export interface PodOptions {
  readonly namespace: string;
  readonly name: string;
  /** What it says that it is. */
  readonly app: string;
  readonly address: string;
  readonly annotations?: Record<string, string>;
  /** The origin of what it calls before it answers. */
  readonly callee?: string;
}

export const NODE = 'node-1';
export const POD_PORT = 8080;
const PROGRAM = { file: process.execPath, prefix: [fileURLToPath(new URL('./pod-app.js', import.meta.url))] };

export async function createNode(kubernetes: KubernetesApi): Promise<void> {
  await kubernetes.createNode(NODE);
  await kubernetes.must('PATCH', `/api/v1/nodes/${NODE}/status`, {
    status: { addresses: [{ type: 'InternalIP', address: NODE_ADDRESS }] },
  });
}

/** Starts a pod that is Ready as soon as its process answers. */
export async function startPod(kubernetes: KubernetesApi, network: Network, options: PodOptions): Promise<Pod> {
  const { namespace, name, app, address, annotations = {}, callee } = options;
  const status = { ip: address, hostIP: NODE_ADDRESS };
  const ports = [{ name: 'http', containerPort: POD_PORT }];
  await kubernetes.createPendingPod(namespace, name, { annotations, labels: { app }, node: NODE, ports });
  const host = await network.addHost(name, address);
  const server = await host.start({
    name,
    program: PROGRAM,
    arguments: [app, address, String(POD_PORT), ...(callee === undefined ? [] : [callee])],
  });
  const origin = `http://${address}:${POD_PORT}`;
  // Any answer will do: what it calls may not be there yet.
  await waitUntilReady(server, async () => (await fetch(origin)).status > 0);
  await kubernetes.setPodStatus(namespace, name, status);
  return {
    origin,
    instance: `${app}@${address}:${POD_PORT}`,
    beginDeletion: async () => {
      const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
      await kubernetes.must('DELETE', path, { gracePeriodSeconds: 30 });
    },
    finishDeletion: async () => {
      await host.close();
      await kubernetes.deletePod(namespace, name);
    },
  };
}
