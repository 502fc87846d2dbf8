import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

export interface StatusSource {
  /** What keeps the daemon from being ready, one sentence each; empty when it is ready. */
  notReady(): readonly string[];
  /** A plain value for people and scripts. */
  status(): unknown;
  readonly registry: Registry;
}

export interface StatusServer {
  /** The port it really listens on: the configured one may be 0. */
  readonly port: number;
  close(): void;
}

/** GET /healthz, /readyz, /metrics and /status; anything else is refused. Slow and large requests are cut off. */
export async function serveStatus(address: string, source: StatusSource): Promise<StatusServer> {
  const { host, port } = splitAddress(address);
  const server = createServer(
    { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 5000 },
    (request, response) => {
      void answer(request, response, source);
    },
  );
  server.maxConnections = 100;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new Error(`listen on ${address} for status requests`, { cause })));
    server.listen(port, host === '' ? undefined : host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** `host:port`, the host possibly empty or in brackets. */
export function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

async function answer(request: IncomingMessage, response: ServerResponse, source: StatusSource): Promise<void> {
  const reply = (status: number, body: string, type = 'text/plain; charset=utf-8') => {
    response.writeHead(status, { 'content-type': type }).end(body);
  };
  if (request.method !== 'GET') return reply(405, 'only GET is answered here\n');
  switch (request.url) {
    case '/healthz':
      return reply(200, 'ok\n');
    case '/readyz': {
      const reasons = source.notReady();
      return reasons.length === 0 ? reply(200, 'ok\n') : reply(503, `${reasons.join('\n')}\n`);
    }
    case '/metrics':
      return reply(200, await source.registry.metrics(), source.registry.contentType);
    case '/status':
      return reply(200, `${JSON.stringify(source.status(), null, 2)}\n`, 'application/json');
    default:
      return reply(404, 'there is /healthz, /readyz, /metrics and /status\n');
  }
}
