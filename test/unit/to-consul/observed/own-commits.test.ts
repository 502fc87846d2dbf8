import { describe, expect, it } from '@jest/globals';
import { OwnCommits } from '../../../../src/to-consul/observed/own-commits.ts';
import { TestClock } from '../../clock.ts';

describe('a wake of Consul', () => {
  async function isOurs(index: number, steps: (commits: OwnCommits, clock: TestClock) => void | Promise<void>) {
    const clock = new TestClock();
    const commits = new OwnCommits(clock);
    await steps(commits, clock);
    return commits.isOurDoing(index);
  }

  it.each<[string, number, Parameters<typeof isOurs>[1], boolean]>([
    ['is of somebody else when nothing of ours was written', 5, () => undefined, false],
    ['is ours at the index of our last commit', 7, (commits) => commits.note(7), true],
    ['is ours before it', 6, (commits) => commits.note(7), true],
    ['is of somebody else after it', 8, (commits) => commits.note(7), false],
    [
      'is ours up to the highest index that we wrote, in whatever order they are told',
      7,
      (commits) => [7, 3].forEach((index) => commits.note(index)),
      true,
    ],
    ['is ours while a transaction is on its way', 8, (commits) => commits.begin(), true],
    [
      'is ours while the second of two is on its way',
      8,
      (commits) => {
        commits.begin();
        commits.begin();
        commits.end(true);
      },
      true,
    ],
    [
      'is of somebody else when the transaction came back with its index',
      8,
      (commits) => {
        commits.begin();
        commits.end(true);
      },
      false,
    ],
    [
      'is ours less than a second after a transaction came back without an index',
      8,
      async (commits, clock) => {
        commits.begin();
        commits.end(false);
        await clock.advance(999);
      },
      true,
    ],
    [
      'is of somebody else a second after it',
      8,
      async (commits, clock) => {
        commits.begin();
        commits.end(false);
        await clock.advance(1000);
      },
      false,
    ],
    [
      'is of somebody else once the indexes mean nothing any more',
      7,
      (commits) => {
        commits.note(7);
        commits.forgetIndex();
      },
      false,
    ],
  ])('%s', async (_, index, steps, expected) => {
    expect(await isOurs(index, steps)).toBe(expected);
  });
});
