import { describe, expect, it } from '@jest/globals';
import { comeAndGo, giant, instanceAt, instancesOf, probesOf, PROBES } from '../../../bench/to-kubernetes/instances.ts';

const distinct = (values: readonly string[]) => new Set(values).size;

describe.each([
  [100, 1000],
  [1000, 10_000],
  [3000, 20_000],
])('%d services of the benchmark', (services, expected) => {
  const instances = Array.from({ length: instancesOf(services) }, (_, i) => instanceAt(i, services));

  it(`have ${expected} instances, as many each as can be`, () => {
    expect(instances).toHaveLength(expected);
    const counts = new Map<string, number>();
    for (const { service } of instances) counts.set(service, (counts.get(service) ?? 0) + 1);
    expect(counts.size).toBe(services);
    expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1);
  });

  it('have addresses and IDs of their own, beside a giant', () => {
    const all = [...instances, ...giant(2000, services)];
    expect(distinct(all.map(({ address }) => address))).toBe(all.length);
    expect(distinct(all.map(({ node, id }) => `${node} ${id}`))).toBe(all.length);
  });

  it('have probes of different services', () => {
    const probes = probesOf(services);
    expect(distinct(probes.map(({ service }) => service))).toBe(PROBES);
    const known = new Set(instances.map(({ id }) => id));
    expect(probes.filter(({ id }) => !known.has(id))).toEqual([]);
  });
});

describe.each([1, 2, 3, 4, 20])('%d instances that come and go', (count) => {
  const order = comeAndGo(count);

  it('each come once, and go once afterwards', () => {
    expect(order).toHaveLength(2 * count);
    for (let number = 0; number < count; number++) {
      const changes = order.filter((change) => change.number === number).map(({ added }) => added);
      expect(changes).toEqual([true, false]);
    }
  });

  it('stay while the next three come, as far as there are any', () => {
    const at = (number: number, added: boolean) =>
      order.findIndex((change) => change.number === number && change.added === added);
    for (let number = 0; number + 3 < count; number++) expect(at(number, false)).toBeGreaterThan(at(number + 3, true));
  });
});
