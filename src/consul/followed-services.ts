import { followBlockingQuery, type BlockingQueryOptions } from './blocking-query.ts';
import { FROM_THE_LEADER, instancesRequest } from './catalog.ts';
import type { Known } from './known-services.ts';

/** One long poll for each followed service, up to here; each is a connection, and Consul allows 200 for one client. */
const MOST_FOLLOWED = 100;
/** Once in the 30 s of a wait: a service whose checks put out something new all the time is left to the health lists and sweeps. */
const FUTILE_PER_SECOND = 1 / 30;

type Watching = Omit<BlockingQueryOptions, 'request' | 'perSecond' | 'futilePerSecond' | 'onAnswer' | 'onPause'>;

/** The services with a blocking query of their own, while there is room. Only what Consul lists is followed. */
export class FollowedServices {
  readonly #watching: Watching;
  #count = 0;

  constructor(watching: Watching) {
    this.#watching = watching;
  }

  /** @param take judges and takes in an answer about the service; true when something that matters changed */
  follow(known: Known, take: BlockingQueryOptions['onAnswer']): void {
    if (known.following || !known.listed || this.#count >= MOST_FOLLOWED) return;
    const following = { stop: new AbortController(), paused: false };
    known.following = following;
    this.#count++;
    void followBlockingQuery({
      ...this.#watching,
      request: { ...instancesRequest(known.spelling), query: FROM_THE_LEADER },
      newestIndex: () => known.index,
      onAnswer: take,
      onPause: (paused) => (following.paused = paused),
      perSecond: 5,
      futilePerSecond: FUTILE_PER_SECOND,
      signal: AbortSignal.any([this.#watching.signal, following.stop.signal]),
    });
  }

  unfollow(known: Known): void {
    if (!known.following) return;
    known.following.stop.abort();
    delete known.following;
    this.#count--;
  }
}
