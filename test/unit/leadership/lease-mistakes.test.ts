import { describe, expect, it } from '@jest/globals';
import { mistakesOnLease } from '../../../src/leadership/lease-mistakes.ts';

const on = (...keys: string[]) => mistakesOnLease(new Map(keys.map((key) => [key, 'off'])));

describe('annotations on the Lease', () => {
  it.each([
    ['consular.dev/write', 'consular.dev/writes'],
    ['consular.dev/Writes', 'consular.dev/writes'],
    ['consul.dev/writes', 'consular.dev/writes'],
    ['consular.dev/wirtes', 'consular.dev/writes'],
    ['consular.dev/releases', 'consular.dev/release'],
  ])('%s is told to be %s, perhaps', (key, meant) => {
    expect(on(key)).toEqual([
      `annotation ${key} on the Lease is not known and does nothing; ${meant} was meant, perhaps`,
    ]);
  });

  it('are no mistakes where they are read or written here, or are of somebody else', () => {
    const ours = ['writes', 'release', 'released', 'epoch', 'nonce'].map((name) => `consular.dev/${name}`);
    expect(on(...ours, 'kubectl.kubernetes.io/last-applied-configuration', 'example.com/owner', 'team')).toEqual([]);
  });
});
