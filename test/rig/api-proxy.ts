import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, request } from 'undici';
import type { Kubeconfig } from './manifests.ts';

/** What stands between a reader and the real API server, and is not always helpful. */
export interface Faults {
  /** An answer of the proxy's own to some requests: a status code. */
  refuse?(query: URLSearchParams, accept: string): number | undefined;
  /** What is asked of the API server instead. */
  accept?(accept: string): string;
  /** How many objects a page has, whatever is asked for. */
  readonly pageSize?: number;
  /** Changes a piece of an answer in place. */
  spoil?(piece: Buffer): void;
  /** What the API server did not say, after a piece of its answer. */
  insert?(piece: Buffer, query: URLSearchParams): string | undefined;
  /** Cuts the connection after that many bytes of an answer. */
  cutAfter?(query: URLSearchParams): number | undefined;
}

export interface ApiProxy {
  readonly server: string;
  /** The Accept headers of all requests so far. */
  readonly asked: readonly string[];
  /** Ends all connections; new ones are welcome. */
  cut(): void;
  close(): Promise<void>;
}

export async function startApiProxy({ server: upstream, ca }: Kubeconfig, faults: Faults): Promise<ApiProxy> {
  const dispatcher = new Agent({ connect: { ca } });
  const asked: string[] = [];

  async function forward(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', upstream);
    const query = url.searchParams;
    const accept = incoming.headers.accept ?? '';
    asked.push(accept);
    const refusal = faults.refuse?.(query, accept);
    if (refusal !== undefined) {
      outgoing.writeHead(refusal).end('refused on the way');
      return;
    }
    if (faults.pageSize !== undefined && query.has('limit')) query.set('limit', String(faults.pageSize));
    const aborted = new AbortController();
    outgoing.on('close', () => aborted.abort());
    const { statusCode, headers, body } = await request(url, {
      dispatcher,
      headers: {
        authorization: incoming.headers.authorization ?? '',
        accept: faults.accept?.(accept) ?? accept,
      },
      signal: aborted.signal,
    });
    outgoing.writeHead(statusCode, { 'content-type': headers['content-type'] ?? '' });
    let left = faults.cutAfter?.(query) ?? Infinity;
    for await (const piece of body as AsyncIterable<Buffer>) {
      faults.spoil?.(piece);
      outgoing.write(piece.subarray(0, left));
      left -= piece.length;
      const inserted = faults.insert?.(piece, query);
      if (inserted !== undefined) outgoing.write(inserted);
      if (left > 0) continue;
      // The end of its writing, not of the answer: what was written still arrives.
      outgoing.socket?.end();
      return;
    }
    outgoing.end();
  }

  const proxy = createServer((incoming, outgoing) => void forward(incoming, outgoing).catch(() => outgoing.destroy()));
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    server: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    asked,
    cut: () => proxy.closeAllConnections(),
    async close() {
      proxy.closeAllConnections();
      proxy.close();
      await dispatcher.destroy();
    },
  };
}
