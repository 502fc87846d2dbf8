import type { Clock } from '../../clock.ts';
import type { ToKubernetesConfig } from '../../config/schema.ts';
import { NotBelieved } from '../../consul/absence.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import { shownSince, type Release, type Retaining } from '../../guard/retained.ts';
import type { Owner } from '../../mark.ts';
import type { Log } from '../../observability/log.ts';
import type { RetryBrake } from '../../retry-brake.ts';
import { isCandidate } from '../requests/selection.ts';
import type { ReadCatalog } from '../tagged-catalog.ts';
import type { Views } from '../views.ts';
import { answeredOf, placeOf, writtenPlaces } from './places.ts';
import { SecondAnswers } from './second-answers.ts';
import { Vanished, type Answered } from './vanished.ts';

/** So long after an answer in which much is missing a second one decides. */
export const SECOND_ANSWER_MS = 30_000;

export interface RetainingCatalogOptions {
  /** Consul's services. */
  readonly catalog: Omit<ReadCatalog, 'stays'>;
  readonly owner: Owner;
  readonly config: ToKubernetesConfig;
  /** @default SECOND_ANSWER_MS */
  readonly secondAnswerMs?: number | undefined;
  /** Holds back what is asked again after a failure. */
  readonly brake: Pick<RetryBrake, 'turn' | 'giveBack'>;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly clock: Clock;
}

/** What was last taken in of a service. */
interface Look {
  readonly shown: readonly ServiceInstance[] | undefined;
  readonly isComplete: boolean;
}

/**
 * Consul's services as their answers say, and with those instances that vanished in masses until a second answer decides
 * (`vanished.ts`). Whoever asks sees an instance that is retained as Consul showed it last. Of those that only an earlier run
 * has seen, their endpoints stay (`stays`), and a service of which nothing else is left cannot be read until then.
 *
 * Only what is mirrored or taken in can be lost. What that is says whoever writes: it has an earlier run's endpoints, or is
 * followed, or wanted. What waits for a place among `maxServices` is not.
 *
 * Until `begin` it shows what the answers say and nothing else: whoever does not write has nothing to retain.
 */
export class RetainingCatalog implements ReadCatalog {
  readonly #options: RetainingCatalogOptions;
  #vanished: Vanished;
  readonly #second: SecondAnswers;
  readonly #looks = new Map<string, Look>();
  /** Of services that nobody has asked for yet: places that an earlier run has written. */
  readonly #earlier = new Map<string, ReadonlySet<string>>();
  readonly #wanted = new Set<string>();
  readonly #followed = new Set<string>();
  readonly #listeners = new Set<(name: string) => void>();
  #hasBegun = false;

  constructor(options: RetainingCatalogOptions) {
    this.#options = options;
    const { secondAnswerMs: secondMs = SECOND_ANSWER_MS } = options;
    this.#vanished = new Vanished(secondMs);
    this.#second = new SecondAnswers({
      ...options,
      secondMs,
      dueMs: (name) => this.#vanished.dueMs(name),
      isAsked: (name) => this.#vanished.isRetaining(name),
      ask: (name) => options.catalog.confirm(name),
      decide: (name, askedMs) => this.#decide(name, askedMs),
    });
    options.catalog.subscribe((name) => {
      this.#look(name);
      this.#notify(name);
    });
  }

  /** From now on: what was written, and is missing from what Consul has, is a loss of now. Whatever was known before is forgotten. */
  begin(views: Pick<Views, 'endpointSlices' | 'workloadEntries'>): void {
    const { owner, config, catalog, clock } = this.#options;
    this.#hasBegun = true;
    this.#vanished = new Vanished(this.#options.secondAnswerMs ?? SECOND_ANSWER_MS);
    this.#looks.clear();
    this.#earlier.clear();
    const now = clock.now();
    for (const [name, places] of writtenPlaces(owner, views, config))
      if (this.#isOurs(name)) this.#vanished.remember(name, places, now);
      else this.#earlier.set(name, places);
    const names = [...new Set([...catalog.names(), ...this.#vanished.names()])].filter((name) => this.#isAtStake(name));
    // How much there is has to be known before it is judged how much of it is missing.
    for (const name of names) this.#take(name, catalog.instances(name) ?? [], false);
    for (const name of names) this.#look(name);
  }

  names(): readonly string[] {
    return this.#options.catalog.names();
  }

  spelling(name: string): string {
    return this.#options.catalog.spelling(name);
  }

  instances(name: string): readonly ServiceInstance[] | undefined {
    this.#look(name);
    const shown = this.#options.catalog.instances(name);
    const retained = this.#vanished.instances(name);
    return retained.length === 0 ? shown : [...(shown ?? []), ...retained];
  }

  isComplete(name: string): boolean {
    this.#look(name);
    return this.#options.catalog.isComplete(name) && !this.#vanished.isRetaining(name);
  }

  stays(name: string, address: string, port: number): boolean {
    this.#look(name);
    return !this.#options.catalog.isComplete(name) || this.#vanished.retains(name, placeOf(address, port));
  }

  subscribe(listener: (name: string) => void): void {
    this.#listeners.add(listener);
  }

  async refresh(name: string): Promise<void> {
    await this.#options.catalog.refresh(name);
    if (this.instances(name)?.length === 0) this.#assertGone(name);
  }

  async confirm(name: string): Promise<void> {
    await this.#options.catalog.confirm(name);
    this.#look(name);
    this.#assertGone(name);
  }

  want(name: string): void {
    this.#wanted.add(name);
    const places = this.#earlier.get(name);
    this.#earlier.delete(name);
    if (places) this.#vanished.remember(name, places, this.#options.clock.now());
    this.#options.catalog.want(name);
  }

  unwant(name: string): void {
    this.#wanted.delete(name);
    this.#options.catalog.unwant(name);
    if (this.#isOurs(name)) return;
    this.#looks.delete(name);
    this.#tell(this.#vanished.forget(name, this.#options.clock.now()));
  }

  follow(name: string): void {
    this.#options.catalog.follow(name);
    this.#followed.add(name);
    this.#look(name);
  }

  /** What of it is missing stays at stake. */
  unfollow(name: string): void {
    const { catalog, clock } = this.#options;
    catalog.unfollow(name);
    this.#followed.delete(name);
    // Not because it is away: there is something to be mirrored, and somebody wants none of it.
    const isThere = this.#answered(catalog.instances(name) ?? [], false).serving.size > 0;
    if (isThere && !this.#wanted.has(name) && this.#vanished.dueMs(name) === undefined)
      this.#tell(this.#vanished.forget(name, clock.now()));
    this.#tidy(name);
  }

  /** Of how many services it remembers what was taken in last. */
  get remembered(): number {
    return this.#looks.size;
  }

  /** How many instances are retained. */
  get retained(): number {
    return this.#vanished.size;
  }

  /** All of them with their hash, which is good for an hour from then on. */
  retaining(): Retaining {
    const { clock } = this.#options;
    const nowMs = clock.now();
    const { hash, members = [] } = this.#vanished.show(nowMs) ?? {};
    const instances = members.map((one) => {
      const { service, member, why } = one;
      return { service, instance: shownPlace(service, member), why, since: shownSince(one, nowMs, clock.date()) };
    });
    return { hash, instances };
  }

  /** Lets go what was shown under that hash, and is retained still. */
  release(hash: string): Release {
    const { clock, log } = this.#options;
    const { released, changed } = this.#vanished.release(hash, clock.now());
    this.#tell(changed);
    if (!released.isKnown) return { outcome: 'unknown' };
    const { members, staying } = released;
    log.warn('released what was retained', { hash, instances: members.length, staying });
    const instances = members.map(({ service, member }) => ({ service, instance: shownPlace(service, member) }));
    return { outcome: 'released', instances, staying };
  }

  /** @throws NotBelieved while the service has instances that are retained */
  #assertGone(name: string): void {
    if (!this.#vanished.isRetaining(name)) return;
    const inMs = Math.max(0, (this.#vanished.dueMs(name) ?? 0) - this.#options.clock.now());
    throw new NotBelieved(`read service ${this.spelling(name)}`, 'too much is missing at once', inMs);
  }

  /** Takes in what Consul says now, if that is another thing than before. */
  #look(name: string): void {
    if (!this.#hasBegun || !this.#isAtStake(name)) return;
    const { catalog } = this.#options;
    const look = { shown: catalog.instances(name), isComplete: catalog.isComplete(name) };
    const before = this.#looks.get(name);
    if (before && before.shown === look.shown && before.isComplete === look.isComplete) return;
    this.#looks.set(name, look);
    // Of a service that was not read only the list tells, where it is missing.
    const isWhole = look.shown ? look.isComplete : !catalog.names().includes(name);
    this.#take(name, look.shown ?? [], isWhole);
  }

  #take(name: string, instances: readonly ServiceInstance[], isWhole: boolean): void {
    this.#tell(this.#vanished.take(name, this.#answered(instances, isWhole), this.#options.clock.now()));
    this.#second.arrange(name);
  }

  #answered(instances: readonly ServiceInstance[], isWhole: boolean): Answered {
    const { owner, config } = this.#options;
    return answeredOf(instances, isWhole, owner.cluster, config);
  }

  #decide(name: string, askedMs: number): void {
    this.#look(name);
    this.#tell(this.#vanished.decide(name, askedMs, this.#options.clock.now()));
    this.#tidy(name);
  }

  /** Of a service that nobody mirrors, and that has nothing to lose, nothing is remembered. */
  #tidy(name: string): void {
    if (!this.#isAtStake(name)) this.#looks.delete(name);
  }

  /** Something else is retained of these. */
  #tell(changed: Iterable<string>): void {
    const { log } = this.#options;
    for (const name of changed) {
      log.debug('something else is retained', { service: name, all: this.#vanished.size });
      this.#notify(name);
    }
  }

  #isOurs(name: string): boolean {
    return isCandidate(this.#options.config, name) || this.#wanted.has(name);
  }

  /** Whether an instance of it that vanishes is a loss: some endpoint may be, or become, of it. */
  #isAtStake(name: string): boolean {
    return this.#vanished.knows(name) || (this.#isOurs(name) && (this.#followed.has(name) || this.#wanted.has(name)));
  }

  #notify(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }
}

function shownPlace(service: string, member: string): string {
  return member.slice(service.length + 1);
}
