import { describe, expect, it } from '@jest/globals';
import { describeRetained, retainedRows, type WhatIsRetained } from '../../../../src/commands/run/retained.ts';

const at = (seconds: number) => new Date(Date.UTC(2026, 9, 20, 10, 0, seconds));
const WHY = 'its pod is not Ready: much was lost at once';
const of = (service: string, since = at(0), why = WHY) => ({ service, why, since });
const retaining = (...instances: WhatIsRetained['instances']): WhatIsRetained => ({ hash: '4be2a9c1', instances });

describe('what is retained, in rows', () => {
  it('is a row for each service and reason, by service, each with the earliest time', () => {
    const rows = retainedRows(
      'to-consul',
      retaining(of('pay', at(3)), of('orders', at(2)), of('pay', at(1)), of('pay', at(0), 'node worker-1 is Unknown')),
    );
    expect(rows.map(({ service, instances, why, since }) => [service, instances, why, since])).toEqual([
      ['orders', 1, WHY, '2026-10-20T10:00:02.000Z'],
      ['pay', 2, WHY, '2026-10-20T10:00:01.000Z'],
      ['pay', 1, 'node worker-1 is Unknown', '2026-10-20T10:00:00.000Z'],
    ]);
    expect(new Set(rows.map(({ hash, release }) => `${hash}: ${release}`))).toEqual(
      new Set(['4be2a9c1: consular release 4be2a9c1 --config FILE']),
    );
  });

  it('is none when nothing is retained', () => {
    expect(retainedRows('to-consul', { hash: undefined, instances: [] })).toEqual([]);
    expect(describeRetained('to-consul', { hash: undefined, instances: [] })).toBeUndefined();
  });
});

describe('what is retained, in a sentence', () => {
  it('names the service, the reason, and how to let it go', () => {
    expect(describeRetained('to-consul', retaining(of('orders'), of('orders')))).toBe(
      `retained 2 instances (consular release 4be2a9c1 --config FILE lets them go) of orders, which would be deregistered: ${WHY}`,
    );
  });

  it('names the first services, and counts the others', () => {
    const many = ['e', 'd', 'c', 'b', 'a'].map((name) => of(name));
    expect(describeRetained('to-kubernetes', retaining(...many))).toContain(
      'of a, b, c and 2 more services, which would cease to be endpoints: ',
    );
    expect(describeRetained('to-kubernetes', retaining(...many.slice(0, 4)))).toContain('b, c, d and 1 more service,');
  });
});
