import { KubernetesError } from '../../../src/kubernetes/errors.ts';
import { readLease, type Lease, type LeaseApi, type LeaseContent } from '../../../src/kubernetes/lease.ts';

type Verb = 'get' | 'create' | 'update' | 'delete' | 'watch';

/** A Lease in memory, with the rules of the API server: versions that rise, conflicts, and a watch. */
export class MemoryLease {
  #version = 10;
  #lease: Lease | undefined;
  readonly #watchers = new Set<(version: string) => void>();
  /** What happens to a request, in place of an answer: an error, or nothing until its signal aborts. */
  fault: ((verb: Verb) => Error | 'no answer' | undefined) | undefined;
  /** Done once, between a read and the write after it. */
  beforeWrite: (() => void) | undefined;
  /** The verbs that were asked for. */
  readonly asked: Verb[] = [];

  get now(): Lease | undefined {
    return this.#lease;
  }

  /** Somebody writes the Lease, and asks nobody. */
  edit(change: Partial<Lease>): void {
    const before = this.#lease ?? readLease({ metadata: { uid: `uid-${this.#version}` } });
    this.#put({ ...before, ...change });
  }

  delete(): void {
    this.#lease = undefined;
    this.#tell();
  }

  /** As one process reaches it; each has its own connection, which can be cut. */
  api(fault: (verb: Verb) => Error | 'no answer' | undefined = () => undefined): LeaseApi {
    const pass = async (verb: Verb, signal: AbortSignal) => {
      this.asked.push(verb);
      const found = fault(verb) ?? this.fault?.(verb);
      if (found === 'no answer') await untilAborted(signal);
      else if (found) throw found;
    };
    return {
      read: async (signal) => {
        await pass('get', signal);
        return this.#lease;
      },
      create: async (content, signal) => {
        await this.#between();
        await pass('create', signal);
        if (this.#lease) throw refusal('create', 409, 'AlreadyExists');
        return this.#put({ ...readLease({ metadata: { uid: `uid-${this.#version}` } }), ...fieldsOf(content) });
      },
      replace: async (observed, content, signal) => {
        await this.#between();
        await pass('update', signal);
        if (!this.#lease) throw refusal('update', 404, 'NotFound');
        if (this.#lease.resourceVersion !== observed.resourceVersion) throw refusal('update', 409, 'Conflict');
        return this.#put({ ...this.#lease, ...fieldsOf(content, this.#lease) });
      },
      remove: async (observed, signal) => {
        await this.#between();
        await pass('delete', signal);
        if (!this.#lease) throw refusal('delete', 404, 'NotFound');
        if (this.#lease.resourceVersion !== observed.resourceVersion) throw refusal('delete', 409, 'Conflict');
        this.delete();
      },
      watch: async (onChange, signal) => {
        await pass('watch', signal);
        if (this.#lease) onChange(this.#lease.resourceVersion);
        this.#watchers.add(onChange);
        await untilAborted(signal).finally(() => this.#watchers.delete(onChange));
      },
    };
  }

  async #between(): Promise<void> {
    const work = this.beforeWrite;
    this.beforeWrite = undefined;
    await Promise.resolve();
    work?.();
  }

  #put(lease: Lease): Lease {
    this.#lease = { ...lease, resourceVersion: String(++this.#version) };
    this.#tell();
    return this.#lease;
  }

  #tell(): void {
    const version = this.#lease?.resourceVersion ?? String(++this.#version);
    for (const watcher of this.#watchers) watcher(version);
  }
}

export function refusal(verb: Verb, status: number, reason: string): KubernetesError {
  return new KubernetesError({ verb, kind: 'Lease', object: 'ns/consular-prod' }, status, reason, 'said the server');
}

function fieldsOf({ record, labels, annotations }: LeaseContent, before?: Lease): Partial<Lease> {
  return {
    ...record,
    labels: new Map([...(before?.labels ?? []), ...Object.entries(labels)]),
    annotations: changed(before?.annotations ?? new Map<string, string>(), annotations),
  };
}

function changed(before: ReadonlyMap<string, string>, changes: LeaseContent['annotations']): Map<string, string> {
  const after = new Map(before);
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) after.delete(key);
    else after.set(key, value);
  }
  return after;
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = () => reject(new Error('aborted', { cause: signal.reason }));
    if (signal.aborted) end();
    else signal.addEventListener('abort', end);
  });
}
