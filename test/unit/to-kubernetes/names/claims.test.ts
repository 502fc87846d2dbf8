import { describe, expect, it } from '@jest/globals';
import { Claims } from '../../../../src/to-kubernetes/names/claims.ts';

const mirrored = (...rivals: string[]) => ({ mirrored: true, overLimit: false, rivals });
const WAITS = { mirrored: true, overLimit: true, rivals: [] };
const GONE = { mirrored: false, overLimit: false, rivals: [] };

describe('a place', () => {
  it('is there for a name that had objects, beyond the limit too, and for others up to the limit', () => {
    const claims = new Claims(() => 3, ['a', 'b']);
    claims.note('c', mirrored());
    expect(['a', 'b', 'c', 'd'].map((name) => claims.hasPlaceFor(name))).toEqual([true, true, true, false]);
    expect(new Claims(() => 1, ['a', 'b']).hasPlaceFor('b')).toBe(true);
  });

  it('is neither taken nor given back by asking', () => {
    const claims = new Claims(() => 1, []);
    expect([claims.hasPlaceFor('a'), claims.hasPlaceFor('b')]).toEqual([true, true]);
  });

  it('is kept by a name that is gone until it is released', () => {
    const claims = new Claims(() => 1, ['a']);
    claims.note('a', GONE);
    expect(claims.hasPlaceFor('b')).toBe(false);
    claims.release('a');
    expect(claims.hasPlaceFor('b')).toBe(true);
  });

  it('that is given back wakes all that wait for one, once', () => {
    const claims = new Claims(() => 1, ['a']);
    for (const name of ['b', 'c']) claims.note(name, WAITS);
    expect(claims.waiting).toBe(2);
    expect([...claims.release('a')]).toEqual(['b', 'c']);
    expect([...claims.release('a')]).toEqual([]);
  });

  it('is waited for no more by a name that got one, or is gone', () => {
    const claims = new Claims(() => 2, ['a']);
    for (const name of ['b', 'c', 'd']) claims.note(name, WAITS);
    claims.note('b', mirrored());
    claims.note('c', GONE);
    expect([...claims.release('a')]).toEqual(['d']);
  });

  it('that a name never had wakes nobody', () => {
    const claims = new Claims(() => 0, []);
    claims.note('a', WAITS);
    claims.note('b', GONE);
    expect([...claims.release('b')]).toEqual([]);
  });
});

describe('a place beside another name', () => {
  it('is one that is left when the other has its own', () => {
    const claims = new Claims(() => 2, ['a']);
    expect([claims.hasPlaceBeside('b', 'c'), claims.hasPlaceBeside('a', 'c')]).toEqual([false, true]);
    expect([claims.hasPlaceBeside('b', 'a'), claims.hasPlaceFor('b')]).toEqual([true, true]);
  });
});

describe('a name that others gave way to', () => {
  it('wakes them when there is no place for it, once', () => {
    const claims = new Claims(() => 1, []);
    expect([...claims.note('b', mirrored('a'))]).toEqual([]);
    expect([...claims.note('a', WAITS)]).toEqual(['b']);
    expect([...claims.note('b', mirrored()), ...claims.note('a', WAITS), ...claims.release('a')]).toEqual([]);
  });

  it('wakes them when it is released, and only those of their last plans', () => {
    const claims = new Claims(() => 9, []);
    claims.note('b', mirrored('a'));
    claims.note('c', mirrored('a', 'b'));
    claims.note('d', mirrored('a'));
    claims.note('d', mirrored());
    claims.note('b', mirrored('a'));
    expect([...claims.release('a')].sort()).toEqual(['b', 'c']);
    expect([...claims.release('a')]).toEqual([]);
    claims.note('c', mirrored('b'));
    expect([...claims.release('b')]).toEqual(['c']);
  });
});
