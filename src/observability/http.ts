import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { inBackground } from '../background.ts';
import { escapeControls, escapeLines } from '../json.ts';
import { limitConnections } from './connections.ts';
import { isSafeHost } from './hosts.ts';

export interface StatusSource {
  /** What keeps the daemon from being ready, one sentence each; empty when it is ready. */
  notReady(): readonly string[];
  /** A plain value for people and scripts. */
  status(): unknown;
  readonly registry: Registry;
  /** Answers what else there is for people to look at; undefined for a path that is none of it. @default nothing */
  readonly page?: ((url: string) => Promise<Answer | undefined>) | undefined;
  /** Names under which everything may be shown, in lower case, beside those that nobody can have on the internet. @default none */
  readonly hosts?: readonly string[];
}

export interface StatusServer {
  /** The port it really listens on: the configured one may be 0. */
  readonly port: number;
  close(): void;
}

/** All at once; whoever comes then takes the place of another. */
const MOST_CONNECTIONS = 100;
/** Slow requests are looked for so often: Node's 30 s would let one take as long. */
const LOOK_FOR_SLOW_MS = 1000;
/** Whoever does not read an answer for so long does not get the rest. */
const SILENT_MS = 30_000;

/** GET and HEAD of /healthz, /readyz, /metrics and /status, and of the page where there is one; anything else is refused. Slow and large requests are cut off. */
export async function serveStatus(address: string, source: StatusSource): Promise<StatusServer> {
  const { host, port } = splitAddress(address);
  const server = createServer(
    {
      ...{ maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 5000 },
      connectionsCheckingInterval: LOOK_FOR_SLOW_MS,
    },
    (request, response) => {
      inBackground(send(request, response, source));
    },
  );
  server.timeout = SILENT_MS;
  limitConnections(server, MOST_CONNECTIONS);
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

/** Of every answer: it is what it says it is, it is of this moment, and no page of others takes it in. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
};

function text(status: number, body: string): Answer {
  return { status, body, type: 'text/plain; charset=utf-8' };
}

/** The answer to a request; to HEAD that to GET. */
export async function answerTo(
  { method, url = '', headers }: Pick<IncomingMessage, 'method' | 'url' | 'headers'>,
  source: StatusSource,
): Promise<Answer> {
  if (method !== 'GET' && method !== 'HEAD')
    return { ...text(405, 'only GET and HEAD are answered here\n'), headers: { allow: 'GET, HEAD' } };
  const [path = ''] = url.split('?', 1);
  const isShown = isSafeHost(headers.host, source.hosts ?? []);
  // Probes are answered whatever they call it: who is refused here would be started anew.
  if (path === '/healthz') return text(200, 'ok\n');
  if (path === '/readyz') return readiness(source.notReady(), isShown);
  if (!isShown) return text(403, refusalOf(headers.host));
  switch (path) {
    case '/metrics':
      return { status: 200, body: await source.registry.metrics(), type: source.registry.contentType };
    case '/status':
      return {
        status: 200,
        body: `${escapeLines(JSON.stringify(source.status(), null, 2))}\n`,
        type: 'application/json',
      };
    default:
      return (await source.page?.(url)) ?? text(404, `there is ${source.page ? PAGE : ''}${PATHS}\n`);
  }
}

function readiness(reasons: readonly string[], isShown: boolean): Answer {
  if (reasons.length === 0) return text(200, 'ok\n');
  return text(503, isShown ? `${reasons.map(escapeControls).join('\n')}\n` : 'not ready\n');
}

function refusalOf(host: string | undefined): string {
  return (
    `Host: expected an address, localhost, a name without a dot, NAME.svc, NAME.cluster.local or one of http.hosts, ` +
    `found ${escapeControls(JSON.stringify(host))}; any other could be that of a page of the internet\n`
  );
}

/** Whoever asks gets an answer in any case. @throws whatever kept the right one from being given */
async function send(request: IncomingMessage, response: ServerResponse, source: StatusSource): Promise<void> {
  try {
    const { status, body, type, headers } = await answerTo(request, source);
    const length = Buffer.byteLength(body);
    response.writeHead(status, { ...HEADERS, 'content-type': type, 'content-length': length, ...headers });
    // Of an answer to HEAD Node sends the header only.
    response.end(body);
  } catch (error) {
    if (response.headersSent) response.destroy();
    else {
      response.writeHead(500, { ...HEADERS, 'content-type': 'text/plain' });
      response.end('the answer could not be made: the log says why\n');
    }
    throw error;
  }
}
