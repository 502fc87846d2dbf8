import { isRefusal } from '../../kubernetes/errors.ts';
import type { Endpoints, EndpointSlice } from '../../kubernetes/objects.ts';
import type { WriteMode } from '../../kubernetes/object-api.ts';
import { endpointsWith, placesInEndpoints, type DesiredEndpoints } from '../objects/endpoints.ts';
import { groupBy, textOf, type Place } from '../objects/ports.ts';
import { placesInSlice, sliceWith, type DesiredSlice } from '../objects/slice.ts';
import { takenOf, type Parts } from './divide.ts';
import type { Refusal } from '../plan/sources.ts';
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
  refused: Pick<RefusedEndpoints, 'of' | 'refuse' | 'take'>,
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
    const known = (place: Place) => refused.of(kind, namespace, whose.serviceName, place);
    const parts = partsOf(wanted, observed ? placesNow(observed) : [], known);
    const found = await takenOf(parts, (some) => refusalOf(() => attempt(having(some), 'trial')));
    if (!found) throw error;
    const { taken, answers } = found;
    const written = taken.length > 0 || observed ? await attempt(having(taken), 'write') : undefined;
    const left = without(wanted, taken);
    const stranded = left.filter((place) => isElsewhere(place, desired));
    const remembered = without(left, stranded).map((place) => {
      const answer = answers.get(place);
      return { place, why: answer ?? known(place)?.why ?? error.message, isAsked: answer !== undefined };
    });
    refused.take(kind, whose, taken);
    refused.refuse(kind, whose, remembered);
    const sent = having(taken);
    return { sent, written, ...(stranded.length > 0 ? { stranded: { desired: having(stranded), error } } : {}) };
  }
}

/** Asks why something would be refused; undefined when it would be taken. @throws whatever is no answer to that */
async function refusalOf(attempt: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await attempt();
    return undefined;
  } catch (error) {
    if (isRefusal(error)) return error.message;
    throw error;
  }
}

function without(places: readonly Place[], others: readonly Place[]): Place[] {
  const texts = new Set(others.map(textOf));
  return places.filter((place) => !texts.has(textOf(place)));
}

/** What comes for the first time is asked about first, or what was refused before would cost it. */
function partsOf(
  wanted: readonly Place[],
  now: readonly Place[],
  known: (place: Place) => Refusal | undefined,
): Parts<Place> {
  const added = without(wanted, now);
  const fresh = added.filter((place) => !known(place));
  const before = added.flatMap((place) => {
    const refusal = known(place);
    return refusal ? [{ place, ...refusal }] : [];
  });
  const unasked = before.filter(({ askedAt }) => askedAt === undefined);
  const asked = before
    .filter(({ askedAt }) => askedAt !== undefined)
    .toSorted((a, b) => (a.askedAt ?? 0) - (b.askedAt ?? 0));
  const byReason = groupBy(asked, ({ why, place }) => why.replaceAll(place.address, ''));
  return {
    kept: without(wanted, added),
    added: [...fresh, ...unasked.map(({ place }) => place)],
    again: [...byReason.values()].map((group) => group.map(({ place }) => place)),
    left: without(now, wanted).length,
  };
}
