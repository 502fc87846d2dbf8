import { Breaker } from '../../../src/guard/breaker.ts';
import { wentOneByOne } from '../../../src/guard/missing.ts';

type Member = { readonly service: string; readonly name: string; readonly zone: number };

/**
 * Members and what becomes of them, as a direction tells it to the breaker, with a given clock. What is not Ready is lost, what
 * somebody deletes is gone.
 */
export class World {
  readonly breaker = new Breaker();
  readonly #members = new Map<Member, 'there' | 'lost'>();
  #nowMs = 0;
  /** How many are lost, now and at the most. */
  lost = 0;
  mostLost = 0;
  hasTripped = false;

  constructor(services: Readonly<Record<string, number>>) {
    for (const [service, count] of Object.entries(services)) this.start(service, count);
  }

  of(service: string): Member[] {
    return [...this.#members.keys()].filter((member) => member.service === service);
  }

  get all(): Member[] {
    return [...this.#members.keys()];
  }

  start(service: string, count: number, prefix = ''): void {
    for (let i = 0; i < count; i++) {
      const member = { service, name: `${prefix}${i}`, zone: i % 3 };
      this.#tell(member, 'there');
    }
  }

  ready(members: readonly Member[], everyMs = 0): void {
    for (const member of members) this.#tell(member, 'there', everyMs);
  }

  notReady(members: readonly Member[], everyMs = 0): void {
    for (const member of members) this.#tell(member, 'lost', everyMs);
  }

  delete(members: readonly Member[], everyMs = 0): void {
    for (const member of members) this.#tell(member, 'gone', everyMs);
  }

  /** An answer about a service has other members than the answer before. */
  answerWithout(missing: readonly Member[]): void {
    const [first] = missing;
    const had = first ? this.breaker.thereIn(first.service) : 0;
    for (const member of missing) this.#tell(member, wentOneByOne(missing.length, had) ? 'left' : 'lost');
    this.#note();
  }

  pass(ms: number): void {
    this.#nowMs += ms;
  }

  /** Members that are lost and stay: those of an event that left nothing of their service. */
  retained(isEmptiedOnly = true): number {
    const lost = [...this.#members].filter(([, state]) => state === 'lost').map(([member]) => member);
    return lost.filter(
      ({ service, name }) =>
        this.breaker.isOfEvent(service, name) && (!isEmptiedOnly || this.breaker.thereIn(service) === 0),
    ).length;
  }

  #tell(member: Member, fact: 'there' | 'lost' | 'left' | 'gone', everyMs = 0): void {
    this.#nowMs += everyMs;
    const before = this.#members.get(member);
    if (fact === 'gone') this.#members.delete(member);
    else if (fact === 'there' || before === 'there') this.#members.set(member, fact === 'there' ? 'there' : 'lost');
    this.lost += Number(this.#members.get(member) === 'lost') - Number(before === 'lost');
    this.breaker[fact](member.service, member.name, this.#nowMs);
    this.hasTripped ||= this.breaker.isTripped(member.service);
    if (everyMs > 0) this.#note();
  }

  #note(): void {
    this.mostLost = Math.max(this.mostLost, this.lost);
  }

  end(): this {
    this.#note();
    return this;
  }
}
