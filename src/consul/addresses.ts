import { systemClock, type Clock } from '../clock.ts';
import { explainError, type Log } from '../observability/log.ts';
import { ConsulError } from './errors.ts';

/** How often it is looked who Consul's servers are: they may all be replaced while one address works for years. */
const LOOK_MS = 60_000;

/** An address of Consul, as long as it is the one that everything is sent to. */
export interface Place {
  readonly address: string;
  /** Aborts when another address is used from now on. */
  readonly left: AbortSignal;
}

export interface AddressesOptions {
  /** In order; at least one. */
  readonly addresses: readonly string[];
  /** IDs of Consul's servers, as that place tells them, confirmed by their leader. */
  readonly readServers: (place: Place) => Promise<ReadonlySet<string>>;
  readonly log: Log;
  /** @default that of the process */
  readonly clock?: Pick<Clock, 'now'>;
}

/**
 * Which of several addresses of one Consul is used: one at a time for everything, the same as long as it works, and then the
 * next. What waits at the old one is called off at that moment, so that no answer of a server that was left is taken for new.
 *
 * | at another address                                         | what is done                             |
 * |------------------------------------------------------------|------------------------------------------|
 * | at least one of Consul's servers is known from before      | it is used                               |
 * | all of them are others                                     | it is another Consul: nothing is sent to it, and the next is tried |
 * | nobody can tell                                            | the next is tried                        |
 */
export class Addresses {
  readonly #options: AddressesOptions & { readonly clock: Pick<Clock, 'now'> };
  #position = 0;
  #left = new AbortController();
  #place: Place;
  /** Undefined until an address was used. */
  #servers: ReadonlySet<string> | undefined;
  #lookedAt = -Infinity;
  /** Resolves when the place is known to be of our Consul; undefined when nobody has asked yet. */
  #confirmed: Promise<void> | undefined;
  #told: string | undefined;
  #why: unknown;

  constructor(options: AddressesOptions) {
    this.#options = { clock: systemClock, ...options };
    this.#place = this.#placeAt();
  }

  /** Where requests go now, or would. */
  get current(): Place {
    return this.#place;
  }

  /** Resolves with where a request goes. @throws Error when that is not known to be our Consul */
  async ready(): Promise<Place> {
    if (this.#options.addresses.length === 1) return this.#place;
    for (;;) {
      const place = this.#place;
      await (this.#confirmed ??= this.#confirm(place));
      if (place === this.#place) return place;
    }
  }

  /** A request was answered there. */
  answered({ address }: Place): void {
    if (this.#options.addresses.length === 1 || address !== this.#place.address) return;
    if (this.#told !== undefined && this.#told !== address)
      this.#options.log.warn('Consul is asked at another address now', {
        before: this.#told,
        address,
        error: this.#why,
      });
    this.#told = address;
    if (this.#options.clock.now() - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = this.#options.clock.now();
    const place = this.#place;
    const look = async () => {
      const servers = await this.#options.readServers(place);
      if (place === this.#place && servers.size > 0) this.#servers = servers;
    };
    look().catch((error: unknown) => this.#options.log.debug("Consul's servers are not known anew", { error }));
  }

  /** A request failed there. */
  failed(place: Place, error: ConsulError): void {
    if (isOfTheAddress(error)) this.#leave(place, error);
  }

  async #confirm(place: Place): Promise<void> {
    try {
      const servers = await this.#options.readServers(place);
      if (servers.size === 0) throw new Error("expected Consul's servers, found none: has the token lost its rights?");
      if (this.#servers && ![...servers].some((id) => this.#servers?.has(id))) throw new Error(ANOTHER);
      this.#servers = servers;
      this.#lookedAt = this.#options.clock.now();
    } catch (cause) {
      const error = new Error(`ask Consul at ${place.address}: ${explainError(cause)}`, { cause });
      if (place === this.#place) this.#confirmed = undefined;
      if (this.#servers || (cause instanceof ConsulError && isOfTheAddress(cause))) this.#leave(place, error);
      throw error;
    }
  }

  #leave(place: Place, error: unknown): void {
    const { addresses } = this.#options;
    if (place !== this.#place || addresses.length === 1) return;
    const left = this.#left;
    this.#position = (this.#position + 1) % addresses.length;
    this.#left = new AbortController();
    this.#place = this.#placeAt();
    this.#confirmed = undefined;
    this.#why = error;
    left.abort();
  }

  #placeAt(): Place {
    return { address: this.#options.addresses[this.#position] ?? '', left: this.#left.signal };
  }
}

const ANOTHER = 'expected one of the servers of Consul that are known, found others: this is another Consul';

/**
 * Whether another address may do better: nobody answered, or a server that has no leader, or a proxy that has no server. What
 * a leader refuses, it refuses at each address.
 */
export function isOfTheAddress({ status, detail }: ConsulError): boolean {
  if (status === 0 || (status >= 502 && status <= 504)) return true;
  return status === 500 && /no cluster leader|no known consul servers|leader not found/i.test(detail);
}
