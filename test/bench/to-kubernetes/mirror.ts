import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { readFileSync } from 'node:fs';
import type { KubernetesPlane } from '../../control-plane/index.ts';
import { Endpoints, type SliceEvent } from './endpoints.ts';

/** Objects written, which is how many times etcd was: a write that changes nothing is none. */
export interface Writes {
  readonly services: number;
  readonly endpointslices: number;
  readonly endpoints: number;
}
type Kind = keyof Writes;

const GROUPS: Readonly<Record<Kind, string>> = {
  services: '/api/v1',
  endpointslices: '/apis/discovery.k8s.io/v1',
  endpoints: '/api/v1',
};
const LONGEST_WATCH_SECONDS = 14_400;
const LIMIT_MS = 600_000;

/**
 * What a program writes to one namespace, seen by watches that begin before it does: how many objects, when the last one
 * was, and which endpoints each service has in its slices.
 */
export class Mirror {
  readonly #plane: KubernetesPlane;
  readonly #namespace: string;
  readonly #dispatcher: Agent;
  readonly #writes: Record<Kind, number> = { services: 0, endpointslices: 0, endpoints: 0 };
  readonly #endpoints = new Endpoints();
  readonly #changed = new Set<() => void>();
  #lastWrite = NaN;
  #closed = false;
  #broken: Error | undefined;

  private constructor(plane: KubernetesPlane, namespace: string) {
    this.#plane = plane;
    this.#namespace = namespace;
    this.#dispatcher = new Agent({ connect: { ca: readFileSync(plane.caFile, 'utf8') }, bodyTimeout: 0 });
  }

  static async open(plane: KubernetesPlane, namespace: string): Promise<Mirror> {
    const mirror = new Mirror(plane, namespace);
    for (const kind of Object.keys(GROUPS) as Kind[]) await mirror.#watch(kind);
    return mirror;
  }

  get writes(): Writes {
    return { ...this.#writes };
  }

  /** performance.now() of it. */
  get lastWrite(): number {
    return this.#lastWrite;
  }

  /** Resolves with performance.now() when the service has the address, or has it no longer. */
  async untilHas(service: string, address: string, present: boolean): Promise<number> {
    await this.#until(`${service} ${present ? 'with' : 'without'} ${address}`, () => {
      return this.#endpoints.has(service, address) === present;
    });
    return performance.now();
  }

  untilTotal(endpoints: number): Promise<void> {
    return this.#until(`${endpoints} endpoints`, () => this.#endpoints.total === endpoints);
  }

  /** Resolves when nothing was written for that long. */
  async untilQuiet(ms: number): Promise<void> {
    for (const deadline = performance.now() + LIMIT_MS; performance.now() < deadline;) {
      const wait = this.#lastWrite + ms - performance.now();
      if (!(wait > 0)) return;
      await sleep(wait);
    }
    throw new Error(`wait for an end of the writes: expected none for ${ms} ms, found more for ${LIMIT_MS / 1000} s`);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#dispatcher.destroy();
  }

  #until(what: string, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const broken = this.#broken;
        if (broken) end(() => reject(broken));
        else if (holds()) end(resolve);
      };
      const end = (settle: () => void) => {
        clearTimeout(timer);
        this.#changed.delete(look);
        settle();
      };
      const late = () =>
        new Error(`watch the mirror: expected ${what}, found ${this.#endpoints.total} endpoints in all`);
      const timer = setTimeout(() => end(() => reject(late())), LIMIT_MS);
      this.#changed.add(look);
      look();
    });
  }

  async #watch(kind: Kind): Promise<void> {
    const list = (await (await this.#get(kind, '')).json()) as { metadata: { resourceVersion: string } };
    const query = `?watch=1&resourceVersion=${list.metadata.resourceVersion}&timeoutSeconds=${LONGEST_WATCH_SECONDS}`;
    const lines = (await this.#get(kind, query)) as AsyncIterable<Buffer>;
    void this.#follow(kind, lines).catch((cause: unknown) => {
      if (this.#closed) return;
      this.#broken = new Error(`watch ${kind}: expected it to go on, found its end`, { cause });
      for (const look of this.#changed) look();
    });
  }

  async #get(kind: Kind, query: string) {
    const { statusCode, body } = await request(
      `${this.#plane.server}${GROUPS[kind]}/namespaces/${this.#namespace}/${kind}${query}`,
      { dispatcher: this.#dispatcher, headers: { authorization: `Bearer ${this.#plane.adminToken}` } },
    );
    if (statusCode !== 200) throw new Error(`watch ${kind}: expected 200, found ${statusCode}`);
    return body;
  }

  async #follow(kind: Kind, chunks: AsyncIterable<Buffer>): Promise<never> {
    let rest = '';
    for await (const chunk of chunks) {
      const lines = (rest + chunk.toString('latin1')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#take(kind, line);
    }
    throw new Error('the API server ended it');
  }

  #take(kind: Kind, line: string): void {
    this.#lastWrite = performance.now();
    this.#writes[kind]++;
    if (kind !== 'endpointslices') return;
    this.#endpoints.take(JSON.parse(line) as SliceEvent);
    for (const look of this.#changed) look();
  }
}
