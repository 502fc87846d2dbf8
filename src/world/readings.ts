import { backoffMs, sleep } from '../backoff.ts';
import type { KubernetesClient } from '../kubernetes/client.ts';
import type { KubernetesObject } from '../kubernetes/objects.ts';
import { Reflector } from '../kubernetes/reflector.ts';
import type { Resource } from '../kubernetes/resources.ts';
import type { View } from '../kubernetes/view.ts';
import { explainError } from '../observability/log.ts';
import type { Context } from './context.ts';

/** Everything that is read and followed, and what keeps it from being complete and current. */
export class Readings {
  readonly #context: Context;
  readonly #sources = new Map<string, () => string | undefined>();

  constructor(context: Context) {
    this.#context = context;
  }

  /** One sentence for each source that is not complete or not being followed right now. */
  failures(): string[] {
    return [...this.#sources].flatMap(([name, failure]) => {
      const why = failure();
      return why === undefined ? [] : [`${name}: ${why}`];
    });
  }

  add(name: string, failure: () => string | undefined): void {
    this.#sources.set(name, failure);
  }

  /** Starts to follow a kind; resolves with its view when that is complete. */
  reflect<T extends KubernetesObject>(
    client: KubernetesClient,
    resource: Resource<T>,
    scope: { namespace?: string; labelSelector?: string } = {},
  ): Promise<View<T>> {
    const reflector = new Reflector({ client, resource, ...scope, ...this.#context });
    this.add(
      `Kubernetes ${resource.plural}${scope.namespace ? ` in ${scope.namespace}` : ''}`,
      () => reflector.failure,
    );
    return reflector.synced;
  }

  /** Asks until there is an answer, with backoff. An error that `isFinal` says waiting would not mend is thrown. */
  async untilRead<T>(
    name: string,
    read: () => Promise<T>,
    isFinal: (error: unknown) => boolean = () => false,
  ): Promise<T> {
    const { log, signal } = this.#context;
    let why: string | undefined = 'not read yet';
    this.add(name, () => why);
    for (let failures = 0; ;) {
      try {
        const value = await read();
        why = undefined;
        return value;
      } catch (error) {
        if (isFinal(error) || signal.aborted) throw error;
        why = explainError(error);
        const retryInMs = backoffMs(failures++, { baseMs: 400, maxMs: 5000 });
        log.warn('not readable, will try again', { source: name, failures, retryInMs: Math.round(retryInMs), error });
        await sleep(retryInMs, signal);
      }
    }
  }
}
