import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { KubernetesClient } from './client.ts';
import { ACCEPT, formatOf, jsonFormat, LIST, STATUS, type Format, type WatchEvent } from './encoding/formats.ts';
import type { ValueOf } from './encoding/message.ts';
import { describePurpose, KubernetesError, type Purpose } from './errors.ts';
import type { KubernetesObject } from './objects.ts';
import { pathOf, type Resource } from './resources.ts';

export interface KindReaderOptions {
  readonly client: Pick<KubernetesClient, 'read' | 'stream'>;
  readonly resource: Resource<KubernetesObject>;
  /** @default all namespaces */
  readonly namespace?: string;
  /** Rejects when the API server answers for another cluster, or when that cannot be told. @default never */
  readonly checkCluster?: () => Promise<void>;
  readonly signal: AbortSignal;
}

type Query = Readonly<Record<string, string>>;

/**
 * Asks the API server for the objects of one kind, and looks into no answer before it is checked whose it is. It asks for
 * protobuf where the kind has it, and for JSON once an answer was JSON.
 */
export class KindReader {
  readonly #options: KindReaderOptions;
  readonly #path: string;
  readonly #purpose: Purpose;
  #protobuf: boolean;

  constructor(options: KindReaderOptions) {
    const { resource, namespace } = options;
    this.#options = options;
    this.#protobuf = resource.hasProtobuf;
    this.#path = pathOf(resource, namespace);
    this.#purpose = { verb: 'watch', kind: resource.kind, object: namespace ?? '' };
  }

  /** From now on in JSON; false when it was JSON already. */
  giveUpProtobuf(): boolean {
    const before = this.#protobuf;
    this.#protobuf = false;
    return before;
  }

  /** A page of a list, or all of it. */
  async list(query: Query): Promise<ValueOf<typeof LIST>> {
    const { client, signal, checkCluster } = this.#options;
    const { contentType, body } = await client.read({
      ...{ purpose: { ...this.#purpose, verb: 'list' }, path: this.#path, query, signal },
      accept: this.#protobuf ? ACCEPT.protobuf : ACCEPT.json,
    });
    await checkCluster?.();
    return this.#formatOf(contentType).list(this.#purpose.kind, body).as(LIST);
  }

  /**
   * A watch, until its end.
   * @param interrupted ends it before that
   * @param onBegin told before the first event, when it is known that these will be of our cluster
   * @throws KubernetesError when the API server refuses it, at once or in an event; Error when anything else ends it
   */
  async watch(
    query: Query,
    interrupted: AbortSignal,
    onBegin: () => void,
    onEvent: (event: WatchEvent) => void,
  ): Promise<void> {
    const { client, checkCluster } = this.#options;
    const signal = AbortSignal.any([this.#options.signal, interrupted]);
    const { contentType, body } = await client.stream({
      ...{ purpose: this.#purpose, path: this.#path, query: { watch: '1', ...query }, signal },
      accept: this.#protobuf ? ACCEPT.protobufWatch : ACCEPT.json,
    });
    const eventsOf = this.#formatOf(contentType).watch(this.#purpose.kind);
    const begin = async () => {
      await checkCluster?.();
      onBegin();
    };
    const take = (piece: Buffer) => {
      for (const event of eventsOf(piece)) onEvent(this.#expectGood(event));
    };
    try {
      await pipeline(body, sinkOf(begin, take), { signal: interrupted });
    } catch (cause) {
      if (cause instanceof KubernetesError) throw cause;
      throw new Error(describePurpose(this.#purpose), { cause });
    }
  }

  #formatOf(contentType: string): Format {
    const format = formatOf(contentType);
    if (format === jsonFormat) this.#protobuf = false;
    return format;
  }

  #expectGood(event: WatchEvent): WatchEvent {
    if (event.type !== 'ERROR') return event;
    const { code = 0, reason, message } = event.object.as(STATUS);
    throw new KubernetesError(this.#purpose, code, reason, message);
  }
}

/**
 * Takes each piece as it comes, once `begin` is done. An iterator would put together the pieces that came meanwhile: a copy
 * of the whole list.
 */
function sinkOf(begin: () => Promise<void>, take: (piece: Buffer) => void): Writable {
  return new Writable({
    construct(done) {
      begin().then(
        () => done(),
        (error: unknown) => done(asError(error)),
      );
    },
    write(piece: Buffer, _encoding, done) {
      try {
        take(piece);
      } catch (error) {
        return done(asError(error));
      }
      done();
    },
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
