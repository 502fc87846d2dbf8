import type { Clock } from '../clock.ts';
import { missingRight } from './access.ts';
import type { KubernetesRequester } from './client.ts';
import type { KubernetesObject } from './objects.ts';
import type { CustomKind } from './resources.ts';

/** How long an answer about our rights counts. */
export interface RightsPace {
  /** One that says that we have all rights: it takes five questions for each namespace. The longest for any other, too. */
  readonly grantedMs: number;
  /** The first that says that a right is missing, or that nobody could tell. */
  readonly missingMs: number;
}

export const RIGHTS_PACE: RightsPace = { grantedMs: 10 * 60_000, missingMs: 15_000 };
/** What we do with the objects. */
const VERBS = ['list', 'watch', 'create', 'patch', 'delete'];

interface KindRightsOptions {
  readonly client: KubernetesRequester;
  readonly kind: Pick<CustomKind<KubernetesObject>, 'group' | 'plural'>;
  readonly namespaces: readonly string[];
  readonly pace: RightsPace;
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
 * | the answer                                            | counts for                                         |
 * |-------------------------------------------------------|----------------------------------------------------|
 * | none yet, or it was forgotten                         | the API server is asked at once                    |
 * | we have all rights                                    | 10 minutes                                         |
 * | we had them, and an authorizer in trouble cannot tell | 15 s: until then we have them still                |
 * | a right is missing                                    | 15 s: somebody may be about to give it             |
 * | a right is missing, once more                         | twice as long as the last time, at most 10 minutes |
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
    const { client, clock, kind, namespaces, pace } = this.#options;
    const now = clock.now();
    const before = this.#answer;
    if (before && now < before.untilMs) return before.missing;
    const { group, plural: resource } = kind;
    const rights = namespaces.flatMap((namespace) => VERBS.map((verb) => ({ verb, group, resource, namespace })));
    const { missing, isCertain } = await missingRight(client, rights, had);
    const isMissingAgain = missing !== undefined && before?.missing !== undefined;
    const forMissingMs = isMissingAgain ? 2 * before.forMs : pace.missingMs;
    const isGranted = missing === undefined && isCertain;
    const forMs = isGranted ? pace.grantedMs : Math.min(pace.grantedMs, forMissingMs);
    this.#answer = { missing, forMs, untilMs: now + forMs };
    return missing;
  }
}
