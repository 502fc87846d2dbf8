import { isRefusal } from '../../kubernetes/errors.ts';
import type { Endpoints, EndpointSlice } from '../../kubernetes/objects.ts';
import type { WriteMode } from '../../kubernetes/object-api.ts';
import { endpointsWith, placesInEndpoints, type DesiredEndpoints } from '../objects/endpoints.ts';
import type { Place } from '../objects/ports.ts';
import { placesInSlice, sliceWith, type DesiredSlice } from '../objects/slice.ts';
import { takenOf } from './divide.ts';
import type { PlaceOwner, RefusedEndpoints } from './refused-endpoints.ts';

/** Writes it, or asks whether it could be. */
export type Attempt<D, O> = (desired: D, mode: WriteMode) => Promise<O>;

/** An object with endpoints, which can be written with some of them only. */
export interface Divided<D, O> {
  readonly kind: 'EndpointSlice' | 'Endpoints';
  readonly owner: (desired: D) => Omit<PlaceOwner, 'namespace'>;
  readonly places: (desired: D) => Place[];
  readonly placesNow: (observed: O) => Place[];
  readonly only: (desired: D, isKept: (place: Place) => boolean) => D;
  /** True for an endpoint that another object of the same Service has now. */
  readonly isElsewhere: (place: Place, desired: D) => boolean;
}

/** @param now slices as they are, of which any may lose endpoints to another */
export function slicesDivided(now: readonly EndpointSlice[]): Divided<DesiredSlice, EndpointSlice> {
  const having = new Map<string, Set<string>>();
  for (const slice of now)
    for (const place of placesInSlice(slice)) {
      const names = having.get(textOf(place)) ?? new Set();
      having.set(textOf(place), names.add(slice.name));
    }
  return {
    kind: 'EndpointSlice',
    owner: ({ serviceName, consulService }) => ({ serviceName, consulService: consulService.toLowerCase() }),
    places: placesInSlice,
    placesNow: placesInSlice,
    only: sliceWith,
    isElsewhere: (place, { name }) => [...(having.get(textOf(place)) ?? [])].some((other) => other !== name),
  };
}

export const ENDPOINTS: Divided<DesiredEndpoints, Endpoints> = {
  kind: 'Endpoints',
  owner: ({ name, consulService }) => ({ serviceName: name, consulService: consulService.toLowerCase() }),
  places: placesInEndpoints,
  placesNow: placesInEndpoints,
  only: endpointsWith,
  isElsewhere: () => false,
};

/** What became of an object. */
export interface Outcome<D, O> {
  /** What was sent last: all that was wanted, or what of it is taken. */
  readonly sent: D;
  /** As it is now; undefined when nothing of it could be written, and it is not there. */
  readonly written: O | undefined;
  /** What should have come from another object, which it has to stay in; undefined when there is no such thing. */
  readonly stranded?: { readonly desired: D; readonly error: Error };
}

export interface DividedWrite<D, O> {
  readonly namespace: string;
  readonly desired: D;
  /** As it is; undefined when it is to be made. */
  readonly observed: O | undefined;
  readonly attempt: Attempt<D, O>;
}

/**
 * Writes an object, and where the API server refuses it for the sake of some endpoints, without these: policies of clusters
 * refuse addresses of their own networks, and one such instance must cost no other. What was refused is remembered, but for
 * what callers reach by another object: that is to go on.
 * @throws the refusal, when no endpoint is the reason
 */
export async function writeDivided<D, O>(
  refused: Pick<RefusedEndpoints, 'refuse' | 'take'>,
  { kind, owner, places, placesNow, only, isElsewhere }: Divided<D, O>,
  { namespace, desired, observed, attempt }: DividedWrite<D, O>,
): Promise<Outcome<D, O>> {
  const whose = { namespace, ...owner(desired) };
  const wanted = places(desired);
  try {
    const written = await attempt(desired, 'write');
    refused.take(kind, whose, wanted);
    return { sent: desired, written };
  } catch (error) {
    if (!isRefusal(error) || wanted.length === 0) throw error;
    const having = (parts: readonly Place[]) => {
      const kept = new Set(parts.map(textOf));
      return only(desired, (place) => kept.has(textOf(place)));
    };
    const parts = partsOf(wanted, observed ? placesNow(observed) : []);
    const taken = await takenOf(parts, (some) => isTaken(() => attempt(having(some), 'trial')));
    if (!taken) throw error;
    const written = taken.length > 0 || observed ? await attempt(having(taken), 'write') : undefined;
    const left = partsOf(wanted, taken).added;
    const stranded = left.filter((place) => isElsewhere(place, desired));
    refused.take(kind, whose, taken);
    refused.refuse(kind, whose, partsOf(left, stranded).added, error.message);
    const sent = having(taken);
    return { sent, written, ...(stranded.length > 0 ? { stranded: { desired: having(stranded), error } } : {}) };
  }
}

/** Asks whether something would be taken. @throws whatever is no answer to that */
async function isTaken(attempt: () => Promise<unknown>): Promise<boolean> {
  try {
    await attempt();
    return true;
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
}

function partsOf(wanted: readonly Place[], now: readonly Place[]) {
  const [has, wants] = [new Set(now.map(textOf)), new Set(wanted.map(textOf))];
  return {
    kept: wanted.filter((place) => has.has(textOf(place))),
    added: wanted.filter((place) => !has.has(textOf(place))),
    isLeft: now.some((place) => !wants.has(textOf(place))),
  };
}

function textOf({ address, port }: Place): string {
  return `${address} ${port}`;
}
