/** Losses within so long are one event: a fault of a network or of a control plane shows of all that it concerns in less. */
export const WINDOW_MS = 60_000;
/** More than so many have to be lost: where fewer are at stake an event is not told from a bad day of a few pods. */
export const FEW = 20;

/** A member of a service that was there and would go, although nobody took it away. */
export interface Lost {
  readonly service: string;
  readonly member: string;
}

interface Loss extends Lost {
  readonly of: Service;
  readonly atMs: number;
  isReleased: boolean;
}

/** What is judged together: one service, or the whole direction. */
class Scope {
  /** How many members are there. */
  there = 0;
  /** Those that count, the earliest first. */
  readonly losses = new Set<Loss>();
  /** How many of these were released. */
  released = 0;
  isTripped = false;

  get isMany(): boolean {
    const lost = this.losses.size;
    return lost > FEW && lost > this.there && lost > this.released;
  }

  /** The loss does not count any more. */
  drop(loss: Loss): void {
    if (this.losses.delete(loss) && loss.isReleased) this.released--;
  }
}

interface Service {
  readonly scope: Scope;
  readonly there: Set<string>;
  /** Those that count in the service or in the whole. */
  readonly lost: Map<string, Loss>;
}

/**
 * Notices that much of what a direction owns would go at once, of a Consul service or of all of them together. It is told
 * what becomes of each member, as many times as anybody likes:
 *
 * | fact      | the member                                                                                           |
 * |-----------|------------------------------------------------------------------------------------------------------|
 * | `there`   | is there and serves. Only what was there can be lost                                                 |
 * | `lost`    | would go, and nobody meant it to                                                                     |
 * | `left`    | would go, as one that was stopped by itself: no loss of its service, but one of the whole direction  |
 * | `gone`    | was taken away by somebody, or is proven to be gone: it does not count at all                        |
 * | `release` | was lost, and somebody says that it may go: it is not of the event any more, until it was there again |
 *
 * - A scope, which is a service or the whole direction, **trips** when within a minute more than half, and more than 20, of
 *   what it had are lost: lost against there and lost. From then on its losses do not grow old.
 * - It **ends** when that does not hold any more, because members came back or are gone. Released members are counted until
 *   then, so that releasing some does not let others go; when nobody else is lost, the event is over.
 * - So it follows from what was told, in whichever order and grouping that came within the minute, what is tripped. Time
 *   alone trips and ends nothing: to ask needs no time.
 *
 * A fact costs the same however many members there are. When a scope trips or ends, and when a service of a tripped scope
 * loses its last member that is there or gets the first again, it costs as much as there are lost members. These are
 * returned: of each of them the answers may be others than before.
 */
export class Breaker {
  readonly #whole = new Scope();
  readonly #services = new Map<string, Service>();
  /** The latest time that was told: a time before it makes nothing younger. */
  #nowMs = -Infinity;

  there(service: string, member: string, nowMs: number): readonly Lost[] {
    return this.#change(service, nowMs, (of) => {
      this.#forget(of.lost.get(member));
      if (of.there.has(member)) return;
      of.there.add(member);
      this.#count(of, 1);
    });
  }

  lost(service: string, member: string, nowMs: number): readonly Lost[] {
    return this.#change(service, nowMs, (of) => this.#lose(of, { service, member }, [of.scope, this.#whole]));
  }

  left(service: string, member: string, nowMs: number): readonly Lost[] {
    return this.#change(service, nowMs, (of) => this.#lose(of, { service, member }, [this.#whole]));
  }

  gone(service: string, member: string, nowMs: number): readonly Lost[] {
    return this.#change(service, nowMs, (of) => {
      this.#forget(of.lost.get(member));
      if (of.there.delete(member)) this.#count(of, -1);
    });
  }

  release(service: string, member: string, nowMs: number): readonly Lost[] {
    return this.#change(service, nowMs, (of) => {
      const loss = of.lost.get(member);
      if (!loss || loss.isReleased) return;
      for (const scope of [of.scope, this.#whole]) {
        if (!scope.isTripped) scope.losses.delete(loss);
        else if (scope.losses.has(loss)) scope.released++;
      }
      loss.isReleased = true;
      this.#tidy(loss);
    });
  }

  /** Whether much of the service, or of everything, is lost. */
  isTripped(service: string): boolean {
    return this.#whole.isTripped || (this.#services.get(service)?.scope.isTripped ?? false);
  }

  /** Whether the member was lost in an event that goes on, and was not released. */
  isOfEvent(service: string, member: string): boolean {
    const of = this.#services.get(service);
    const loss = of?.lost.get(member);
    if (!of || !loss || loss.isReleased) return false;
    return [of.scope, this.#whole].some((scope) => scope.isTripped && scope.losses.has(loss));
  }

  /** How many members of the service are there. */
  thereIn(service: string): number {
    return this.#services.get(service)?.scope.there ?? 0;
  }

  /** Members that it knows: those that are there, and those whose loss counts. */
  get size(): number {
    let size = 0;
    for (const { there, lost } of this.#services.values()) size += there.size + lost.size;
    return size;
  }

  #change(name: string, nowMs: number, apply: (service: Service) => void): readonly Lost[] {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    this.#growOld(this.#whole);
    const service = this.#services.get(name) ?? { scope: new Scope(), there: new Set(), lost: new Map() };
    this.#growOld(service.scope);
    const wasEmpty = service.scope.there === 0;
    apply(service);
    const concerned = [service.scope, this.#whole].flatMap((scope) => this.#judge(scope));
    if (isKnown(service)) this.#services.set(name, service);
    else this.#services.delete(name);
    if (this.isTripped(name) && wasEmpty !== (service.scope.there === 0)) concerned.push(...service.lost.values());
    return concerned.length === 0 ? NONE : [...new Set(concerned)];
  }

  #lose(of: Service, { service, member }: Lost, scopes: readonly Scope[]): void {
    if (!of.there.delete(member)) return;
    this.#count(of, -1);
    const loss = { service, member, of, atMs: this.#nowMs, isReleased: false };
    of.lost.set(member, loss);
    for (const scope of scopes) scope.losses.add(loss);
  }

  /** The scope trips or ends, if it has to: then its losses. */
  #judge(scope: Scope): readonly Loss[] {
    if (scope.isMany === scope.isTripped) return NONE;
    const losses = [...scope.losses];
    scope.isTripped = !scope.isTripped;
    if (scope.isTripped) return losses;
    for (const loss of losses) if (loss.isReleased) this.#drop(scope, loss);
    this.#growOld(scope);
    return losses;
  }

  /** What was lost too long ago does not count, unless the scope is tripped. */
  #growOld(scope: Scope): void {
    if (scope.isTripped) return;
    for (const loss of scope.losses) {
      if (this.#nowMs - loss.atMs < WINDOW_MS) return;
      this.#drop(scope, loss);
    }
  }

  #drop(scope: Scope, loss: Loss): void {
    scope.drop(loss);
    // A service of which nobody tells any more must not keep its losses for ever.
    if (!loss.of.scope.isTripped) loss.of.scope.drop(loss);
    this.#tidy(loss);
  }

  #forget(loss: Loss | undefined): void {
    if (!loss) return;
    for (const scope of [loss.of.scope, this.#whole]) scope.drop(loss);
    this.#tidy(loss);
  }

  /** A loss that counts nowhere is not kept. */
  #tidy({ of, service, member }: Loss): void {
    const loss = of.lost.get(member);
    if (!loss || of.scope.losses.has(loss) || this.#whole.losses.has(loss)) return;
    of.lost.delete(member);
    if (!isKnown(of)) this.#services.delete(service);
  }

  #count({ scope }: Service, by: 1 | -1): void {
    scope.there += by;
    this.#whole.there += by;
  }
}

function isKnown({ there, lost }: Service): boolean {
  return there.size + lost.size > 0;
}

const NONE: readonly Loss[] = [];
