import { describe, expect, it } from '@jest/globals';
import type { Proof } from '../../../../src/to-consul/observed/proof-reader.ts';
import { FirstProofs } from '../../../../src/to-consul/plan/first-proofs.ts';
import { observed } from '../instances.ts';

const KEY = 'shop/a';
const PROOF: Proof = { kind: 'Pod', namespace: 'shop', name: 'a', uid: 'uid-of-a' };
const INSTANCE = observed({}, { podKey: KEY });
const OTHER = observed({ port: 9090 }, { podKey: KEY });

/** With a first proof that was noted at 1000 ms. */
function noted() {
  const proofs = new FirstProofs(30_000);
  expect(proofs.settle(KEY, new Map([[INSTANCE, PROOF]]), [], 1000)).toBe(30_000);
  return proofs;
}

describe('a direct read that finds nothing', () => {
  it.each<[string, Proof, number, boolean]>([
    ['as soon as it is due is a second proof', PROOF, 31_000, true],
    ['long afterwards is one too', PROOF, 3_000_000, true],
    ['asked for too early is none', PROOF, 30_999, false],
    ['of another pod of that name is none', { ...PROOF, uid: 'uid-of-another' }, 31_000, false],
  ])('%s', (_, proof, askedAtMs, isSecond) => {
    expect(noted().give(KEY, INSTANCE, proof, askedAtMs)).toEqual({ proof, isSecond });
  });

  it('is a first proof without one before', () => {
    expect(new FirstProofs(0).give(KEY, INSTANCE, PROOF, 5).isSecond).toBe(false);
    expect(noted().give('shop/b', INSTANCE, PROOF, 31_000).isSecond).toBe(false);
    expect(noted().give(KEY, { ...INSTANCE }, PROOF, 31_000).isSecond).toBe(false);
  });
});

describe('what was proven first', () => {
  const isKept = (proofs: FirstProofs) => proofs.give(KEY, INSTANCE, PROOF, 31_000).isSecond;

  it('keeps its time while it is proven again before the second read is due', () => {
    const proofs = noted();
    expect(proofs.settle(KEY, new Map([[INSTANCE, PROOF]]), [], 11_000)).toBe(20_000);
    expect(isKept(proofs)).toBe(true);
  });

  it('begins anew with another proof', () => {
    const proofs = noted();
    expect(proofs.settle(KEY, new Map([[INSTANCE, { ...PROOF, uid: 'other' }]]), [], 11_000)).toBe(30_000);
    expect(isKept(proofs)).toBe(false);
  });

  it('is kept while the pod cannot be read, and nothing is due for its sake', () => {
    const proofs = noted();
    expect(proofs.settle(KEY, new Map(), [INSTANCE, OTHER], 11_000)).toBeUndefined();
    expect(isKept(proofs)).toBe(true);
  });

  it.each<[string, (proofs: FirstProofs) => void]>([
    ['the plan has it no more', (proofs) => proofs.settle(KEY, new Map(), [], 11_000)],
    ['its pod was found', (proofs) => proofs.forget(KEY, INSTANCE)],
  ])('is forgotten when %s', (_, forget) => {
    const proofs = noted();
    forget(proofs);
    expect(isKept(proofs)).toBe(false);
  });

  it('of several instances is due when the earliest is', () => {
    const proofs = noted();
    const both = new Map([
      [OTHER, PROOF],
      [INSTANCE, PROOF],
    ]);
    expect(proofs.settle(KEY, both, [], 21_000)).toBe(10_000);
    expect(proofs.settle(KEY, both, [], 99_000)).toBe(0);
  });
});
