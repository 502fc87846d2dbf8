import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { ClientRequest, IncomingHttpHeaders, RequestOptions } from 'node:http';
import Consul from 'consul';
import type { ConsulConfig } from '../config/schema.ts';
import type { Log } from '../observability/log.ts';
import { Connections } from './connections.ts';
import { ConsulError } from './errors.ts';
import { MOST_LONG_POLLS } from './long-polls.ts';
import { TlsFiles } from './tls-files.ts';

/** A plain request without an answer by then is given up. */
const REQUEST_TIMEOUT_MS = 15_000;
/** A rotated token file is noticed this quickly, and at once after a 403. */
const TOKEN_AGE_MS = 5000;
/** Long polls have connections of their own, enough for all of them, or a write would wait for one of them to be answered. */
const MOST_SOCKETS = { longPolls: Object.values(MOST_LONG_POLLS).reduce((sum, most) => sum + most, 0), others: 20 };
/**
 * A longer answer is given up: no server may fill our memory. 20 000 critical checks with 3 KB of
 * output each fit, and so does a service with 50 000 instances.
 */
const LARGEST_ANSWER_BYTES = 64 * 1024 * 1024;

export interface ConsulRequest {
  /** Verb and object for error messages: "read service orders". */
  readonly purpose: string;
  /** Below /v1, with `{name}` for each parameter, which is then encoded. */
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  /** @default 15 s */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ConsulAnswer {
  readonly body: unknown;
  /** X-Consul-Index, 0 when it is missing or no number. */
  readonly index: number;
  readonly knownLeader: boolean;
  readonly filteredByAcls: boolean;
}

/** HTTP to Consul: address, TLS, token, deadlines, errors. The only module that loads the `consul` package at run time. */
export interface ConsulClient {
  /** @throws ConsulError */
  get(request: ConsulRequest): Promise<ConsulAnswer>;
  /**
   * @param request with the body as JSON text: the caller had to know the size of a large body, and has the text already
   * @throws ConsulError
   */
  put(request: ConsulRequest & { readonly json: string }): Promise<ConsulAnswer>;
  /** A question that has a body. @throws ConsulError */
  post(request: ConsulRequest & { readonly json: string }): Promise<ConsulAnswer>;
  close(): void;
}

/** The client, as code that only reads needs it. */
export type ConsulReader = Pick<ConsulClient, 'get'>;

/** What the package offers and its types do not say: the plain verbs below every method it has. */
interface Transport {
  _get(options: TransportOptions): Promise<TransportAnswer>;
  _put(options: TransportOptions): Promise<TransportAnswer>;
  _post(options: TransportOptions): Promise<TransportAnswer>;
  /** Calls the function for each request before it is sent. */
  _ext(event: 'onRequest', extension: (sending: Sending, next: () => void) => void): void;
}
interface Sending {
  transport: { request(options: RequestOptions): ClientRequest };
}
interface TransportOptions {
  path: string;
  params: Readonly<Record<string, string>>;
  query: Readonly<Record<string, string | readonly string[]>>;
  headers: Record<string, string>;
  timeout: number;
  ctx: EventEmitter;
  type?: 'json';
  body?: Buffer;
}
interface TransportAnswer {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

/**
 * @param tlsLookMs see TlsFiles
 * @throws Error when a TLS file cannot be used
 */
export function createConsulClient(
  config: ConsulConfig,
  userAgent: string,
  log: Log,
  tlsLookMs?: number,
): ConsulClient {
  const { address, serverName } = config;
  const tls = new URL(address).protocol === 'https:' ? new TlsFiles(config, log, { lookMs: tlsLookMs }) : undefined;
  const connections = {
    longPolls: new Connections({ most: MOST_SOCKETS.longPolls, tls, serverName }),
    others: new Connections({ most: MOST_SOCKETS.others, tls, serverName }),
  };
  const transports = {
    longPolls: createTransport(address, connections.longPolls),
    others: createTransport(address, connections.others),
  };
  const token = createTokenSource(config);

  async function send(verb: '_get' | '_put' | '_post', request: ConsulRequest, body?: Buffer): Promise<ConsulAnswer> {
    const { purpose, path, params = {}, query = {}, timeoutMs = REQUEST_TIMEOUT_MS, signal } = request;
    const cancel = new EventEmitter();
    const abort = () => cancel.emit('cancel');
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const current = await token.current();
      // Nobody listened to it while the token was read.
      signal?.throwIfAborted();
      const answer = await transports['index' in query ? 'longPolls' : 'others'][verb]({
        path,
        params,
        query: { ...(config.datacenter ? { dc: config.datacenter } : {}), ...query },
        headers: { 'user-agent': userAgent, ...(current ? { 'x-consul-token': current } : {}) },
        timeout: timeoutMs,
        ctx: cancel,
        ...(body === undefined ? {} : { type: 'json' as const, body }),
      });
      return decodeAnswer(answer);
    } catch (error) {
      const failure = asConsulError(purpose, error);
      if (failure.status === 403) token.forget();
      // Perhaps one side does not believe the other's certificate any more.
      if (failure.status === 0 && !signal?.aborted) void tls?.look();
      throw failure;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  return {
    get: (request) => send('_get', request),
    put: ({ json, ...request }) => send('_put', request, Buffer.from(json)),
    post: ({ json, ...request }) => send('_post', request, Buffer.from(json)),
    close: () => {
      for (const some of Object.values(connections)) some.destroy();
    },
  };
}

function createTransport(address: string, connections: Connections): Transport {
  const url = new URL(address);
  // The package's types refuse an option that its transport takes (baseUrl), and do not know its verbs.
  const options: object = { baseUrl: `${url.origin}${url.pathname.replace(/\/$/, '')}/v1` };
  const transport = new Consul(options) as unknown as Transport;
  transport._ext('onRequest', (sending, next) => {
    const { transport: plain } = sending;
    sending.transport = {
      request: (options) => watchAnswer(plain.request({ ...options, agent: connections.agent })),
    };
    next();
  });
  return transport;
}

/** The package collects an answer of any length, and waits for the rest of one that does not come any more. */
function watchAnswer(request: ClientRequest): ClientRequest {
  const giveUp = () => {
    const limit = LARGEST_ANSWER_BYTES / 1024 / 1024;
    request.destroy(new Error(`expected an answer of at most ${limit} MiB, found a longer one`));
  };
  request.once('upgrade', (_, socket) => {
    socket.destroy();
    request.emit('error', new Error('expected an answer in HTTP, found one in another protocol'));
  });
  return request.once('response', (answer) => {
    answer.once('close', () => {
      if (!answer.complete)
        request.emit('error', new Error('expected a whole answer, found one that ends in the middle'));
    });
    if (Number(answer.headers['content-length']) > LARGEST_ANSWER_BYTES) return giveUp();
    let bytes = 0;
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > LARGEST_ANSWER_BYTES) giveUp();
    });
  });
}

function createTokenSource({ token, tokenFile }: ConsulConfig) {
  let cached: { readonly value: string; readonly at: number } | undefined;
  return {
    /** The token to send now. @throws Error when its file cannot be read: going on without it would read as an empty catalog. */
    async current(): Promise<string> {
      if (tokenFile === '') return token;
      if (cached && performance.now() - cached.at < TOKEN_AGE_MS) return cached.value;
      const value = (await readFile(tokenFile, 'utf8')).trim();
      if (value === '') throw new Error(`read token file ${tokenFile}: expected a token, found an empty file`);
      cached = { value, at: performance.now() };
      return value;
    },
    forget(): void {
      cached = undefined;
    },
  };
}

function decodeAnswer({ headers, body }: TransportAnswer): ConsulAnswer {
  const index = Number(headers['x-consul-index']);
  return {
    body,
    index: Number.isSafeInteger(index) && index > 0 ? index : 0,
    // Absent on answers that did not go through the catalog; "false" is what an agent without a leader says.
    knownLeader: headers['x-consul-knownleader'] !== 'false',
    filteredByAcls: headers['x-consul-results-filtered-by-acls'] === 'true',
  };
}

function asConsulError(purpose: string, error: unknown): ConsulError {
  const response = error instanceof Error && 'response' in error ? (error.response as TransportAnswer) : undefined;
  if (!response) return new ConsulError(purpose, 0, '', error);
  const { statusCode, body } = response;
  const text =
    typeof body === 'string' ? body : Buffer.isBuffer(body) ? body.toString('utf8') : JSON.stringify(body ?? '');
  // A refused transaction is judged by its list of errors, so it is kept whole.
  return new ConsulError(purpose, statusCode, statusCode === 409 ? text : text.slice(0, 512), undefined);
}
