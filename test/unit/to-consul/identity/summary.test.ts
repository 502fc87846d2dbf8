import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { summarize, type Sums } from '../../../../src/to-consul/identity/summary.ts';

const sums = (overrides: Partial<Sums>): Sums => ({
  loss: undefined,
  unfenced: undefined,
  retained: [],
  failing: [],
  instances: 12,
  rejected: 0,
  held: 0,
  mirrored: 3,
  troubles: [],
  ...overrides,
});

describe("the summary of Consular's own entry", () => {
  it.each<[string, Partial<Sums>, string, string]>([
    ['all is well', {}, 'passing', '12 instances registered, 0 rejected, 0 held, 3 services mirrored'],
    [
      'there is one of each',
      { instances: 1, mirrored: 1 },
      'passing',
      '1 instance registered, 0 rejected, 0 held, 1 service mirrored',
    ],
    [
      'writes go without a fence',
      { unfenced: 'no right to the key' },
      'passing',
      '12 instances registered, 0 rejected, 0 held, 3 services mirrored\nwrites go without a fence: no right to the key',
    ],
    [
      'something cannot be read',
      { failing: ['Kubernetes pods: watch Pod: reset (since 2026-10-20T00:00:00Z)'] },
      'warning',
      '12 instances registered, 0 rejected, 0 held, 3 services mirrored\nKubernetes pods: watch Pod: reset (since 2026-10-20T00:00:00Z)',
    ],
    [
      'something is retained',
      { retained: ['retained 30 instances (consular release 4be2a9c1 --config FILE lets them go) of orders'] },
      'warning',
      '12 instances registered, 0 rejected, 0 held, 3 services mirrored\n' +
        'retained 30 instances (consular release 4be2a9c1 --config FILE lets them go) of orders',
    ],
    [
      'mirroring is off',
      { mirrored: undefined },
      'passing',
      '12 instances registered, 0 rejected, 0 held, mirroring is off',
    ],
    [
      'something is rejected',
      { rejected: 1, troubles: ['Pod shop/a: no such port'] },
      'warning',
      '12 instances registered, 1 rejected, 0 held, 3 services mirrored\nPod shop/a: no such port',
    ],
    [
      'Consul lost data',
      { loss: 'Consul lost data' },
      'warning',
      '12 instances registered, 0 rejected, 0 held, 3 services mirrored\nConsul lost data',
    ],
    [
      'something is held',
      { held: 2, troubles: ['Pod shop/a: 2 instances held'] },
      'warning',
      '12 instances registered, 0 rejected, 2 held, 3 services mirrored\nPod shop/a: 2 instances held',
    ],
  ])('when %s', (_, overrides, status, output) => {
    expect(summarize(sums(overrides))).toEqual({ status, output });
  });

  it('shows the first five of many, and how many more there are', () => {
    const troubles = ['g', 'c', 'a', 'f', 'b', 'e', 'd'];
    const { output } = summarize(sums({ rejected: 7, troubles }));
    expect(output.split('\n').slice(1)).toEqual(['a', 'b', 'c', 'd', 'e', 'and 2 more']);
  });

  it('has one line for each trouble, whatever is in it', () => {
    const { output } = summarize(sums({ rejected: 1, troubles: ['Pod shop/a: x\n0 rejected\u202e'] }));
    expect(output.split('\n')).toEqual([
      '12 instances registered, 1 rejected, 0 held, 3 services mirrored',
      'Pod shop/a: x\\u000a0 rejected\\u202e',
    ]);
  });

  it('is short, however long the troubles are', () => {
    const { output } = summarize(sums({ rejected: 9, troubles: Array.from({ length: 9 }, () => 'x'.repeat(10_000)) }));
    expect(output.length).toBeLessThan(2000);
  });

  it('is the same for the same troubles in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (troubles) => {
        const told = (order: readonly string[]) => summarize(sums({ rejected: 1, troubles: order })).output;
        expect(told([...troubles].reverse())).toBe(told(troubles));
        expect(told([...troubles].sort())).toBe(told(troubles));
      }),
    );
  });
});
