import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { inBackground } from '../background.ts';
import { escapeControls, escapeLines } from '../json.ts';

export interface StatusSource {
  /** What keeps the daemon from being ready, one sentence each; empty when it is ready. */
  notReady(): readonly string[];
  /** A plain value for people and scripts. */
  status(): unknown;
  readonly registry: Registry;
  /** Answers what else there is for people to look at; undefined for a path that is none of it. @default nothing */
  readonly page?: ((url: string) => Promise<Answer | undefined>) | undefined;
}

export interface StatusServer {
  /** The port it really listens on: the configured one may be 0. */
  readonly port: number;
  close(): void;
}

/** GET /healthz, /readyz, /metrics and /status, and the page where there is one; anything else is refused. Slow and large requests are cut off. */
export async function serveStatus(address: string, source: StatusSource): Promise<StatusServer> {
  const { host, port } = splitAddress(address);
  const server = createServer(
    { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 5000 },
    (request, response) => {
      inBackground(send(request, response, source));
    },
  );
  server.maxConnections = 100;
  await new Promise<void>((resolve, reject) => {
    // It stays for later ones, as when the process has no file descriptor left for a connection: nobody else hears these.
    server.on('error', (cause) => reject(new Error(`listen on ${address} for status requests`, { cause })));
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

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type: string;
  /** Beside the type. @default none */
  readonly headers?: Readonly<Record<string, string>>;
}

const PATHS = '/healthz, /readyz, /metrics and /status';
const PAGE = 'the page at /, and ';

function text(status: number, body: string): Answer {
  return { status, body, type: 'text/plain; charset=utf-8' };
}

/** The answer to a request. */
export async function answerTo(
  { method, url }: Pick<IncomingMessage, 'method' | 'url'>,
  source: StatusSource,
): Promise<Answer> {
  if (method !== 'GET') return text(405, 'only GET is answered here\n');
  switch (url) {
    case '/healthz':
      return text(200, 'ok\n');
    case '/readyz': {
      const reasons = source.notReady();
      return reasons.length === 0 ? text(200, 'ok\n') : text(503, `${reasons.map(escapeControls).join('\n')}\n`);
    }
    case '/metrics':
      return { status: 200, body: await source.registry.metrics(), type: source.registry.contentType };
    case '/status':
      return {
        status: 200,
        body: `${escapeLines(JSON.stringify(source.status(), null, 2))}\n`,
        type: 'application/json',
      };
    default:
      return (await source.page?.(url ?? '')) ?? text(404, `there is ${source.page ? PAGE : ''}${PATHS}\n`);
  }
}

/** Whoever asks gets an answer in any case. @throws whatever kept the right one from being given */
async function send(request: IncomingMessage, response: ServerResponse, source: StatusSource): Promise<void> {
  try {
    const { status, body, type, headers } = await answerTo(request, source);
    response.writeHead(status, { 'content-type': type, ...headers }).end(body);
  } catch (error) {
    if (response.headersSent) response.destroy();
    else
      response.writeHead(500, { 'content-type': 'text/plain' }).end('the answer could not be made: the log says why\n');
    throw error;
  }
}
