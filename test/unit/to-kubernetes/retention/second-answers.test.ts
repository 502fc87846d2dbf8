import { afterEach, expect, it } from '@jest/globals';
import { NotBelieved } from '../../../../src/consul/absence.ts';
import { SecondAnswers } from '../../../../src/to-kubernetes/retention/second-answers.ts';
import { NO_BRAKE } from '../../brake.ts';
import { settled, TestClock } from '../../clock.ts';
import { TestLog } from '../../log.ts';

const SECOND_MS = 30_000;
const ends: AbortController[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end.abort();
});

/** Services of which something is missing since the beginning, until it is decided. */
function stage(names: readonly string[], ask: (name: string) => Promise<void>) {
  const clock = new TestClock();
  const log = new TestLog();
  const end = new AbortController();
  ends.push(end);
  const missing = new Set(names);
  const decided: [name: string, askedMs: number][] = [];
  const retained = new Set(names);
  const second = new SecondAnswers({
    secondMs: SECOND_MS,
    dueMs: (name) => (missing.has(name) ? SECOND_MS : undefined),
    isAsked: (name) => retained.has(name),
    ask,
    decide: (name, askedMs) => {
      decided.push([name, askedMs]);
      missing.delete(name);
    },
    ...{ brake: NO_BRAKE, log, signal: end.signal, clock },
  });
  for (const name of names) second.arrange(name);
  return { second, clock, log, decided, retained, missing };
}

const some = (count: number) => Array.from({ length: count }, (_, i) => `s${i}`);

it('are asked for about four services at a time, of a thousand', async () => {
  let running = 0;
  let most = 0;
  const answers: (() => void)[] = [];
  const { clock, decided } = stage(some(1000), () => {
    most = Math.max(most, ++running);
    return new Promise((resolve) =>
      answers.push(() => {
        running--;
        resolve();
      }),
    );
  });
  await clock.advance(SECOND_MS - 1);
  expect(answers).toHaveLength(0);
  await clock.advance(1);
  expect([answers.length, decided.length]).toEqual([4, 0]);
  while (answers.length > 0) {
    for (const letGo of answers.splice(0)) letGo();
    await settled();
  }
  expect([decided.length, most]).toEqual([1000, 4]);
});

it('are not needed where nothing is retained: what is known decides', async () => {
  const asked: string[] = [];
  const { clock, decided, retained } = stage(['a', 'b'], (name) => {
    asked.push(name);
    return new Promise(() => undefined);
  });
  retained.delete('b');
  await clock.advance(SECOND_MS);
  expect([asked, decided]).toEqual([['a'], [['b', SECOND_MS]]]);
});

it('are asked for again while there is none, with one warning for all', async () => {
  let failing: Error | undefined = new Error('no leader');
  const { clock, log, decided } = stage(some(50), () => (failing ? Promise.reject(failing) : Promise.resolve()));
  await clock.advance(4 * SECOND_MS);
  expect(log.of('warn')).toEqual(['what is missing from Consul could not be asked for again, it stays']);
  expect(decided).toEqual([]);
  // With a backoff up to 15 s, the first time within a second.
  expect(log.of('debug').length).toBeGreaterThan(50 * 5);
  expect(Math.max(...clock.waits.filter((ms) => ms < SECOND_MS))).toBeLessThanOrEqual(SECOND_MS / 2);
  failing = undefined;
  await clock.advance(SECOND_MS / 2);
  expect(decided).toHaveLength(50);
});

it('that are not to be believed for a while are asked for when that is over', async () => {
  let asked = 0;
  const { clock, decided } = stage(['a'], () =>
    ++asked === 1 ? Promise.reject(new NotBelieved('read service a', 'time went back', 600_000)) : Promise.resolve(),
  );
  await clock.advance(SECOND_MS + 599_999);
  expect([asked, decided]).toEqual([1, []]);
  await clock.advance(1);
  expect(decided).toEqual([['a', SECOND_MS + 600_000]]);
});

it('are asked for anew when something else is missing meanwhile', async () => {
  const { clock, second, decided, missing } = stage(['a'], () => Promise.resolve());
  await clock.advance(SECOND_MS);
  second.arrange('a');
  await clock.advance(SECOND_MS);
  expect(decided).toHaveLength(1);
  missing.add('a');
  second.arrange('a');
  await clock.advance(SECOND_MS);
  expect(decided).toHaveLength(2);
});
