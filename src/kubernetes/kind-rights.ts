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

/** The first right that is missing in a namespace, in words, for each namespace where one is. */
export type MissingRights = ReadonlyMap<string, string>;

interface Answer {
  readonly missing: MissingRights;
  readonly forMs: number;
  readonly untilMs: number;
}

/**
 * Our rights to a kind. An answer of the API server counts for a while:
 *
 * | the answer                                            | counts for                                         |
 * |-------------------------------------------------------|----------------------------------------------------|
 * | none yet, or it was forgotten                         | the API server is asked at once                    |
 * | we have all rights everywhere                         | 10 minutes                                         |
 * | we had them, and an authorizer in trouble cannot tell | 15 s: until then we have them still                |
 * | a right is missing somewhere                          | 15 s: somebody may be about to give it             |
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
   * Where we have not all of them.
   * @param had the namespaces where we had them all until now
   */
  async missing(had: ReadonlySet<string>): Promise<MissingRights> {
    const { clock, pace } = this.#options;
    const now = clock.now();
    const before = this.#answer;
    if (before && now < before.untilMs) return before.missing;
    const { missing, isCertain } = await this.#ask(had);
    const isMissingAgain = missing.size > 0 && before !== undefined && before.missing.size > 0;
    const forMissingMs = isMissingAgain ? 2 * before.forMs : pace.missingMs;
    const isGranted = missing.size === 0 && isCertain;
    const forMs = isGranted ? pace.grantedMs : Math.min(pace.grantedMs, forMissingMs);
    this.#answer = { missing, forMs, untilMs: now + forMs };
    return missing;
  }

  async #ask(had: ReadonlySet<string>): Promise<{ readonly missing: MissingRights; readonly isCertain: boolean }> {
    const { client, kind, namespaces } = this.#options;
    const { group, plural: resource } = kind;
    const answers = await Promise.all(
      namespaces.map(async (namespace) => {
        const rights = VERBS.map((verb) => ({ verb, group, resource, namespace }));
        return { namespace, ...(await missingRight(client, rights, had.has(namespace))) };
      }),
    );
    const missing = answers.flatMap(({ namespace, missing }): [string, string][] =>
      missing === undefined ? [] : [[namespace, missing]],
    );
    return { missing: new Map(missing), isCertain: answers.every(({ isCertain }) => isCertain) };
  }
}
