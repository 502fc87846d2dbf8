import { SERVICE_NAME_LABEL, type Endpoints, type EndpointSlice, type Service } from '../../kubernetes/objects.ts';
import { ANNOTATION, LABEL } from '../../mark.ts';
import type { Changes } from '../../reconcile/changes.ts';
import { readHosts } from '../objects/hosts-annotation.ts';
import type { DesiredEndpoints } from '../objects/endpoints.ts';
import { sameList, textOf } from '../objects/ports.ts';
import { emptied, placesInSlice, type DesiredSlice } from '../objects/slice.ts';

/** Something that would go, and stays because `toKubernetes.removals` is never. */
export interface Kept {
  readonly kind: 'Service' | 'EndpointSlice';
  readonly name: string;
  readonly note: string;
}

const BECAUSE = 'because toKubernetes.removals is never';
/** The API server takes 1000 endpoints in a slice; those that are wanted come first. */
const MOST_IN_SLICE = 1000;

/**
 * The slices that are wanted while nothing may be removed: with each endpoint that would go, not ready, so that nobody is sent
 * there. An endpoint that is wanted in another slice moves as ever.
 * @param own slices of ours as they are
 */
export function withKept(desired: readonly DesiredSlice[], own: readonly EndpointSlice[]): DesiredSlice[] {
  const there = new Set(desired.flatMap(placesInSlice).map(textOf));
  const wished = new Map(desired.map((slice) => [slice.name, slice]));
  for (const slice of own) {
    const hosts = readHosts(slice);
    const places = placesInSlice(slice).map(textOf);
    const lost = slice.endpoints
      .filter((_, i) => !there.has(places[i] ?? ''))
      .map(({ address, zone }) => ({ address, zone, host: hosts.get(address) ?? '', ready: false }));
    const wish = wished.get(slice.name) ?? asItIs(slice);
    // Behind other ports it would be another endpoint.
    if (lost.length === 0 || !sameList(wish.ports, slice.ports, (a, b) => a.port === b.port)) continue;
    wished.set(slice.name, { ...wish, endpoints: [...wish.endpoints, ...lost].slice(0, MOST_IN_SLICE) });
  }
  return [...wished.values()];
}

function asItIs(slice: EndpointSlice): DesiredSlice {
  const { labels, annotations } = slice;
  const from = annotations.get(ANNOTATION.consulService) ?? annotations.get(ANNOTATION.importedFrom) ?? '';
  return emptied(slice, labels.get(SERVICE_NAME_LABEL) ?? '', from);
}

/** Empties the v1 Endpoints that would go: who reads them is sent to every address in them. */
export function emptyEndpoints(changes: Changes<DesiredEndpoints, Endpoints>): Changes<DesiredEndpoints, Endpoints> {
  const emptying = changes.remove
    .filter(({ subsets, labels }) => subsets.length > 0 && labels.has(LABEL.skipMirror))
    .map((observed) => ({
      desired: {
        name: observed.name,
        consulService: observed.annotations.get(ANNOTATION.consulService) ?? '',
        headless: observed.labels.has(LABEL.headless),
        subsets: [],
        truncated: false,
      },
      observed,
    }));
  return { ...changes, update: [...changes.update, ...emptying], remove: [] };
}

/** What of the slices is kept, when the changes are written; and the Services that would go. */
export function keptOf(
  services: readonly Service[],
  own: readonly EndpointSlice[],
  { update, remove }: Changes<DesiredSlice, EndpointSlice>,
): Kept[] {
  const updates = new Map(update.map(({ desired, observed }) => [observed.name, desired]));
  const gone = new Set(remove.map(({ name }) => name));
  const slices = own.flatMap(({ name, endpoints }): Kept[] => {
    if (gone.has(name)) return [];
    const { length } = (updates.get(name)?.endpoints ?? endpoints).filter(({ ready }) => ready === false);
    const note = `${length} endpoint${length === 1 ? '' : 's'} kept, not ready, ${BECAUSE}`;
    return length === 0 ? [] : [{ kind: 'EndpointSlice', name, note }];
  });
  return [...services.map(({ name }): Kept => ({ kind: 'Service', name, note: `kept ${BECAUSE}` })), ...slices];
}
