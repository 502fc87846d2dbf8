import type { Clock } from '../clock.ts';
import { missingRight } from './access.ts';
import type { KubernetesRequester } from './client.ts';
import type { KubernetesObject } from './objects.ts';
import type { CustomKind } from './resources.ts';

/** How long an answer counts that says that we have all rights: it takes five questions for each namespace. */
const GRANTED_MS = 10 * 60_000;
/** How long the first answer counts that says that a right is missing. */
const MISSING_MS = 15_000;
/** What we do with the objects. */
const VERBS = ['list', 'watch', 'create', 'patch', 'delete'];

export interface KindRightsOptions {
  readonly client: KubernetesRequester;
  readonly kind: Pick<CustomKind<KubernetesObject>, 'group' | 'plural'>;
  readonly namespaces: readonly string[];
  readonly clock: Pick<Clock, 'now'>;
}

interface Answer {
  readonly missing: string | undefined;
  readonly forMs: number;
  readonly untilMs: number;
}

/**
 * Our rights to a kind. An answer of the API server counts for a while:
 *
 * | the answer                       | counts for                                         |
 * |----------------------------------|----------------------------------------------------|
 * | none yet, or it was forgotten    | the API server is asked at once                    |
 * | we have all rights               | 10 minutes                                         |
 * | a right is missing               | 15 s: somebody may be about to give it             |
 * | a right is missing, once more    | twice as long as the last time, at most 10 minutes |
 */
export class KindRights {
  readonly #options: KindRightsOptions;
  #answer: Answer | undefined;

  constructor(options: KindRightsOptions) {
    this.#options = options;
  }

  /** The next question is for the API server: there is a sign that its last answer is not true any more. */
  forget(): void {
    this.#answer = undefined;
  }

  /**
   * The first right that is missing, in words; undefined when we have them all.
   * @param had whether we had them all until now
   */
  async missing(had: boolean): Promise<string | undefined> {
    const { client, clock, kind, namespaces } = this.#options;
    const now = clock.now();
    const before = this.#answer;
    if (before && now < before.untilMs) return before.missing;
    const { group, plural: resource } = kind;
    const rights = namespaces.flatMap((namespace) => VERBS.map((verb) => ({ verb, group, resource, namespace })));
    const missing = await missingRight(client, rights, had);
    const forMissingMs = before?.missing === undefined ? MISSING_MS : 2 * before.forMs;
    const forMs = missing === undefined ? GRANTED_MS : Math.min(GRANTED_MS, forMissingMs);
    this.#answer = { missing, forMs, untilMs: now + forMs };
    return missing;
  }
}
