import { inBackground } from '../background.ts';
import { EventEmitter } from 'node:events';
import type { ConsulConfig } from '../config/schema.ts';
import type { Log } from '../observability/log.ts';
import type { Place } from './addresses.ts';
import type { ConsulAnswer, ConsulRequest } from './client.ts';
import { Connections } from './connections.ts';
import { ConsulError } from './errors.ts';
import { MOST_LONG_POLLS } from './long-polls.ts';
import { proxyFor, proxyName } from './proxy.ts';
import { TlsFiles, type CertificateEnds } from './tls-files.ts';
import type { TokenUse } from './tokens.ts';
import { createTransport, type TransportAnswer, type Verb } from './transport.ts';
import { NoTunnel } from './tunnel.ts';

/** A plain request without an answer by then is given up. */
const REQUEST_TIMEOUT_MS = 15_000;
/** Long polls have connections of their own, enough for all of them, or a write would wait for one of them to be answered. */
const MOST_SOCKETS = { longPolls: Object.values(MOST_LONG_POLLS).reduce((sum, most) => sum + most, 0), others: 20 };

/** One request that is sent once. */
export interface Exchange {
  readonly place: Place;
  readonly verb: Verb;
  readonly request: ConsulRequest;
  readonly use: Pick<TokenUse, 'value' | 'term' | 'superseded'>;
  /** JSON. */
  readonly body?: Buffer | undefined;
  /** What no error may show, beside the token. */
  readonly secret?: string | undefined;
}

/** Told of each request what came of it: the HTTP status of the answer. Of those that were called off nothing is told. */
export type OnAnswered = (status: number | 'error') => void;

export interface WiresOptions {
  /** See TlsFiles. */
  readonly tlsLookMs?: number | undefined;
  /** @default nobody */
  readonly onAnswered?: OnAnswered;
}

/** The connections to each address of Consul. */
export interface Wires {
  /** @throws ConsulError */
  exchange(exchange: Exchange): Promise<ConsulAnswer>;
  /** Empty where nothing goes by TLS. */
  readonly certificateEnds: CertificateEnds;
  destroy(): void;
}

/** @throws Error when a TLS file or a proxy of the environment cannot be used */
export function openWires(
  addresses: readonly string[],
  config: ConsulConfig,
  userAgent: string,
  log: Log,
  { tlsLookMs, onAnswered = () => undefined }: WiresOptions,
): Wires {
  const { serverName, proxies, datacenter } = config;
  const isTls = (address: string) => new URL(address).protocol === 'https:';
  const tlsFiles = addresses.some(isTls) ? new TlsFiles(config, log, { lookMs: tlsLookMs }) : undefined;
  const places = new Map(
    addresses.map((address) => {
      const tls = isTls(address) ? tlsFiles : undefined;
      const proxy = proxyFor(address, proxies);
      const open = (most: number) => {
        const connections = new Connections({ most, tls, serverName, proxy });
        return { connections, transport: createTransport(address, connections) };
      };
      return [address, { proxy, longPolls: open(MOST_SOCKETS.longPolls), others: open(MOST_SOCKETS.others) }];
    }),
  );
  const wiresTo = ({ address }: Place) => {
    const wires = places.get(address);
    if (!wires) throw new Error(`ask Consul at ${address}: expected an address of the configuration`);
    return wires;
  };
  return {
    async exchange({ place, verb, request, use, body, secret }) {
      const { purpose, path, params = {}, query = {}, timeoutMs = REQUEST_TIMEOUT_MS, signal } = request;
      const isLong = isLongPoll(request);
      const { proxy, longPolls, others } = wiresTo(place);
      const { transport } = isLong ? longPolls : others;
      const cancel = cancelledBy([
        signal,
        verb === '_get' ? place.left : undefined,
        isLong ? use.superseded : undefined,
      ]);
      try {
        const answer = await transport[verb]({
          path,
          params,
          query: { ...(datacenter ? { dc: datacenter } : {}), ...query },
          headers: { 'user-agent': userAgent, ...(use.value ? { 'x-consul-token': use.value } : {}) },
          timeout: timeoutMs,
          ctx: cancel.emitter,
          ...(body === undefined ? {} : { type: 'json' as const, body }),
        });
        onAnswered(answer.statusCode);
        return decodeAnswer(answer, use.term);
      } catch (error) {
        if (place.left.aborted && verb === '_get' && !signal?.aborted)
          throw new ConsulError(purpose, 0, '', new Error('it was called off, for another address is asked now'));
        const failure = asConsulError(purpose, error, proxy, [use.value, secret ?? '']);
        if (failure.status > 0) onAnswered(failure.status);
        else if (!signal?.aborted && !(isLong && use.superseded?.aborted)) onAnswered('error');
        // Perhaps one side does not believe the other's certificate any more.
        if (failure.status === 0 && !signal?.aborted) inBackground(tlsFiles?.look());
        throw failure;
      } finally {
        cancel.end();
      }
    },
    get certificateEnds() {
      return tlsFiles?.ends ?? NO_CERTIFICATES;
    },
    destroy() {
      for (const { longPolls, others } of places.values())
        for (const { connections } of [longPolls, others]) connections.destroy();
    },
  };
}

const NO_CERTIFICATES: CertificateEnds = new Map();

/** Whether Consul answers only when something changed. */
export function isLongPoll({ query = {} }: Pick<ConsulRequest, 'query'>): boolean {
  return 'index' in query;
}

/** Tells the package that nobody waits for the answer any more. */
function cancelledBy(signals: readonly (AbortSignal | undefined)[]) {
  const emitter = new EventEmitter();
  const abort = () => emitter.emit('cancel');
  for (const signal of signals) signal?.addEventListener('abort', abort, { once: true });
  return {
    emitter,
    end: () => {
      for (const signal of signals) signal?.removeEventListener('abort', abort);
    },
  };
}

function decodeAnswer({ headers, body }: TransportAnswer, tokenTerm: number): ConsulAnswer {
  const index = Number(headers['x-consul-index']);
  return {
    body,
    index: Number.isSafeInteger(index) && index > 0 ? index : 0,
    // Absent on answers that did not go through the catalog; "false" is what an agent without a leader says.
    knownLeader: headers['x-consul-knownleader'] !== 'false',
    filteredByAcls: headers['x-consul-results-filtered-by-acls'] === 'true',
    tokenTerm,
  };
}

function asConsulError(
  purpose: string,
  error: unknown,
  proxy: URL | undefined,
  secrets: readonly string[],
): ConsulError {
  const response = error instanceof Error && 'response' in error ? (error.response as TransportAnswer) : undefined;
  if (!response) return new ConsulError(purpose, 0, '', proxy ? throughProxy(proxy, error) : error);
  const { statusCode, body } = response;
  const text =
    typeof body === 'string' ? body : Buffer.isBuffer(body) ? body.toString('utf8') : JSON.stringify(body ?? '');
  // Whoever stands in between may say again what was asked.
  const shown = secrets
    .filter((secret) => secret !== '')
    .reduce((text, secret) => text.replaceAll(secret, '...'), text);
  // A refused transaction is judged by its list of errors, so it is kept whole.
  return new ConsulError(purpose, statusCode, statusCode === 409 ? shown : shown.slice(0, 512), undefined);
}

/** The network's own words are about the address of the proxy. A tunnel that failed says so itself. */
function throughProxy(proxy: URL, cause: unknown): unknown {
  if (!(cause instanceof Error) || cause instanceof NoTunnel) return cause;
  const error = new Error(`through the proxy ${proxyName(proxy)}`, { cause });
  return 'code' in cause ? Object.assign(error, { code: cause.code }) : error;
}
