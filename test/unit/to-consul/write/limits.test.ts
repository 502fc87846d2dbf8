import { describe, expect, it } from '@jest/globals';
import { ConsulError } from '../../../../src/consul/errors.ts';
import { limitsAfter413, type Limits } from '../../../../src/to-consul/write/limits.ts';

const MOST = { operations: 128, bytes: 400 * 1024 };
const TOO_MANY = new ConsulError('commit transaction', 413, 'Transaction contains too many operations (100 > 64)');
const TOO_LARGE = new ConsulError('commit transaction', 413, 'Request body too large, max size: 10 bytes');

describe('the limits of a transaction, after one was refused', () => {
  it.each<[string, Limits, Limits, ConsulError, Limits]>([
    [
      'that had too many operations: half of these',
      MOST,
      { operations: 100, bytes: 300_000 },
      TOO_MANY,
      { ...MOST, operations: 50 },
    ],
    [
      'that had too many bytes: half of these',
      MOST,
      { operations: 100, bytes: 300_001 },
      TOO_LARGE,
      { ...MOST, bytes: 150_000 },
    ],
    [
      'that was composed before they were halved: as they are',
      { operations: 20, bytes: 1000 },
      { operations: 128, bytes: 300_000 },
      TOO_MANY,
      { operations: 20, bytes: 1000 },
    ],
    [
      'of few operations: never under 8',
      { operations: 10, bytes: 1000 },
      { operations: 10, bytes: 900 },
      TOO_MANY,
      { operations: 8, bytes: 1000 },
    ],
    [
      'of few bytes, which a proxy must have refused by mistake: never under 16 KiB',
      MOST,
      { operations: 2, bytes: 1500 },
      TOO_LARGE,
      { ...MOST, bytes: 16 * 1024 },
    ],
  ])('%s', (_, limits, size, error, after) => {
    expect(limitsAfter413(limits, size, error)).toEqual(after);
  });
});
