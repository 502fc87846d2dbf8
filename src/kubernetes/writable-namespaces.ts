import { byCause } from '../observability/causes.ts';
import type { Clock } from '../clock.ts';
import { mayWe, type Access } from './access.ts';
import type { KubernetesRequester } from './client.ts';
import { hasStatus } from './errors.ts';
import type { NamespaceRights } from './namespace-rights.ts';
import type { KubernetesObject } from './objects.ts';
import type { Followed, View } from './view.ts';
import {
  NAMESPACE_PACE,
  WritableNamespace,
  type NamespacePace,
  type WritableNamespaceOptions,
} from './writable-namespace.ts';

/** A look at a closed namespace is one question, most often: however many are closed, that is five questions a second at most. */
const LEAST_LOOK_MS_EACH = 200;

export interface WritableNamespacesOptions<T extends KubernetesObject> extends Pick<
  WritableNamespaceOptions<T>,
  'log' | 'metrics' | 'signal'
> {
  readonly client: KubernetesRequester;
  readonly names: readonly string[];
  readonly rightsIn: (namespace: string) => NamespaceRights;
  /** Starts to watch one Namespace, until the signal aborts. */
  readonly watch: (name: string, signal: AbortSignal) => Followed<KubernetesObject>;
  /** Starts to follow the objects in one namespace, until the signal aborts. */
  readonly follow: (namespace: string, signal: AbortSignal) => Followed<T>;
  /** @default NAMESPACE_PACE */
  readonly pace?: NamespacePace | undefined;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** The namespaces that we write to. Each is open or closed for itself, and none waits for another. */
export class WritableNamespaces<T extends KubernetesObject> {
  readonly #namespaces = new Map<string, WritableNamespace<T>>();
  readonly #views = new Map<string, View<T>>();
  readonly #closed = new Map<string, string>();
  readonly #listeners = new Set<() => void>();
  /** Resolves when it is known of each of them for the first time whether it is open. */
  readonly settled: Promise<unknown>;

  constructor({ names, rightsIn, watch, follow, ...options }: WritableNamespacesOptions<T>) {
    const { lookAgainMs, ...rest } = options.pace ?? NAMESPACE_PACE;
    const pace = { ...rest, lookAgainMs: Math.max(lookAgainMs, LEAST_LOOK_MS_EACH * names.length) };
    const may = (access: Access) => mayWeIfKnown(options.client, access);
    for (const name of new Set(names)) {
      const namespace = new WritableNamespace<T>({
        ...{ ...options, name, may, pace, rights: rightsIn(name), onChange: () => this.#note(name) },
        watch: (signal) => watch(name, signal),
        follow: (signal) => follow(name, signal),
      });
      this.#namespaces.set(name, namespace);
      this.#closed.set(name, namespace.closed);
    }
    this.settled = Promise.all([...this.#namespaces.values()].map(({ settled }) => settled));
  }

  /** The objects in each namespace that is open. */
  get views(): ReadonlyMap<string, View<T>> {
    return this.#views;
  }

  /** Why a namespace is closed, for each that is. */
  get closed(): ReadonlyMap<string, string> {
    return this.#closed;
  }

  get failure(): string | undefined {
    const failures = [...this.#namespaces].flatMap(([name, { failure }]) =>
      failure === undefined ? [] : [`${name}: ${failure}`],
    );
    return failures.length > 0 ? byCause(failures).join('; ') : undefined;
  }

  /** False when it is known that there is no such Namespace, or soon will be none. */
  isThere(name: string): boolean {
    return this.#namespaces.get(name)?.isThere ?? true;
  }

  /** For a caller to whom a write was refused: whether that namespace is closed now, and not only that object refused. */
  async isClosedNow(name: string): Promise<boolean> {
    return (await this.#namespaces.get(name)?.isClosedNow()) ?? false;
  }

  /** Told whenever a namespace was opened or closed, or is closed for another reason. */
  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }

  #note(name: string): void {
    const { view, closed } = this.#namespaces.get(name) ?? {};
    if (view) this.#views.set(name, view);
    else this.#views.delete(name);
    if (closed) this.#closed.set(name, closed);
    else this.#closed.delete(name);
    for (const listener of this.#listeners) listener();
  }
}

/** Whoever may not even ask for rights finds out by being refused. */
async function mayWeIfKnown(client: KubernetesRequester, access: Access): Promise<boolean | undefined> {
  try {
    return await mayWe(client, access);
  } catch (error) {
    if (hasStatus(error, 403)) return undefined;
    throw error;
  }
}
