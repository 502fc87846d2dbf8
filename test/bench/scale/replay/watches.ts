import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { REPLAYED, type ReplayedKind } from '../recording.ts';
import type { Change, Cluster, Encoding } from './cluster.ts';

const CONTENT_TYPE = { protobuf: 'application/vnd.kubernetes.protobuf;stream=watch', json: 'application/json' };
/** The real API server sends one about every minute. */
const BOOKMARK_MS = 60_000;
/** As much as is written at once while a list is told. */
const PIECE_BYTES = 64 * 1024;

export interface WatchRequest {
  readonly kind: ReplayedKind;
  readonly encoding: Encoding;
  readonly query: URLSearchParams;
}

interface Watch {
  readonly kind: ReplayedKind;
  readonly encoding: Encoding;
  readonly response: ServerResponse;
}

/** All watches that are open, and what they have to tell. */
export class Watches {
  readonly #cluster: Cluster;
  readonly #open = new Set<Watch>();
  /** Everything that happened: a client may go on from any version. */
  readonly #changes: Change[] = [];
  #lists = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    setInterval(() => this.#bookmark(), BOOKMARK_MS).unref();
  }

  /** How often all objects of a kind were told at the beginning of a watch. */
  get lists(): number {
    return this.#lists;
  }

  tell(changes: readonly Change[]): void {
    this.#changes.push(...changes);
    for (const change of changes) for (const watch of this.#open) this.#write(watch, change);
  }

  async begin({ kind, encoding, query }: WatchRequest, response: ServerResponse): Promise<void> {
    const end = setTimeout(() => response.end(), 1000 * Number(query.get('timeoutSeconds') ?? '1800'));
    const watch = { kind, encoding, response };
    response.on('close', () => {
      clearTimeout(end);
      this.#open.delete(watch);
    });
    response.writeHead(200, { 'content-type': CONTENT_TYPE[encoding] });
    response.flushHeaders();
    let from = Number(query.get('resourceVersion') ?? '0');
    if (query.get('sendInitialEvents') === 'true') {
      from = this.#cluster.version;
      await this.#list(watch, from);
    }
    for (const change of this.#changes) if (change.version > from) this.#write(watch, change);
    if (!response.closed) this.#open.add(watch);
  }

  async #list({ kind, encoding, response }: Watch, version: number): Promise<void> {
    if (encoding !== 'protobuf') throw new Error(`watch ${kind} with all objects first: expected protobuf, found JSON`);
    let pieces: Buffer[] = [];
    let bytes = 0;
    for (let i = 0; i < this.#cluster.count(kind) && !response.closed; i++) {
      const event = this.#cluster.added(kind, i);
      pieces.push(event);
      if ((bytes += event.length) < PIECE_BYTES) continue;
      const isTaken = response.write(Buffer.concat(pieces));
      [pieces, bytes] = [[], 0];
      if (!isTaken) await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
    pieces.push(this.#cluster.templates.kinds[kind].listEnd.render([String(version)]));
    if (response.closed) return;
    response.write(Buffer.concat(pieces));
    this.#lists++;
  }

  #write({ kind, encoding, response }: Watch, change: Change): void {
    const bytes = change[encoding];
    if (change.kind === kind && bytes && !response.closed) response.write(bytes);
  }

  #bookmark(): void {
    const version = String(this.#cluster.version);
    for (const { kind, encoding, response } of this.#open)
      response.write(this.#cluster.templates.kinds[kind].bookmark[encoding].render([version]));
  }
}

/** The kind whose list of all namespaces has that path. */
export function kindAt(path: string): ReplayedKind | undefined {
  return (Object.keys(REPLAYED) as ReplayedKind[]).find((kind) => REPLAYED[kind] === path);
}
