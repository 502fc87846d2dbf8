import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assignServiceName, toServiceName } from '../../../../src/to-kubernetes/names/service-name.ts';

const DNS_1035 = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const hashed = (serviceName: string) => expect.stringMatching(new RegExp(`^${serviceName}-[0-9a-f]{8}$`));

describe('toServiceName', () => {
  it.each([
    ['orders', 'orders'],
    ['Orders', 'orders'],
    ['orders.v1_x', 'orders-v1-x'],
    ['a--b', 'a-b'],
    ['a...b', 'a-b'],
    ['--orders--', 'orders'],
    ['1orders', 's-1orders'],
    ['größe', 'gr-e'],
    ['a'.repeat(63), 'a'.repeat(63)],
  ])('%j is %j', (name, serviceName) => {
    expect(toServiceName(name)).toBe(serviceName);
  });

  it.each([
    ['a'.repeat(64), 'a'.repeat(54)],
    [`${'a'.repeat(53)}.${'b'.repeat(60)}`, 'a'.repeat(53)],
    ['9'.repeat(62), `s-${'9'.repeat(52)}`],
    ['', 's'],
    ['---', 's'],
    ['注文', 's'],
  ])('%j keeps what fits, with a hash', (name, serviceName) => {
    expect(toServiceName(name)).toEqual(hashed(serviceName));
  });

  it('tells long names apart that begin alike', () => {
    expect(toServiceName(`${'a'.repeat(70)}1`)).not.toBe(toServiceName(`${'a'.repeat(70)}2`));
  });

  it('gives a DNS-1035 label for any name, the same for any spelling', () => {
    const name = fc.oneof(
      fc.string({ maxLength: 130 }),
      fc.string({ unit: 'binary', maxLength: 130 }),
      fc.string({ unit: fc.constantFrom(...'aZ09-_.'), maxLength: 130 }),
    );
    fc.assert(
      fc.property(name, (name) => {
        expect(toServiceName(name)).toMatch(DNS_1035);
        expect(toServiceName(name.toLowerCase())).toBe(toServiceName(name));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('assignServiceName', () => {
  const assign = (name: string, contenders: string[], held: Readonly<Record<string, string>> = {}) =>
    assignServiceName(name, contenders, (other) => held[other]);

  it.each([
    ['alone', 'my_orders', ['my_orders'], {}, 'my-orders'],
    ['it is the exact name', 'my-orders', ['my.orders', 'my-orders', 'my_orders'], {}, 'my-orders'],
    ['nobody is exact, and it is the smallest', 'my.orders', ['my_orders', 'my.orders'], {}, 'my-orders'],
    ['it has a Service of that name', 'my_orders', ['my-orders', 'my_orders'], { my_orders: 'my-orders' }, 'my-orders'],
    ['it has a Service of another name', 'my_orders', ['my_orders'], { my_orders: 'my-orders-0' }, 'my-orders-0'],
    [
      'nobody has the plain name, though another has a Service',
      'my-orders',
      ['my-orders', 'my_orders'],
      { my_orders: 'my-orders-0' },
      'my-orders',
    ],
  ])('%s: the plain name, or what it has', (_, name, contenders, held, serviceName) => {
    expect(assign(name, contenders, held)).toBe(serviceName);
  });

  it.each([
    ['another is the exact name', 'my.orders', ['my.orders', 'my-orders'], {}],
    ['another is smaller', 'my_orders', ['my.orders', 'my_orders'], {}],
    [
      'another has it, although this is the exact name',
      'my-orders',
      ['my-orders', 'my_orders'],
      { my_orders: 'my-orders' },
    ],
  ])('%s: the plain name with a hash', (_, name, contenders, held) => {
    expect(assign(name, contenders, held)).toEqual(hashed('my-orders'));
  });

  it('a hash keeps to the length of a Service name', () => {
    const [long, other] = ['a'.repeat(63), `${'a'.repeat(62)}.`.slice(0, 63)];
    expect(assign(other, [long, other])).toMatch(DNS_1035);
    const exact = 'x'.repeat(63);
    expect(assign(exact, [exact, 'y'], { y: exact })).toMatch(DNS_1035);
  });

  /** Names that share a Service name, most of them. */
  const names = fc.uniqueArray(fc.string({ unit: fc.constantFrom(...'a-_.'), minLength: 1, maxLength: 5 }), {
    minLength: 1,
    maxLength: 12,
  });
  const contendersOf = (name: string, all: readonly string[]) =>
    all.filter((other) => toServiceName(other) === toServiceName(name));

  it('at a cold start no two names get the same Service name', () => {
    fc.assert(
      fc.property(names, (all) => {
        const serviceNames = all.map((name) => assignServiceName(name, contendersOf(name, all), () => undefined));
        expect(new Set(serviceNames).size).toBe(all.length);
      }),
    );
  });

  it('whoever comes and goes in whatever order, no two share a Service name and who has one keeps it', () => {
    const events = names.chain((all) =>
      fc.array(fc.record({ name: fc.constantFrom(...all), goes: fc.boolean() }), { maxLength: 40 }),
    );
    fc.assert(
      fc.property(events, (events) => {
        const held = new Map<string, string>();
        for (const { name, goes } of events) {
          if (goes) {
            held.delete(name);
            continue;
          }
          const before = held.get(name);
          const contenders = contendersOf(name, [...held.keys(), ...(before === undefined ? [name] : [])]);
          const serviceName = assignServiceName(name, contenders, (other) => held.get(other));
          expect(serviceName).toMatch(DNS_1035);
          expect(serviceName).toBe(before ?? serviceName);
          held.set(name, serviceName);
          expect(new Set(held.values()).size).toBe(held.size);
        }
      }),
    );
  });
});
