import { describe, expect, it } from '@jest/globals';
import { Releases, type Releasing } from '../../../../src/commands/run/releases.ts';
import { Retained } from '../../../../src/guard/retained.ts';
import { readOutcome } from '../../../../src/guard/release-request.ts';
import { QUIET } from '../../log.ts';

type Record = readonly [level: string, message: string, why: unknown];

/** A direction that retains these. */
const releasing = (retained: Retained): Releasing => ({
  release: (hash) => {
    const released = retained.release(hash, 1000);
    if (!released.isKnown) return { outcome: 'unknown' };
    return { outcome: 'released', instances: released.members, staying: released.staying };
  },
});

/** Both directions, each with these members that it retains. */
function stage(toConsul: readonly string[], toKubernetes: readonly string[]) {
  const records: Record[] = [];
  const tell = (level: string) => (message: string, fields?: object) => {
    const { why, found } = (fields ?? {}) as { why?: string; found?: string };
    records.push([level, message, why ?? found]);
  };
  const log = { error: tell('error'), warn: tell('warn'), info: tell('info'), debug: tell('debug') };
  const directions = [toConsul, toKubernetes].map((members) => {
    const retained = new Retained();
    for (const member of members) retained.keep({ service: 'orders', member, why: 'not Ready' }, 0);
    return { retained, hash: retained.show(0)?.hash ?? '', ...releasing(retained) };
  });
  const [first, second] = directions;
  if (!first || !second) throw new Error('unreachable');
  return { releases: new Releases(() => directions, log), records, toConsul: first, toKubernetes: second };
}

describe('what operators ask to be released', () => {
  it('is let go in the direction that showed the hash, and in no other', () => {
    const { releases, toConsul, toKubernetes, records } = stage(['a', 'b'], ['c']);
    releases.request(toConsul.hash);
    expect([toConsul.retained.size, toKubernetes.retained.size]).toEqual([0, 1]);
    expect(records).toEqual([]);
    expect(readOutcome(releases.latest ?? '')).toMatchObject({ hash: toConsul.hash, isKnown: true, released: 2 });
  });

  it('is let go in both, when both showed the hash', () => {
    const { releases, toConsul, toKubernetes } = stage(['a'], ['a']);
    releases.request(toKubernetes.hash);
    expect([toConsul.retained.size, toKubernetes.retained.size]).toEqual([0, 0]);
    expect(readOutcome(releases.latest ?? '')).toMatchObject({ released: 2 });
  });

  it('leaves what was retained later', () => {
    const { releases, toConsul } = stage(['a', 'b'], []);
    toConsul.retained.keep({ service: 'orders', member: 'c', why: 'not Ready' }, 500);
    releases.request(toConsul.hash);
    expect(readOutcome(releases.latest ?? '')).toMatchObject({ released: 2, staying: 1 });
    expect(toConsul.retained.show(1000)?.members.map(({ member }) => member)).toEqual(['c']);
  });

  it('is told when there is nothing of that name, and when it is no name', () => {
    const { releases, toConsul, records } = stage(['a'], []);
    releases.request('00000000\nall of them');
    expect(toConsul.retained.size).toBe(1);
    expect(records).toEqual([
      ['warn', 'cannot release what is no hash', 'all of them'],
      ['warn', 'cannot release', 'nothing is retained under 00000000: nothing was shown under it within the last hour'],
    ]);
  });

  it('has no outcome when it is no hash, whatever became of an earlier one', () => {
    const { releases, toConsul } = stage(['a'], []);
    releases.request(toConsul.hash);
    releases.request('all of them');
    expect(releases.latest).toBeUndefined();
  });

  it('waits until it is known what is retained', () => {
    const retained = new Retained();
    retained.keep({ service: 'orders', member: 'a', why: 'not Ready' }, 0);
    const directions: Releasing[] = [];
    const releases = new Releases(() => (directions.length === 0 ? undefined : directions), QUIET);
    releases.request(retained.show(0)?.hash ?? '');
    expect([retained.size, releases.latest]).toEqual([1, undefined]);
    directions.push(releasing(retained));
    releases.begin();
    expect(retained.size).toBe(0);
    expect(readOutcome(releases.latest ?? '')).toMatchObject({ released: 1 });
  });
});
