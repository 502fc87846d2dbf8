import { describe, expect, it } from '@jest/globals';
import { HASH_LASTS_MS, Retained } from '../../../src/guard/retained.ts';

function retained(...members: readonly string[]): Retained {
  const kept = new Retained();
  for (const member of members) keep(kept, member);
  return kept;
}

function keep(kept: Retained, member: string, atMs = 0): void {
  kept.keep({ service: 'orders', member, why: 'not Ready' }, atMs);
}

const membersOf = (list: readonly { readonly member: string }[] | undefined) => list?.map(({ member }) => member);

/** The members that a hash releases, and how many stay. */
function released(kept: Retained, hash: string | undefined, atMs = 0) {
  const answer = kept.release(hash ?? 'none', atMs);
  return answer.isKnown ? [membersOf(answer.members), answer.staying] : 'unknown';
}

describe('the hash', () => {
  it('is eight hexadecimal digits', () => {
    expect(retained('a').show(0)?.hash).toMatch(/^[0-9a-f]{8}$/);
  });

  it('is the same for the same members, in whichever order they came and for whatever reason', () => {
    const other = retained('b');
    other.keep({ service: 'billing', member: 'a', why: 'another reason' }, 5000);
    expect(other.show(5000)?.hash).toBe(retained('a', 'b').show(0)?.hash);
  });

  it.each([
    ['more members', ['a', 'b', 'c']],
    ['fewer', ['a']],
    ['others', ['a', 'c']],
    ['names that are the same one after the other', ['ab']],
  ])('is another for %s', (_, members) => {
    expect(retained(...members).show(0)?.hash).not.toBe(retained('a', 'b').show(0)?.hash);
  });

  it('is none where nothing is retained', () => {
    const kept = retained('a');
    kept.letGo('a');
    kept.letGo('a');
    expect(kept.show(0)).toBeUndefined();
    expect(kept.size).toBe(0);
  });
});

it('shows each member with its service, why, and since when, in the order of their names', () => {
  const kept = retained('b');
  kept.keep({ service: 'billing', member: 'a', why: 'not Ready' }, 1000);
  kept.keep({ service: 'billing', member: 'a', why: 'its node is Unknown' }, 2000);
  expect(kept.show(3000)?.members).toMatchObject([
    { service: 'billing', member: 'a', why: 'its node is Unknown', sinceMs: 1000 },
    { service: 'orders', member: 'b', why: 'not Ready', sinceMs: 0 },
  ]);
});

describe('release', () => {
  it('lets go what was shown under the hash and is still kept, and nothing that was kept later', () => {
    const kept = retained('a', 'b', 'c');
    const hash = kept.show(0)?.hash;
    kept.letGo('b');
    keep(kept, 'later', 1000);
    expect(released(kept, hash, 2000)).toEqual([['a', 'c'], 1]);
    expect(membersOf(kept.show(2000)?.members)).toEqual(['later']);
  });

  it('does not let go a member that went and was kept again after the hash was shown', () => {
    const kept = retained('a', 'b', 'c');
    const hash = kept.show(0)?.hash;
    kept.letGo('b');
    keep(kept, 'b', 1000);
    keep(kept, 'd', 1000);
    expect(released(kept, hash, 2000)).toEqual([['a', 'c'], 2]);
  });

  it('knows a hash of which all were released, and lets go nothing twice', () => {
    const kept = retained('a');
    const hash = kept.show(0)?.hash;
    expect(released(kept, hash)).toEqual([['a'], 0]);
    expect(released(kept, hash)).toEqual([[], 0]);
  });

  it.each(['unknown', '', '__proto__'])('says of the hash %j that nothing was shown under it', (hash) => {
    expect(released(retained('a'), hash)).toBe('unknown');
  });

  it('knows a hash for an hour after it was shown last', () => {
    const kept = retained('a');
    const hash = kept.show(0)?.hash;
    kept.show(1000);
    keep(kept, 'later', 2000);
    expect(released(kept, hash, 1000 + HASH_LASTS_MS)).toBe('unknown');
    expect(released(kept, hash, 999 + HASH_LASTS_MS)).toEqual([['a'], 1]);
  });

  it('knows the hash of what is kept now, also when another process has shown it, or long ago', () => {
    const hash = retained('a', 'b').show(0)?.hash;
    expect(released(retained('b', 'a'), hash, 10 * HASH_LASTS_MS)).toEqual([['b', 'a'], 0]);
  });
});

it('forgets hashes after an hour, and the oldest of very many before', () => {
  const kept = retained('first');
  const first = kept.show(0)?.hash;
  for (let i = 0; i < 10_000; i++) {
    kept.letGo(`m${i - 1}`);
    keep(kept, `m${i}`, i);
    kept.show(i);
  }
  expect(released(kept, first, 10_000)).toBe('unknown');
});
