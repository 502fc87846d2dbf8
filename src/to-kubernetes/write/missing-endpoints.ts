import { locationOf } from '../../address.ts';
import { describePurpose } from '../../kubernetes/errors.ts';
import { objectKey, type EndpointPort, type KubernetesObject, type WorkloadEntry } from '../../kubernetes/objects.ts';

/** What is looked at of a slice, as it is or as it should be. */
export interface SliceAddresses<E extends HasAddress = HasAddress> {
  readonly ports: readonly Pick<EndpointPort, 'port' | 'protocol'>[];
  readonly endpoints: readonly E[];
}
interface HasAddress {
  readonly address: string;
}

/**
 * Endpoints whose slice could not be written. Another slice that has one of them, and should lose it to that slice, keeps it
 * until it is there, and so does a WorkloadEntry: an admission webhook, a quota or a missing right that refuses a slice must
 * not cost callers an address. What is not to be anywhere any more goes all the same.
 */
export class MissingEndpoints {
  readonly #missing = new Set<string>();

  /** That slice could not be written. */
  add(slice: SliceAddresses): void {
    for (const location of locationsOf(slice)) this.#missing.add(location);
  }

  /** Those of a slice that would be nowhere: they are in it as it is, and not as it is to be. */
  lost<E extends HasAddress>({ ports, endpoints }: SliceAddresses<E>, desired?: SliceAddresses): E[] {
    if (this.#missing.size === 0) return [];
    const stays = new Set(desired && locationsOf(desired));
    return endpoints.filter((endpoint) =>
      locationsOf({ ports, endpoints: [endpoint] }).some(
        (location) => this.#missing.has(location) && !stays.has(location),
      ),
    );
  }

  /** True when all that leads to it is this entry. */
  needs({ address, ports }: Pick<WorkloadEntry, 'address' | 'ports'>): boolean {
    const numbers = [...ports.values()].map((port) => ({ port, protocol: 'TCP' as const }));
    return this.lost({ ports: numbers, endpoints: [{ address }] }).length > 0;
  }
}

/** A write that was not done, or not as a whole, for the sake of what is missing. */
export function staysError(verb: 'patch' | 'delete', kind: string, object: KubernetesObject): Error {
  const purpose = describePurpose({ verb, kind, object: objectKey(object) });
  return new Error(`${purpose}: what it has stays, as far as the slice that is to have it could not be written`);
}

/**
 * What only comes before what only goes, or an address that moves from one slice to another would be nowhere in between,
 * and a refusal would be known too late.
 */
export function growingFirst<U extends { readonly desired: SliceAddresses; readonly observed: SliceAddresses }>(
  updates: readonly U[],
): U[] {
  const rank = ({ desired, observed }: U) => {
    if (!hasMore(observed, desired)) return 0;
    return hasMore(desired, observed) ? 1 : 2;
  };
  const ranked = updates.map((update) => ({ update, rank: rank(update) }));
  return ranked.sort((a, b) => a.rank - b.rank).map(({ update }) => update);
}

/** True when the first one has something that the second one lacks. */
function hasMore(one: SliceAddresses, other: SliceAddresses): boolean {
  const locations = new Set(locationsOf(other));
  return locationsOf(one).some((location) => !locations.has(location));
}

function locationsOf({ ports, endpoints }: SliceAddresses): string[] {
  const targets = new Map(ports.map(({ port, protocol }) => [`${port} ${protocol}`, port]));
  return endpoints.flatMap(({ address }) =>
    [...targets].map(([target, port]) => `${locationOf(address, port)} ${target}`),
  );
}
