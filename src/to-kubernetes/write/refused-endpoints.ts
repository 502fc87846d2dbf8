import type { Clock } from '../../clock.ts';
import { textOf, type Place } from '../objects/ports.ts';
import type { Refusal, Refusals } from '../plan/sources.ts';

/** Whose endpoints they are. */
export interface PlaceOwner {
  readonly namespace: string;
  readonly serviceName: string;
  /** Lower case. */
  readonly consulService: string;
}

type Kind = Parameters<Refusals['of']>[0];

/** What is remembered of an endpoint. */
export interface RefusedPlace {
  readonly place: Place;
  /** The words of the API server. */
  readonly why: string;
  /** True when it was refused alone; else others were, and stood for it. */
  readonly isAsked: boolean;
}

interface Entry extends Refusal {
  readonly owner: PlaceOwner;
  readonly failures: number;
  readonly dueAt: number;
}

/** The first wait; then twice as long each time: 1, 2, 4, 8 and 10 minutes. A policy is seldom changed, and each try costs some questions. */
const FIRST_WAIT_MS = 60_000;
const LONGEST_WAIT_MS = 600_000;

/**
 * Endpoints that the API server refused, so that they are left out of what is written until it is time to try them again. What
 * happened to them is told to listeners, because the next plan says another thing then.
 */
export class RefusedEndpoints implements Refusals {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(owner: PlaceOwner) => void>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  subscribe(listener: (owner: PlaceOwner) => void): void {
    this.#listeners.add(listener);
  }

  of(kind: Kind, namespace: string, serviceName: string, place: Place): Refusal | undefined {
    const entry = this.#entries.get(keyOf(kind, { namespace, serviceName }, place));
    return entry && { why: entry.why, isDue: entry.dueAt <= this.#clock.now(), askedAt: entry.askedAt };
  }

  refuse(kind: Kind, owner: PlaceOwner, places: readonly RefusedPlace[]): void {
    const now = this.#clock.now();
    // Of instances that are gone nobody asks any more.
    for (const [key, { dueAt }] of this.#entries) if (dueAt + LONGEST_WAIT_MS < now) this.#entries.delete(key);
    for (const { place, why, isAsked } of places) {
      const key = keyOf(kind, owner, place);
      const before = this.#entries.get(key);
      const failures = (before?.failures ?? 0) + 1;
      const askedAt = isAsked ? now : before?.askedAt;
      const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1));
      this.#entries.set(key, { owner, why, askedAt, failures, dueAt: now + wait, isDue: false });
    }
    if (places.length > 0) this.#tell(owner);
  }

  /** They were written. */
  take(kind: Kind, owner: PlaceOwner, places: readonly Place[]): void {
    if (this.#entries.size === 0) return;
    const taken = places.filter((place) => this.#entries.delete(keyOf(kind, owner, place)));
    if (taken.length > 0) this.#tell(owner);
  }

  /** Milliseconds until something of these is to be tried again; undefined when nothing is. */
  waitMs(isMeant: (owner: PlaceOwner) => boolean): number | undefined {
    const due = [...this.#entries.values()].filter(({ owner }) => isMeant(owner)).map(({ dueAt }) => dueAt);
    const now = this.#clock.now();
    const waits = due.map((at) => at - now).filter((ms) => ms > 0);
    return waits.length === 0 ? undefined : Math.min(...waits);
  }

  #tell(owner: PlaceOwner): void {
    for (const listener of this.#listeners) listener(owner);
  }
}

function keyOf(
  kind: Kind,
  { namespace, serviceName }: Pick<PlaceOwner, 'namespace' | 'serviceName'>,
  place: Place,
): string {
  return `${kind} ${namespace}/${serviceName} ${textOf(place)}`;
}
