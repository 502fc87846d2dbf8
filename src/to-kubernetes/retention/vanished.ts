import type { ServiceInstance } from '../../consul/types.ts';
import { Breaker, WINDOW_MS, type Lost } from '../../guard/breaker.ts';
import { wentOneByOne } from '../../guard/missing.ts';
import { Retained, type Released } from '../../guard/retained.ts';

/** What Consul has of a service, by the places of its instances: address and port, as one text. */
export interface Answered {
  /** The instances that are to be endpoints. */
  readonly serving: ReadonlyMap<string, ServiceInstance>;
  /** The places of all instances, whatever becomes of them. */
  readonly places: ReadonlySet<string>;
  /** Whether what it does not have is known to be gone. */
  readonly isWhole: boolean;
}

interface Missing {
  /** As Consul had it last; undefined when an earlier run has written the endpoint. */
  readonly instance: ServiceInstance | undefined;
  readonly sinceMs: number;
  isRetained: boolean;
}

interface Service {
  readonly present: Map<string, ServiceInstance | undefined>;
  readonly missing: Map<string, Missing>;
}

const WHY =
  'more than half of what was there, and more than 20, are missing from Consul at once: a second answer about the service decides';

/**
 * Instances that vanish from Consul in masses are retained until a second answer, which whoever asks Consul gives:
 *
 * | the instance                                                        | then                                        |
 * |---------------------------------------------------------------------|---------------------------------------------|
 * | is there and serves                                                 | it is there                                 |
 * | serves no more, and Consul has something at its place               | gone: Consul says so                        |
 * | is missing, as one of few of its service in one answer              | goes: it deregistered itself. It counts of all services together only |
 * | is missing, as one of many, and nobody else is                      | goes; comes back if more follow before a second answer |
 * | is missing, in an event that the breaker notices                    | retained, whatever becomes of the others    |
 * | is missing still when the second answer comes                       | gone                                        |
 * | is released                                                         | goes                                        |
 *
 * Calculates, and asks nobody: names are those of Consul services, lower case, times a monotonic clock's. What returns names
 * returns those of which something else is retained than before.
 */
export class Vanished {
  readonly #secondMs: number;
  readonly #breaker = new Breaker();
  readonly #retained = new Retained();
  readonly #services = new Map<string, Service>();
  /**
   * Members that were gone at their second answer, and retained by nothing, by the time of it. In the event of a minute they
   * count still; then they must end, because a tripped scope's losses do not grow old.
   */
  readonly #decided = new Map<string, { readonly service: string; readonly atMs: number }>();

  /** @param secondMs how long after an answer the second one decides */
  constructor(secondMs: number) {
    this.#secondMs = secondMs;
  }

  /** How many are retained. */
  get size(): number {
    return this.#retained.size;
  }

  /** Those of which something is known. */
  names(): Iterable<string> {
    return this.#services.keys();
  }

  knows(name: string): boolean {
    return this.#services.has(name);
  }

  /** Places of endpoints that an earlier run has written. */
  remember(name: string, places: Iterable<string>, nowMs: number): void {
    const { present } = this.#ensure(name);
    for (const place of places) {
      present.set(place, undefined);
      this.#decided.delete(memberOf(name, place));
      this.#breaker.there(name, memberOf(name, place), nowMs);
    }
  }

  /** Takes in what Consul has of a service. */
  take(name: string, { serving, places, isWhole }: Answered, nowMs: number): ReadonlySet<string> {
    const changed = new Set<string>();
    this.#endDecided(nowMs, changed);
    const { present, missing } = this.#ensure(name);
    const had = present.size;
    for (const [place, instance] of serving) {
      const isNew = !present.has(place);
      present.set(place, instance);
      if (!isNew) continue;
      this.#decided.delete(memberOf(name, place));
      this.#note(this.#breaker.there(name, memberOf(name, place), nowMs), nowMs, changed);
    }
    for (const place of missing.keys()) {
      if (!places.has(place)) continue;
      this.#drop(name, place, changed);
      // Else the loss would never end: of an instance that serves the breaker knows already.
      if (!serving.has(place)) this.#note(this.#breaker.gone(name, memberOf(name, place), nowMs), nowMs, changed);
    }
    const away = [...present.keys()].filter((place) => !serving.has(place));
    const vanished = isWhole ? away.filter((place) => !places.has(place)) : [];
    const isLoss = !wentOneByOne(vanished.length, had);
    for (const place of away) {
      const isMissing = !places.has(place);
      if (isMissing && !isWhole) continue;
      const instance = present.get(place);
      present.delete(place);
      const member = memberOf(name, place);
      if (isMissing) missing.set(place, { instance, sinceMs: nowMs, isRetained: false });
      const fact = !isMissing ? 'gone' : isLoss ? 'lost' : 'left';
      this.#note(this.#breaker[fact](name, member, nowMs), nowMs, changed);
    }
    for (const place of missing.keys()) this.#judge({ service: name, member: memberOf(name, place) }, nowMs, changed);
    this.#tidy(name);
    return changed;
  }

  /** The second answer about a service was asked for at that time, and taken in: what is missing still is gone. */
  decide(name: string, askedMs: number, nowMs: number): ReadonlySet<string> {
    const changed = new Set<string>();
    for (const [place, { sinceMs, isRetained }] of this.#services.get(name)?.missing ?? []) {
      if (askedMs < sinceMs + this.#secondMs) continue;
      this.#drop(name, place, changed);
      const member = memberOf(name, place);
      if (isRetained) this.#note(this.#breaker.gone(name, member, nowMs), nowMs, changed);
      else this.#decided.set(member, { service: name, atMs: nowMs });
    }
    this.#endDecided(nowMs, changed);
    this.#tidy(name);
    return changed;
  }

  /** When the next answer about a service decides something; undefined when nothing is missing. */
  dueMs(name: string): number | undefined {
    const times = [...(this.#services.get(name)?.missing.values() ?? [])].map(({ sinceMs }) => sinceMs);
    return times.length === 0 ? undefined : Math.min(...times) + this.#secondMs;
  }

  /** The service is not mirrored or taken in any more: somebody wants it so. */
  forget(name: string, nowMs: number): ReadonlySet<string> {
    const changed = new Set<string>();
    const { present, missing } = this.#ensure(name);
    for (const place of [...present.keys(), ...missing.keys()]) {
      this.#drop(name, place, changed);
      this.#note(this.#breaker.gone(name, memberOf(name, place), nowMs), nowMs, changed);
    }
    this.#services.delete(name);
    return changed;
  }

  /** The retained instances of a service that Consul showed to this run. */
  instances(name: string): readonly ServiceInstance[] {
    return this.#retainedOf(name).flatMap(({ instance }) => instance ?? []);
  }

  isRetaining(name: string): boolean {
    return this.#retainedOf(name).length > 0;
  }

  retains(name: string, place: string): boolean {
    return this.#services.get(name)?.missing.get(place)?.isRetained ?? false;
  }

  /** All that is retained, under a hash that is good for an hour. */
  show(nowMs: number) {
    return this.#retained.show(nowMs);
  }

  /** Lets go what was shown under that hash, and is retained still. */
  release(hash: string, nowMs: number): { readonly released: Released; readonly changed: ReadonlySet<string> } {
    const changed = new Set<string>();
    const released = this.#retained.release(hash, nowMs);
    for (const { service, member } of released.isKnown ? released.members : []) {
      this.#services.get(service)?.missing.delete(placeIn(service, member));
      changed.add(service);
      this.#note(this.#breaker.release(service, member, nowMs), nowMs, changed);
      this.#tidy(service);
    }
    return { released, changed };
  }

  #endDecided(nowMs: number, changed: Set<string>): void {
    for (const [member, { service, atMs }] of this.#decided) {
      if (nowMs - atMs < WINDOW_MS) return;
      this.#decided.delete(member);
      this.#note(this.#breaker.gone(service, member, nowMs), nowMs, changed);
    }
  }

  #retainedOf(name: string): readonly Missing[] {
    const missing = this.#services.get(name)?.missing;
    return missing ? [...missing.values()].filter(({ isRetained }) => isRetained) : [];
  }

  #note(lost: readonly Lost[], nowMs: number, changed: Set<string>): void {
    for (const one of lost) this.#judge(one, nowMs, changed);
  }

  /** What is retained once is retained until its own second answer, also when the event is over for the others. */
  #judge({ service, member }: Lost, nowMs: number, changed: Set<string>): void {
    const missing = this.#services.get(service)?.missing.get(placeIn(service, member));
    if (!missing || missing.isRetained) return;
    if (!this.#breaker.isTripped(service) || !this.#breaker.isOfEvent(service, member)) return;
    missing.isRetained = true;
    this.#retained.keep({ service, member, why: WHY }, nowMs);
    changed.add(service);
  }

  #drop(name: string, place: string, changed: Set<string>): void {
    const missing = this.#services.get(name)?.missing;
    const isRetained = missing?.get(place)?.isRetained === true;
    missing?.delete(place);
    if (!isRetained) return;
    this.#retained.letGo(memberOf(name, place));
    changed.add(name);
  }

  #ensure(name: string): Service {
    let service = this.#services.get(name);
    if (!service) this.#services.set(name, (service = { present: new Map(), missing: new Map() }));
    return service;
  }

  #tidy(name: string): void {
    const service = this.#services.get(name);
    if (service && service.present.size + service.missing.size === 0) this.#services.delete(name);
  }
}

/** Unique in the direction. */
function memberOf(name: string, place: string): string {
  return `${name} ${place}`;
}

function placeIn(name: string, member: string): string {
  return member.slice(name.length + 1);
}
