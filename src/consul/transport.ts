import type { EventEmitter } from 'node:events';
import type { ClientRequest, IncomingHttpHeaders, RequestOptions } from 'node:http';
import Consul from 'consul';
import type { Connections } from './connections.ts';

/**
 * A longer answer is given up: no server may fill our memory. 20 000 critical checks with 3 KB of
 * output each fit, and so does a service with 50 000 instances.
 */
const LARGEST_ANSWER_BYTES = 64 * 1024 * 1024;

/** What the package offers and its types do not say: the plain verbs below every method it has. */
export interface Transport {
  _get(options: TransportOptions): Promise<TransportAnswer>;
  _put(options: TransportOptions): Promise<TransportAnswer>;
  _post(options: TransportOptions): Promise<TransportAnswer>;
}
export type Verb = keyof Transport;

export interface TransportOptions {
  path: string;
  params: Readonly<Record<string, string>>;
  query: Readonly<Record<string, string | readonly string[]>>;
  headers: Record<string, string>;
  timeout: number;
  ctx: EventEmitter;
  type?: 'json';
  body?: Buffer;
}
export interface TransportAnswer {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

interface Extensible {
  /** Calls the function for each request before it is sent. */
  _ext(event: 'onRequest', extension: (sending: Sending, next: () => void) => void): void;
}
interface Sending {
  transport: { request(options: RequestOptions): ClientRequest };
}

/** Speaks HTTP to one address of Consul. The only module that loads the `consul` package at run time. */
export function createTransport(address: string, connections: Connections): Transport {
  const url = new URL(address);
  // The package's types refuse an option that its transport takes (baseUrl), and do not know its verbs.
  const options: object = { baseUrl: `${url.origin}${url.pathname.replace(/\/$/, '')}/v1` };
  const transport = new Consul(options) as unknown as Transport & Extensible;
  transport._ext('onRequest', (sending, next) => {
    const { transport: plain } = sending;
    sending.transport = { request: (options) => watchAnswer(connections.request(plain, options)) };
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
