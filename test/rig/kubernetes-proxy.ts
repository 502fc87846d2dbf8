import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { readKubeconfig } from './manifests.ts';

/** A request that was held on its way to the API server. */
export interface HeldRequest {
  readonly method: string;
  readonly path: string;
  /** Lets it go; resolves with the status that the API server answered. */
  release(): Promise<number>;
}

/** The way to an API server, request by request. */
export interface KubernetesProxy {
  /** The file of a kubeconfig that leads through it. */
  readonly kubeconfig: string;
  /** Requests for which this is true do not come through until they are released. */
  isHeld: (method: string, path: string) => boolean;
  readonly held: readonly HeldRequest[];
  close(): Promise<void>;
}

/** @param folder where its files are written */
export async function openKubernetesProxy(kubeconfig: string, folder: string): Promise<KubernetesProxy> {
  const { server: upstream, ca, token } = readKubeconfig(kubeconfig);
  const agent = new Agent({ ca, keepAlive: true });
  const held: HeldRequest[] = [];

  /** The status; the answer is handed on as long as somebody waits for it. */
  async function forward(incoming: IncomingMessage, body: Buffer, outgoing: ServerResponse): Promise<number> {
    const { method, url = '', headers } = incoming;
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const onward = request(new URL(url, upstream), { method, headers, agent }, resolve);
      onward.on('error', reject);
      if (method === 'GET') outgoing.on('close', () => onward.destroy());
      onward.end(body);
    });
    const status = answer.statusCode ?? 0;
    answer.on('error', () => outgoing.destroy());
    outgoing.on('error', () => answer.resume());
    outgoing.writeHead(status, answer.headers).flushHeaders();
    answer.pipe(outgoing);
    return status;
  }

  const server = createServer((incoming, outgoing) => {
    const { method = '', url: path = '' } = incoming;
    const handle = async () => {
      const body = await buffer(incoming);
      if (!proxy.isHeld(method, path)) return void (await forward(incoming, body, outgoing));
      held.push({ method, path, release: () => forward(incoming, body, outgoing) });
    };
    handle().catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const file = `${folder}/kubernetes-proxy-kubeconfig`;
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const shown = {
    apiVersion: 'v1',
    kind: 'Config',
    // Without this there is no plain HTTP.
    clusters: [{ name: 'test', cluster: { server: address, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    'current-context': 'test',
  };
  await writeFile(file, JSON.stringify(shown), { mode: 0o600 });
  const proxy: KubernetesProxy = {
    ...{ kubeconfig: file, held, isHeld: () => false },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      agent.destroy();
    },
  };
  return proxy;
}
