import { canonicalAddress } from '../address.ts';
import type { EndpointPort } from '../kubernetes/objects.ts';

/** What is looked at of a slice, as it is or as it should be. */
export interface SliceAddresses {
  readonly name: string;
  readonly ports: readonly Pick<EndpointPort, 'port'>[];
  readonly endpoints: readonly { readonly address: string }[];
}

/**
 * Endpoints whose slice could not be written. Another slice that has one of them, and should lose it to that slice, keeps it
 * until it is there: an admission webhook, a quota or a missing right that refuses a slice must not cost callers an address.
 */
export class MissingEndpoints {
  readonly #missing = new Set<string>();

  /** That slice could not be written. */
  add(slice: SliceAddresses): void {
    for (const location of locationsOf(slice)) this.#missing.add(location);
  }

  /** @throws Error when a missing endpoint would be nowhere: it is in the slice as it is, and not as it is to be */
  assertKept(observed: SliceAddresses, desired?: SliceAddresses): void {
    if (this.#missing.size === 0) return;
    const stays = new Set(desired && locationsOf(desired));
    const lost = locationsOf(observed).find((location) => this.#missing.has(location) && !stays.has(location));
    if (lost !== undefined)
      throw new Error(`EndpointSlice ${observed.name} stays as it is: the one that is to have ${lost} was not written`);
  }
}

function locationsOf({ ports, endpoints }: SliceAddresses): string[] {
  const numbers = new Set(ports.map(({ port }) => port));
  return endpoints.flatMap(({ address }) => [...numbers].map((port) => `${canonicalAddress(address)} port ${port}`));
}
