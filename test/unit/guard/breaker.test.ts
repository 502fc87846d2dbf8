import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Breaker, FEW, WINDOW_MS } from '../../../src/guard/breaker.ts';

const names = (count: number, prefix = 'm') => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

/** A breaker that was told of so many members of each service. */
function breakerWith(services: Readonly<Record<string, number>>): Breaker {
  const breaker = new Breaker();
  for (const [service, count] of Object.entries(services))
    for (const member of names(count)) breaker.there(service, member, 0);
  return breaker;
}

function lose(breaker: Breaker, service: string, members: readonly string[], atMs = 1000): void {
  for (const member of members) breaker.lost(service, member, atMs);
}

describe('a service', () => {
  it.each<readonly [rule: string, members: number, lost: number, isTripped: boolean]>([
    ['more than half and more than 20 are lost', 40, 21, true],
    ['all are lost', 21, 21, true],
    ['half is lost', 42, 21, false],
    ['all are lost, and that is 20', 20, 20, false],
    ['a third is lost', 300, 100, false],
    ['a bit more than half of many is lost', 1000, 501, true],
  ])('%s', (_, members, lost, isTripped) => {
    // Beside it there is so much that the whole direction does not matter.
    const breaker = breakerWith({ orders: members, others: 2000 });
    lose(breaker, 'orders', names(lost));
    expect(breaker.isTripped('orders')).toBe(isTripped);
    expect(breaker.isTripped('others')).toBe(false);
    expect(breaker.isOfEvent('orders', 'm0')).toBe(isTripped);
    expect(breaker.thereIn('orders')).toBe(members - lost);
  });

  it('does not count what was lost a minute before', () => {
    const breaker = breakerWith({ orders: 40, others: 2000 });
    lose(breaker, 'orders', names(20), 1000);
    breaker.lost('orders', 'm20', 1000 + WINDOW_MS);
    expect(breaker.isTripped('orders')).toBe(false);
    expect(breaker.isOfEvent('orders', 'm0')).toBe(false);
  });

  it('counts what was lost within the minute, however slowly', () => {
    const breaker = breakerWith({ orders: 40, others: 2000 });
    names(21).forEach((member, i) => breaker.lost('orders', member, i * 2500));
    expect(breaker.isTripped('orders')).toBe(true);
  });

  it('stays tripped for as long as the members stay away', () => {
    const breaker = breakerWith({ orders: 30, others: 2000 });
    lose(breaker, 'orders', names(30));
    breaker.there('others', 'm0', 100 * WINDOW_MS);
    breaker.gone('orders', 'unknown', 100 * WINDOW_MS);
    expect(breaker.isTripped('orders')).toBe(true);
    expect(breaker.isOfEvent('orders', 'm0')).toBe(true);
  });

  it.each(['there', 'gone'] as const)('ends when no more than half is lost, because members are %s', (fact) => {
    const breaker = breakerWith({ orders: 40, others: 2000 });
    lose(breaker, 'orders', names(30));
    for (const member of names(5)) breaker[fact]('orders', member, 2000);
    expect(breaker.isTripped('orders')).toBe(true);
    for (const member of names(10)) breaker[fact]('orders', member, 2000);
    expect(breaker.isTripped('orders')).toBe(false);
    expect(breaker.isOfEvent('orders', 'm20')).toBe(false);
  });

  it('forgets what was lost long before its end, and trips on what is lost afterwards only', () => {
    const breaker = breakerWith({ orders: 42, others: 2000 });
    lose(breaker, 'orders', names(42), 0);
    for (const member of names(21)) breaker.there('orders', member, 2 * WINDOW_MS);
    expect(breaker.isTripped('orders')).toBe(false);
    breaker.lost('orders', 'm0', 2 * WINDOW_MS);
    expect(breaker.isTripped('orders')).toBe(false);
    expect(breaker.size).toBe(2000 + 21);
  });

  it('counts a loss once that is told again and again, and what was never there not at all', () => {
    const breaker = breakerWith({ orders: 30, others: 2000 });
    for (let i = 0; i < 50; i++) breaker.lost('orders', 'm0', i);
    lose(breaker, 'orders', names(50, 'never-there'));
    expect(breaker.isTripped('orders')).toBe(false);
    expect(breaker.thereIn('orders')).toBe(29);
    for (let i = 0; i < 50; i++) breaker.there('orders', 'm0', i);
    expect(breaker.thereIn('orders')).toBe(30);
    for (let i = 0; i < 50; i++) breaker.gone('orders', 'm0', i);
    expect(breaker.thereIn('orders')).toBe(29);
  });

  it('does not count a member that came back, and counts it anew when it is lost again', () => {
    const breaker = breakerWith({ orders: 40, others: 2000 });
    lose(breaker, 'orders', names(20), 0);
    breaker.there('orders', 'm0', WINDOW_MS - 1);
    breaker.lost('orders', 'm20', WINDOW_MS - 1);
    expect(breaker.isTripped('orders')).toBe(false);
    breaker.lost('orders', 'm0', WINDOW_MS - 1);
    expect(breaker.isTripped('orders')).toBe(true);
    expect(breaker.isOfEvent('orders', 'm0')).toBe(true);
  });

  it('counts a member of two services in each', () => {
    const breaker = breakerWith({ orders: 30, admin: 100, others: 2000 });
    for (const member of names(25)) for (const service of ['orders', 'admin']) breaker.lost(service, member, 0);
    expect(['orders', 'admin'].map((service) => breaker.isTripped(service))).toEqual([true, false]);
    breaker.gone('orders', 'm0', 0);
    expect(breaker.isOfEvent('orders', 'm0')).toBe(false);
    expect(breaker.thereIn('admin')).toBe(75);
  });

  it.each([
    ['stands still', () => 5000],
    ['goes back', (i: number) => 5000 - i * 100],
  ])('trips when time %s', (_, timeOf) => {
    const breaker = breakerWith({ orders: 30, others: 2000 });
    names(30).forEach((member, i) => breaker.lost('orders', member, timeOf(i)));
    expect(breaker.isTripped('orders')).toBe(true);
  });
});

describe('the whole direction', () => {
  it('trips when more than half of everything is lost, for services of any size', () => {
    const breaker = breakerWith({ a: 5, b: 5, c: 5, d: 5, e: 5, f: 5 });
    for (const service of ['a', 'b', 'c', 'd']) lose(breaker, service, names(5));
    expect(breaker.isTripped('a')).toBe(false);
    breaker.lost('e', 'm0', 1000);
    expect(['a', 'f', 'of nobody'].map((service) => breaker.isTripped(service))).toEqual([true, true, true]);
    expect(breaker.isOfEvent('a', 'm0')).toBe(true);
    expect(breaker.isOfEvent('f', 'm0')).toBe(false);
  });

  it('goes on for a service after its own event has ended', () => {
    const breaker = breakerWith({ orders: 60, billing: 60 });
    for (const service of ['orders', 'billing']) lose(breaker, service, names(60));
    for (const member of names(35)) breaker.there('orders', member, 2 * WINDOW_MS);
    expect(breaker.isOfEvent('orders', 'm50')).toBe(true);
    for (const member of names(30)) breaker.there('billing', member, 2 * WINDOW_MS);
    expect(breaker.isOfEvent('orders', 'm50')).toBe(false);
  });

  it('is not tripped by one service among many', () => {
    const breaker = breakerWith({ orders: 100, others: 101 });
    lose(breaker, 'orders', names(100));
    expect(breaker.isTripped('others')).toBe(false);
  });
});

describe('a member that left its service by itself', () => {
  it('is no loss of the service, how many they are', () => {
    const breaker = breakerWith({ orders: 60, others: 2000 });
    for (const member of names(60)) breaker.left('orders', member, 1000);
    expect([breaker.isTripped('orders'), breaker.thereIn('orders')]).toEqual([false, 0]);
    expect(breaker.isOfEvent('orders', 'm0')).toBe(false);
  });

  it('is one of the whole direction, and of its event', () => {
    const breaker = breakerWith(Object.fromEntries(names(30, 's').map((service) => [service, 1])));
    for (const service of names(20, 's')) breaker.left(service, 'm0', 1000);
    expect(breaker.isTripped('s0')).toBe(false);
    expect(breaker.left('s20', 'm0', 1000)).toHaveLength(21);
    expect(breaker.isTripped('s29')).toBe(true);
    expect(breaker.isOfEvent('s0', 'm0')).toBe(true);
    for (const service of names(15, 's')) breaker.gone(service, 'm0', 1000);
    expect(breaker.isTripped('s20')).toBe(false);
  });

  it('is forgotten after a minute', () => {
    const breaker = breakerWith({ orders: 60, others: 2000 });
    for (const member of names(60)) breaker.left('orders', member, 0);
    breaker.there('others', 'm0', WINDOW_MS);
    expect(breaker.size).toBe(2000);
  });
});

describe('what is released', () => {
  it('is not of the event any more, and what was lost later still is', () => {
    const breaker = breakerWith({ orders: 61, others: 2000 });
    lose(breaker, 'orders', names(60), 0);
    for (const member of names(60)) breaker.release('orders', member, 1000);
    expect(breaker.isTripped('orders')).toBe(false);
    const other = breakerWith({ orders: 61, others: 2000 });
    lose(other, 'orders', names(61), 0);
    for (const member of names(60)) other.release('orders', member, 1000);
    expect(other.isOfEvent('orders', 'm0')).toBe(false);
    expect(other.isOfEvent('orders', 'm60')).toBe(true);
  });

  it('stays released when its loss is told again, until it was there', () => {
    const breaker = breakerWith({ orders: 61, others: 2000 });
    lose(breaker, 'orders', names(61), 0);
    breaker.release('orders', 'm0', 0);
    breaker.release('orders', 'm0', 0);
    breaker.lost('orders', 'm0', 0);
    expect(breaker.isOfEvent('orders', 'm0')).toBe(false);
    breaker.there('orders', 'm0', 0);
    breaker.lost('orders', 'm0', 0);
    expect(breaker.isOfEvent('orders', 'm0')).toBe(true);
  });

  it('ends the event when nobody else is lost, and is forgotten then', () => {
    const breaker = breakerWith({ orders: 30, others: 2000 });
    lose(breaker, 'orders', names(30), 0);
    for (const member of names(30)) breaker.release('orders', member, 0);
    expect(breaker.isTripped('orders')).toBe(false);
    breaker.there('others', 'm0', WINDOW_MS);
    expect(breaker.size).toBe(2000);
  });

  it('is nothing for a member that is there, or that nobody knows', () => {
    const breaker = breakerWith({ orders: 30, others: 2000 });
    for (const member of ['m0', 'unknown']) breaker.release('orders', member, 0);
    expect(breaker.thereIn('orders')).toBe(30);
    expect(breaker.size).toBe(2030);
  });
});

describe('those whose answers changed', () => {
  const told = (lost: readonly { readonly member: string }[]) => lost.map(({ member }) => member).sort();

  it('are all that are lost when a service trips', () => {
    const breaker = breakerWith({ orders: 25, others: 2000 });
    lose(breaker, 'orders', names(20));
    expect(told(breaker.lost('orders', 'm20', 1000))).toEqual(names(21).sort());
    expect(breaker.lost('orders', 'm21', 1000)).toEqual([]);
  });

  it('are all that are lost when its last member goes, and when one comes back', () => {
    const breaker = breakerWith({ orders: 25, others: 2000 });
    lose(breaker, 'orders', names(24));
    expect(told(breaker.lost('orders', 'm24', 1000))).toEqual(names(25).sort());
    expect(told(breaker.there('orders', 'm24', 1000))).toEqual(names(24).sort());
    expect(breaker.there('orders', 'm23', 1000)).toEqual([]);
  });

  it('are those that were lost when it ends, also the forgotten ones', () => {
    const breaker = breakerWith({ orders: 30, others: 2000 });
    lose(breaker, 'orders', names(21), 0);
    expect(told(breaker.gone('orders', 'm0', 2 * WINDOW_MS))).toEqual(names(21).slice(1).sort());
  });

  it('are those of all services when the whole direction trips', () => {
    const breaker = breakerWith({ a: 15, b: 15 });
    lose(breaker, 'a', names(15));
    expect(breaker.lost('b', 'm0', 1000)).toEqual([]);
    expect(breaker.lost('b', 'm1', 1000)).toHaveLength(0);
    lose(breaker, 'b', names(5));
    expect(breaker.lost('b', 'm5', 1000)).toHaveLength(FEW + 1);
  });
});

describe('memory', () => {
  it('has none of what is gone, and of what was lost a minute ago', () => {
    const breaker = breakerWith({ orders: 500, others: 2000 });
    for (const member of names(250)) breaker.gone('orders', member, 0);
    lose(breaker, 'orders', names(500).slice(250, 300), 0);
    for (const member of names(500).slice(300)) breaker.gone('orders', member, WINDOW_MS);
    expect(breaker.size).toBe(2000);
    for (const member of names(2000)) breaker.gone('others', member, WINDOW_MS);
    expect(breaker.size).toBe(0);
  });
});

type Fact = readonly [fact: 'there' | 'lost' | 'left' | 'gone', service: string, member: string];

it('what is tripped does not depend on the order in which members are lost, or others are taken away', () => {
  const sizes = fc.record({ orders: fc.integer({ min: 0, max: 60 }), billing: fc.integer({ min: 0, max: 60 }) });
  const facts = fc.array(
    fc.tuple(
      fc.constantFrom<'lost' | 'left' | 'gone'>('lost', 'lost', 'left', 'gone'),
      fc.constantFrom('orders', 'billing'),
      fc.integer({ min: 0, max: 59 }),
    ),
    { maxLength: 150 },
  );
  fc.assert(
    fc.property(sizes, facts, fc.array(fc.nat(), { minLength: 150, maxLength: 150 }), (sizes, facts, chance) => {
      // The last fact about a member counts: here each has one.
      const each = new Map(facts.map(([fact, service, i]) => [`${service}${i}`, [fact, service, `m${i}`] as Fact]));
      const told = [...each.values()];
      const shuffled = told
        .map((fact, i) => ({ fact, at: chance[i] ?? 0 }))
        .sort((a, b) => a.at - b.at)
        .map(({ fact }) => fact);
      const answers = [told, shuffled].map((order) => {
        const breaker = breakerWith(sizes);
        for (const [fact, service, member] of order) breaker[fact](service, member, 1000);
        return ['orders', 'billing'].map((service) => [
          breaker.isTripped(service),
          breaker.thereIn(service),
          names(60).filter((member) => breaker.isOfEvent(service, member)),
        ]);
      });
      expect(answers[0]).toEqual(answers[1]);
    }),
  );
});

it('after any facts it says what a breaker says that counts everything anew each time', () => {
  const step = fc.record({
    fact: fc.constantFrom('there', 'lost', 'lost', 'left', 'gone', 'release'),
    service: fc.constantFrom('a', 'b'),
    member: fc.integer({ min: 0, max: 44 }),
    many: fc.constantFrom(1, 1, 15, 45),
    passesMs: fc.constantFrom(0, 0, 0, 20_000, WINDOW_MS),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
      const breaker = breakerWith({ a: 30, b: 45 });
      const model = new PlainBreaker({ a: 30, b: 45 });
      let nowMs = 0;
      for (const { fact, service, member, many, passesMs } of steps) {
        nowMs += passesMs;
        for (let i = member; i < Math.min(member + many, 45); i++) {
          breaker[fact](service, `m${i}`, nowMs);
          model.take(fact, service, `m${i}`, nowMs);
        }
        for (const name of ['a', 'b']) {
          expect(breaker.isTripped(name)).toBe(model.isTripped(name));
          expect(names(45).filter((one) => breaker.isOfEvent(name, one))).toEqual(
            names(45).filter((one) => model.isOfEvent(name, one)),
          );
        }
      }
    }),
    { numRuns: 50 },
  );
});

/** The rules written down as plainly as can be: each scope has a list of who is there and who is lost, and counts. */
class PlainBreaker {
  readonly #there = new Set<string>();
  readonly #scopes = new Map<string, { open: boolean; lost: Map<string, { atMs: number; released: boolean }> }>();

  constructor(sizes: Readonly<Record<string, number>>) {
    for (const name of ['', ...Object.keys(sizes)]) this.#scopes.set(name, { open: false, lost: new Map() });
    for (const [service, count] of Object.entries(sizes))
      for (const member of names(count)) this.#there.add(`${service} ${member}`);
  }

  take(fact: 'there' | 'lost' | 'left' | 'gone' | 'release', service: string, member: string, nowMs: number): void {
    const id = `${service} ${member}`;
    const scopes = [service, ''].map((name) => [name, this.#scopes.get(name)] as const);
    for (const [, scope] of scopes) if (scope) this.#age(scope, nowMs);
    const wasThere = this.#there.has(id);
    if (fact === 'there') this.#there.add(id);
    if (fact === 'lost' || fact === 'left' || fact === 'gone') this.#there.delete(id);
    for (const [name, scope] of scopes) {
      if (!scope) continue;
      if (fact === 'there' || fact === 'gone') scope.lost.delete(id);
      if ((fact === 'lost' || (fact === 'left' && name === '')) && wasThere)
        scope.lost.set(id, { atMs: nowMs, released: false });
      const loss = scope.lost.get(id);
      if (fact === 'release' && loss) {
        if (scope.open) loss.released = true;
        else scope.lost.delete(id);
      }
      const there = [...this.#there].filter((one) => one.startsWith(`${name} `) || name === '').length;
      const kept = [...scope.lost.values()].filter(({ released }) => !released).length;
      const before = scope.open;
      scope.open = scope.lost.size > FEW && scope.lost.size > there && kept > 0;
      if (before && !scope.open) {
        for (const [one, { released }] of scope.lost) if (released) scope.lost.delete(one);
        this.#age(scope, nowMs);
      }
    }
  }

  isTripped(service: string): boolean {
    return ['', service].some((name) => this.#scopes.get(name)?.open);
  }

  isOfEvent(service: string, member: string): boolean {
    const of = ['', service].map((name) => this.#scopes.get(name));
    if (of.some((scope) => scope?.lost.get(`${service} ${member}`)?.released)) return false;
    return of.some((scope) => scope?.open && scope.lost.has(`${service} ${member}`));
  }

  #age(scope: { open: boolean; lost: Map<string, { atMs: number }> }, nowMs: number): void {
    if (scope.open) return;
    for (const [id, { atMs }] of scope.lost) if (nowMs - atMs >= WINDOW_MS) scope.lost.delete(id);
  }
}
