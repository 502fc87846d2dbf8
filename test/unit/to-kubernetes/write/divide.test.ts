import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { takenOf } from '../../../../src/to-kubernetes/write/divide.ts';

/** What can be written where these are refused, and how often was asked. */
async function taken(parts: Parameters<typeof takenOf<number>>[0], refused: readonly number[], most = Infinity) {
  let questions = 0;
  const found = await takenOf(parts, (some) => {
    questions++;
    return Promise.resolve(some.length <= most && !some.some((part) => refused.includes(part)));
  });
  return { found, questions };
}
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('what can be written of an object that is refused', () => {
  it('is all but what is refused, of whatever is added', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(20), fc.nat(20), fc.uniqueArray(fc.nat(40)), async (kept, added, refused) => {
        const parts = { kept: upTo(kept), added: upTo(added).map((i) => i + kept), isLeft: false };
        const wrong = refused.filter((part) => part >= kept);
        const { found } = await taken(parts, wrong);
        expect(found).toEqual(upTo(kept + added).filter((part) => !wrong.includes(part)));
      }),
    );
  });

  it('costs few questions: one of a hundred is found by less than twenty', async () => {
    const { questions } = await taken({ kept: [], added: upTo(100), isLeft: false }, [73]);
    expect(questions).toBeLessThan(20);
  });

  it('is nothing where it is refused without any part too', async () => {
    expect(await taken({ kept: [1], added: [2], isLeft: true }, [], -1)).toEqual({ found: undefined, questions: 1 });
  });

  it('may be as many as a policy allows', async () => {
    const { found } = await taken({ kept: [0, 1], added: [2, 3, 4], isLeft: false }, [], 3);
    expect(found).toEqual([0, 1, 2]);
  });

  it.each([
    ['nothing, where what is there is refused and nothing has to leave', { kept: [0, 1], isLeft: false }, undefined],
    ['the rest, where something has to leave', { kept: [0, 1], isLeft: true }, [0, 2]],
    ['nothing, where that would be no part at all', { kept: [1], added: [], isLeft: true }, undefined],
  ])('is %s', async (_, parts, found) => {
    expect((await taken({ added: [2], ...parts }, [1])).found).toEqual(found);
  });
});
