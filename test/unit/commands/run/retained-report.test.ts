import { describe, expect, it } from '@jest/globals';
import { nextTold, reportRetained } from '../../../../src/commands/run/retained-report.ts';
import type { WhatIsRetained } from '../../../../src/commands/run/retained.ts';
import { TestClock } from '../../clock.ts';
import { QUIET } from '../../log.ts';

/** Which of these looks tell; each is the hash that the look finds. */
function tellingLooks(...hashes: readonly (string | undefined)[]): number[] {
  let state: Parameters<typeof nextTold>[0] = { seen: undefined, told: undefined, patience: 0 };
  return hashes.flatMap((hash, look) => {
    const { isNews, ...next } = nextTold(state, hash);
    state = next;
    return isNews ? [look] : [];
  });
}

describe('what is retained is told', () => {
  it.each<[string, (string | undefined)[], number[]]>([
    ['when two looks find the same', ['a', 'a', 'a', 'a'], [1]],
    ['once it has come to rest', ['a', 'b', 'c', 'c', 'c'], [3]],
    ['after half a minute though it goes on changing', ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], [5]],
    ['again when it is something else', ['a', 'a', 'b', 'b'], [1, 3]],
    ['not again when it is back to what was told', ['a', 'a', 'b', 'a', 'a'], [1]],
    ['when it is over, at once', ['a', 'a', undefined, undefined], [1, 2]],
    ['not when it was over before anybody was told', ['a', undefined, undefined], []],
    ['not when there is nothing', [undefined, undefined], []],
  ])('%s', (_, hashes, looks) => {
    expect(tellingLooks(...hashes)).toEqual(looks);
  });

  it('in the log and to whoever else has to know, by direction', async () => {
    const clock = new TestClock();
    const end = new AbortController();
    const since = clock.date();
    const instances = [{ service: 'orders', why: 'its pod is not Ready', since }];
    let toConsul: WhatIsRetained = { hash: '4be2a9c1', instances };
    const [told, logged]: [string[], string[]] = [[], []];
    const log = {
      ...QUIET,
      warn: (message: string) => logged.push(message),
      info: (message: string) => logged.push(message),
    };
    const reported = reportRetained({
      retaining: () => [
        ['to-consul', toConsul],
        ['to-kubernetes', { hash: undefined, instances: [] }],
      ],
      onRetained: (text) => told.push(text),
      ...{ log, clock, signal: end.signal, lookMs: 10 },
    });
    await clock.advance(10);
    expect(told).toEqual([
      'retained 1 instance (consular release 4be2a9c1 --config FILE lets them go) of orders, ' +
        'which would be deregistered: its pod is not Ready',
    ]);
    toConsul = { hash: undefined, instances: [] };
    await clock.advance(20);
    expect(logged).toEqual(['retained what would go, because much was lost at once', 'nothing is retained any more']);
    expect(told).toHaveLength(1);
    end.abort();
    await reported;
  });
});
