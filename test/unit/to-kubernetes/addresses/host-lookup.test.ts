import { describe, expect, it } from '@jest/globals';
import type { Family } from '../../../../src/address.ts';
import { hostLookup, type DnsResolver } from '../../../../src/to-kubernetes/addresses/host-lookup.ts';

type Answer = readonly (readonly [address: string, ttl: number])[] | 'ENOTFOUND' | 'ENODATA' | 'ECANCELLED' | 'never';

/** DNS with these answers, by `name IPv4` and `name IPv6`; it has no other name. */
function dns(answers: Readonly<Record<string, Answer>>) {
  const asked: string[] = [];
  const answer = (question: string): ReturnType<DnsResolver['resolve4']> => {
    asked.push(question);
    const said = answers[question] ?? 'ENOTFOUND';
    if (said === 'never') return new Promise(() => undefined);
    if (typeof said === 'string') return Promise.reject(Object.assign(new Error(said), { code: said }));
    return Promise.resolve(said.map(([address, ttl]) => ({ address, ttl })));
  };
  const resolver: DnsResolver = {
    resolve4: (name) => answer(`${name} IPv4`),
    resolve6: (name) => answer(`${name} IPv6`),
  };
  return { asked, resolver };
}

const BOTH: readonly Family[] = ['IPv4', 'IPv6'];
const found: Answer = [['10.20.0.1', 60]];

describe('a host name', () => {
  it('has the addresses of the first family that has any, in one order, for the shortest time that one is good for', async () => {
    const { asked, resolver } = dns({
      'vm-1.test IPv4': [
        ['10.20.0.2', 60],
        ['10.20.0.1', 30],
      ],
    });
    expect(await hostLookup(resolver, ['a.test'])('vm-1.test', BOTH)).toEqual({
      ...{ addresses: ['10.20.0.1', '10.20.0.2'], ttlMs: 30_000 },
    });
    expect(asked).toEqual(['vm-1.test IPv4']);
  });

  it.each<[string, Readonly<Record<string, Answer>>, string, string[]]>([
    [
      'without a dot is looked for in the domains first',
      { 'vm-1.b.test IPv4': found },
      'vm-1',
      [...['vm-1.a.test IPv4', 'vm-1.b.test IPv4']],
    ],
    [
      'without a dot is looked for as it is in the end',
      { 'vm-1 IPv4': found },
      'vm-1',
      [...['vm-1.a.test IPv4', 'vm-1.b.test IPv4', 'vm-1 IPv4']],
    ],
    [
      'without an address of one family has that of the other',
      { 'x.test IPv4': 'ENODATA', 'x.test IPv6': found },
      'x.test',
      [...['x.test IPv4', 'x.test IPv6']],
    ],
    [
      'with an empty answer of one family has that of the other',
      { 'x.test IPv4': [], 'x.test IPv6': found },
      'x.test',
      [...['x.test IPv4', 'x.test IPv6']],
    ],
  ])('%s', async (_, answers, host, questions) => {
    const { asked, resolver } = dns(answers);
    expect((await hostLookup(resolver, ['a.test', 'b.test'])(host, BOTH)).addresses).toEqual(['10.20.0.1']);
    expect(asked).toEqual(questions);
  });

  it.each<[string, Readonly<Record<string, Answer>>, string]>([
    ['that DNS does not have', {}, 'there is no such name in DNS'],
    ['without an address', { 'x.test IPv4': 'ENODATA', 'x.test IPv6': 'ENODATA' }, 'it has no address in DNS'],
    ['that is given up', { 'x.test IPv4': 'ECANCELLED' }, 'the look-up was given up'],
    ['that is not answered in time', { 'x.test IPv4': 'never' }, 'DNS did not answer in time'],
  ])('%s is an error that says so', async (_, answers, message) => {
    await expect(hostLookup(dns(answers).resolver, [], 1)('x.test', BOTH)).rejects.toThrow(message);
  });

  it('that DNS cannot look up is an error with its reason and its cause', async () => {
    for (const [cause, reason] of [
      [Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
      [new Error('broken'), 'Error: broken'],
    ] as const) {
      const resolver: DnsResolver = { resolve4: () => Promise.reject(cause), resolve6: () => Promise.reject(cause) };
      await expect(hostLookup(resolver, [])('x.test', BOTH)).rejects.toMatchObject({
        ...{ message: `DNS did not answer (${reason})`, cause },
      });
    }
  });
});
