import { describe, expect, it } from '@jest/globals';
import { ConsulError } from '../../../../src/consul/errors.ts';
import { AdaptiveLimits } from '../../../../src/to-consul/write/limits.ts';

const MOST = { operations: 128, bytes: 400 * 1024 };
const TOO_MANY = new ConsulError('commit transaction', 413, 'Transaction contains too many operations (100 > 64)');
const TOO_LARGE = new ConsulError('commit transaction', 413, 'Request body too large, max size: 10 bytes');
/** More than it takes to try more. */
const MANY = 1000;

function commit(limits: AdaptiveLimits, times: number): void {
  for (let i = 0; i < times; i++) limits.committed();
}

describe('the limits of a transaction', () => {
  it.each([
    ['operations', TOO_MANY, { ...MOST, operations: 50 }],
    ['bytes', TOO_LARGE, { ...MOST, bytes: 150_000 }],
  ])('are halved where there were too many %s, and not beyond', (_, error, halved) => {
    const limits = new AdaptiveLimits(MOST);
    limits.refused({ operations: 100, bytes: 300_000 }, error);
    expect(limits.current).toEqual(halved);
  });

  it('grow again, twofold at a time, until they are what they were', () => {
    const limits = new AdaptiveLimits(MOST);
    limits.refused({ operations: 20, bytes: 300_000 }, TOO_MANY);
    limits.refused({ operations: 10, bytes: 8192 }, TOO_LARGE);
    const seen = new Set<string>();
    for (let i = 0; i < MANY; i++) {
      seen.add(`${limits.current.operations} ${limits.current.bytes / 1024}`);
      limits.committed();
    }
    expect([...seen]).toEqual(['10 4', '20 8', '40 16', '80 32', '128 64', '128 128', '128 256', '128 400']);
  });

  it('do not grow after single transactions that get through between refusals', () => {
    const limits = new AdaptiveLimits(MOST);
    for (let i = 0; i < MANY; i++) {
      limits.refused({ operations: 64, bytes: 1000 }, TOO_MANY);
      commit(limits, 2);
    }
    expect(limits.current.operations).toBe(32);
  });

  it('are never more than what can be sent at all', () => {
    const limits = new AdaptiveLimits(MOST);
    commit(limits, MANY);
    expect(limits.current).toEqual(MOST);
    expect(limits.most).toEqual(MOST);
  });
});
