import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Credentials, KubernetesConnection } from './connection.ts';
import { ACCEPT } from './encoding/formats.ts';
import { describePurpose, errorFromBody, type Purpose } from './errors.ts';

/** A short request that has no answer by then is given up. */
const REQUEST_TIMEOUT_MS = 15_000;
/** The API server sends a bookmark about every minute: a stream silent for longer is dead, not quiet. */
const STREAM_SILENCE_MS = 90_000;
/**
 * A longer answer is given up, where it is no stream. A page of 500 pods fits, each with the largest annotations that
 * Kubernetes allows (256 KiB).
 */
const LARGEST_ANSWER_BYTES = 128 * 1024 * 1024;

export interface KubernetesRequest {
  readonly purpose: Purpose;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** JSON. */
  readonly body?: unknown;
  /** Formats of the answer. @default JSON */
  readonly accept?: string;
  /** How a PATCH is meant; by default it is a merge patch, and with `strategic` lists are merged by their keys. */
  readonly patch?: 'merge' | 'strategic';
  readonly signal?: AbortSignal;
}

/** A body as it came, and what the API server says it is. */
export interface KubernetesAnswer<Body> {
  readonly contentType: string;
  readonly body: Body;
}

/** HTTP to the API server: authentication, deadlines, errors that say what was asked. It knows no kind. */
export interface KubernetesClient {
  /** @throws KubernetesError when the API server refuses; Error with a cause when there was no proper answer. */
  request(request: KubernetesRequest): Promise<unknown>;
  /** The same, in the format that was asked for. */
  read(request: KubernetesRequest): Promise<KubernetesAnswer<Buffer>>;
  /** A body without end, for watches; fails when it is silent for 90 s. */
  stream(request: KubernetesRequest): Promise<KubernetesAnswer<Readable>>;
  close(): Promise<void>;
}

/** The client, as code that asks and writes in JSON needs it. */
export type KubernetesRequester = Pick<KubernetesClient, 'request'>;

/**
 * @param onAnswered told of each request what came of it: the HTTP status of the answer; of those that were called off nothing.
 *   Default nobody
 */
export function createKubernetesClient(
  connection: Omit<KubernetesConnection, 'certificateEnds'>,
  userAgent: string,
  onAnswered: (status: number | 'error') => void = () => undefined,
): KubernetesClient {
  async function send(request: KubernetesRequest, timeouts: Timeouts): Promise<Dispatcher.ResponseData> {
    let response = await attempt(request, timeouts, await connection.authenticate());
    if (response.statusCode === 401) {
      // A token rotated since we read it: once more with what is on disk now.
      await response.body.dump();
      response = await attempt(request, timeouts, await connection.authenticate(true));
    }
    if (response.statusCode >= 200 && response.statusCode < 300) return response;
    throw errorFromBody(request.purpose, response.statusCode, contentTypeOf(response), await bytesOf(response));
  }

  async function attempt(
    request: KubernetesRequest,
    timeouts: Timeouts,
    credentials: Credentials,
  ): Promise<Dispatcher.ResponseData> {
    try {
      const response = await dispatch(request, timeouts, credentials);
      onAnswered(response.statusCode);
      return response;
    } catch (error) {
      if (!request.signal?.aborted) onAnswered('error');
      throw error;
    }
  }

  function dispatch(
    request: KubernetesRequest,
    timeouts: Timeouts,
    { dispatcher, headers }: Credentials,
  ): Promise<Dispatcher.ResponseData> {
    const { path, query, method = 'GET', body, patch = 'merge', accept = ACCEPT.json, signal } = request;
    const { origin, pathname, search } = new URL(
      `${connection.server}${path}${query ? `?${new URLSearchParams(query).toString()}` : ''}`,
    );
    return dispatcher.request({
      origin,
      path: `${pathname}${search}`,
      method,
      headers: {
        ...headers,
        'user-agent': userAgent,
        accept,
        ...(body === undefined ? {} : { 'content-type': method === 'PATCH' ? PATCH_TYPES[patch] : 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
      ...timeouts,
    });
  }

  /** Gives every failure below HTTP the verb, kind and object it belongs to. */
  async function named<T>(purpose: Purpose, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (cause) {
      if (cause instanceof Error && 'purpose' in cause) throw cause;
      throw new Error(describePurpose(purpose), { cause });
    }
  }

  const read = async (request: KubernetesRequest) => {
    const response = await send(request, { headersTimeout: REQUEST_TIMEOUT_MS, bodyTimeout: REQUEST_TIMEOUT_MS });
    return { contentType: contentTypeOf(response), body: await bytesOf(response) };
  };

  return {
    request: (request) =>
      named(request.purpose, async () => JSON.parse((await read(request)).body.toString('utf8')) as unknown),
    read: (request) => named(request.purpose, () => read(request)),
    stream: (request) =>
      named(request.purpose, async () => {
        const response = await send(request, { headersTimeout: STREAM_SILENCE_MS, bodyTimeout: STREAM_SILENCE_MS });
        return { contentType: contentTypeOf(response), body: response.body };
      }),
    close: () => connection.close(),
  };
}

interface Timeouts {
  readonly headersTimeout: number;
  readonly bodyTimeout: number;
}

const PATCH_TYPES = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
} as const;

function contentTypeOf({ headers }: Dispatcher.ResponseData): string {
  return String(headers['content-type'] ?? '');
}

async function bytesOf({ body }: Dispatcher.ResponseData): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    bytes += piece.length;
    // Leaving the loop ends the connection.
    if (bytes > LARGEST_ANSWER_BYTES)
      throw new Error(`expected an answer of at most ${LARGEST_ANSWER_BYTES / 1024 / 1024} MiB, found a longer one`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
