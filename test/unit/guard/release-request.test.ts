import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  explainOutcome,
  readOutcome,
  readReleaseRequest,
  writeOutcome,
  type ReleaseOutcome,
} from '../../../src/guard/release-request.ts';
import { Retained } from '../../../src/guard/retained.ts';

describe('what is asked to be released', () => {
  it.each([
    ['one hash, as an annotation has it', '4be2a9c1', ['4be2a9c1'], []],
    ['one hash a line', '4be2a9c1\n0a1b2c3d\n', ['4be2a9c1', '0a1b2c3d'], []],
    ['each once', '4be2a9c1\n4be2a9c1', ['4be2a9c1'], []],
    ['whatever ends the lines, and spaces around', ' 4be2a9c1 \r\n\t0a1b2c3d', ['4be2a9c1', '0a1b2c3d'], []],
    ['no empty line and no comment', '# looked at by both of us\n\n4be2a9c1\n', ['4be2a9c1'], []],
    ['nothing', '', [], []],
    ['the line that is no hash, beside those that are', '4be2a9c1\nall\n', ['4be2a9c1'], ['all']],
    ['no half of a hash', '4be2a9', [], ['4be2a9']],
    ['no hash in capitals', '4BE2A9C1', [], ['4BE2A9C1']],
    ['no two hashes in a line', '4be2a9c1 0a1b2c3d', [], ['4be2a9c1 0a1b2c3d']],
  ])('is %s', (_, text, hashes, malformed) => {
    expect(readReleaseRequest(text)).toEqual({ hashes, malformed });
  });

  it('is any hash under which something is shown', () => {
    const retained = new Retained();
    retained.keep({ service: 'orders', member: 'orders-1', why: 'not Ready' }, 0);
    const hash = retained.show(0)?.hash ?? '';
    expect(readReleaseRequest(hash)).toEqual({ hashes: [hash], malformed: [] });
  });
});

describe('what became of it', () => {
  const outcomes = fc.record({
    hash: fc.string(),
    isKnown: fc.boolean(),
    released: fc.nat(),
    staying: fc.nat(),
  });

  it('is read as it was written', () => {
    fc.assert(fc.property(outcomes, (outcome) => expect(readOutcome(writeOutcome(outcome))).toEqual(outcome)));
  });

  it.each(['', 'released', '{}', '[]', 'null', '{"hash":"4be2a9c1","known":true,"released":"many","staying":0}'])(
    'is not read from %j',
    (text) => {
      expect(readOutcome(text)).toBeUndefined();
    },
  );

  it.each<[ReleaseOutcome, string]>([
    [{ hash: '4be2a9c1', isKnown: true, released: 30, staying: 0 }, 'released 30 under 4be2a9c1'],
    [
      { hash: '4be2a9c1', isKnown: true, released: 30, staying: 2 },
      'released 30 under 4be2a9c1; 2 more, retained since 4be2a9c1 was shown, stay',
    ],
    [
      { hash: '4be2a9c1', isKnown: false, released: 0, staying: 0 },
      'nothing is retained under 4be2a9c1: nothing was shown under it within the last hour',
    ],
  ])('is told in words: %j', (outcome, text) => {
    expect(explainOutcome(outcome)).toBe(text);
  });
});
