import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MOST_QUESTIONS, takenOf, type Parts } from '../../../../src/to-kubernetes/write/divide.ts';

/** What can be written where these are refused, and how often was asked. */
async function taken(parts: Partial<Parts<number>>, refused: readonly number[], most = Infinity) {
  let questions = 0;
  const found = await takenOf({ kept: [], added: [], again: [], left: 0, ...parts }, (some) => {
    questions++;
    const isTaken = some.length <= most && !some.some((part) => refused.includes(part));
    return Promise.resolve(isTaken ? undefined : `not ${some.at(-1)}`);
  });
  return { found: found?.taken, answers: found?.answers, questions };
}
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('what can be written of an object that is refused', () => {
  it('is all but what is refused, of whatever is added', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(20), fc.nat(8), fc.uniqueArray(fc.nat(40)), async (kept, added, refused) => {
        const parts = { kept: upTo(kept), added: upTo(added).map((i) => i + kept) };
        const wrong = refused.filter((part) => part >= kept);
        const { found } = await taken(parts, wrong);
        expect(found).toEqual(upTo(kept + added).filter((part) => !wrong.includes(part)));
      }),
    );
  });

  it('costs few questions: one of a hundred is found by less than twenty', async () => {
    const { questions } = await taken({ kept: [], added: upTo(100) }, [73]);
    expect(questions).toBeLessThan(20);
  });

  it('is nothing where it is refused without any part too', async () => {
    expect(await taken({ kept: [1], added: [2], left: 1 }, [], -1)).toMatchObject({ found: undefined, questions: 1 });
  });

  it('may be as many as a policy allows', async () => {
    const { found } = await taken({ kept: [0, 1], added: [2, 3, 4] }, [], 3);
    expect(found).toEqual([0, 1, 2]);
  });

  it.each([
    ['nothing, where what is there is refused and nothing has to leave', { kept: [0, 1] }, undefined],
    ['the rest, where as many have to leave as are refused', { kept: [0, 1], left: 1 }, [0, 2]],
    ['nothing, where fewer have to leave than are refused', { kept: [0, 1, 3], left: 1 }, undefined],
    ['nothing, where that would be no part at all', { kept: [1], added: [], left: 1 }, undefined],
  ])('is %s', async (_, parts, found) => {
    expect((await taken({ added: [2], ...parts }, [1, 3])).found).toEqual(found);
  });

  it('is found in few questions where all are refused, which four of them stand for', async () => {
    const { found, answers, questions } = await taken({ added: upTo(100) }, upTo(100));
    expect(found).toEqual([]);
    expect([...(answers ?? [])]).toEqual([0, 25, 50, 75].map((part) => [part, `not ${part}`]));
    expect(questions).toBeLessThan(10);
  });

  it('is found for all where one of those four is taken', async () => {
    const wrong = upTo(20).filter((part) => part !== 5 && part !== 7);
    expect((await taken({ added: upTo(20) }, wrong)).found).toEqual([5, 7]);
  });

  it('is what the questions were enough for, and never more than these', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(400)), fc.nat(20), async (refused, left) => {
        const parts = { kept: upTo(100), added: upTo(200).map((i) => i + 100), left };
        const { found, questions } = await taken(parts, refused);
        expect(questions).toBeLessThanOrEqual(MOST_QUESTIONS);
        expect(found?.some((part) => refused.includes(part)) ?? false).toBe(false);
        const lost = found ? parts.kept.filter((part) => !found.includes(part)) : [];
        expect(lost.length).toBeLessThanOrEqual(left);
        expect(lost.every((part) => refused.includes(part))).toBe(true);
      }),
    );
  });

  it('asks four again of those that were refused for the same reason, and all when one of these is taken', async () => {
    const [some, others] = [upTo(40), upTo(40).map((i) => i + 40)];
    const still = await taken({ added: [99], again: [some, others] }, upTo(80));
    expect([still.found, [...(still.answers?.keys() ?? [])]]).toEqual([[99], [0, 1, 2, 3, 40, 41, 42, 43]]);
    expect(still.questions).toBe(10);
    expect((await taken({ again: [some, others] }, some)).found).toEqual(others);
  });
});
