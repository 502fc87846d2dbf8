import type { Problem } from '../problem.ts';

/** One refusal, and who meets it. */
interface Shared {
  readonly problem: Problem;
  readonly keys: Set<string>;
}

/** What the API server refuses to many keys for the same reason: one problem of their namespace, however many they are. */
export class SharedRefusals {
  /** By namespace, then by message. */
  readonly #refusals = new Map<string, Map<string, Shared>>();

  /** @param refusal what the key meets in that namespace now; undefined when it meets nothing of that kind */
  note(namespace: string, key: string, refusal: Problem | undefined): void {
    const refusals = this.#refusals.get(namespace) ?? new Map<string, Shared>();
    for (const [message, { keys }] of refusals) {
      if (message === refusal?.message) continue;
      keys.delete(key);
      if (keys.size === 0) refusals.delete(message);
    }
    if (refusal) {
      const shared = refusals.get(refusal.message) ?? { problem: refusal, keys: new Set() };
      refusals.set(refusal.message, shared);
      shared.keys.add(key);
    }
    this.#refusals.set(namespace, refusals);
  }

  of(namespace: string): Problem[] {
    return [...(this.#refusals.get(namespace)?.values() ?? [])].map(({ problem }) => problem);
  }
}
