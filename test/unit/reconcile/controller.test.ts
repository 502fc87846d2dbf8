import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/clock.ts';
import { Controller } from '../../../src/reconcile/controller.ts';
import { WritesOff } from '../../../src/writes.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { NO_BRAKE } from '../brake.ts';
import { settled, TestClock } from '../clock.ts';
import { QUIET, recordingLog, TestLog } from '../log.ts';

const RACE = new Error('somebody was faster');
const NO_RIGHT = new Error('there is no right to that');

/** A controller whose reconciles end as the test says, one after the other, and then well. */
function stage(fates: (Error | undefined)[] = [], msBetween = 0) {
  let nowMs = 0;
  const metrics = createMetrics();
  const { log, records } = recordingLog();
  const reconciled: string[] = [];
  /** What was told to be failing as each reconcile began. */
  const failing: object[] = [];
  let whenCalm: () => void = () => undefined;
  const controller: Controller = new Controller({
    direction: 'to-consul',
    concurrency: 1,
    isRace: (error) => error === RACE,
    isLackOfRights: (error) => error === NO_RIGHT,
    reconcile: (key) => {
      reconciled.push(key);
      failing.push(controller.status.failing);
      nowMs += msBetween;
      const fate = fates.shift();
      if (fate) return Promise.reject(fate);
      whenCalm();
      return Promise.resolve();
    },
    ...{ brake: NO_BRAKE, log, metrics, clock: { ...systemClock, now: () => nowMs } },
  });
  /** Puts the key into the queue; resolves when a reconcile of it went well. */
  const run = async (key: string) => {
    const calm = new Promise<void>((resolve) => (whenCalm = resolve));
    controller.enqueue(key);
    await calm;
    await settled();
  };
  const outcomes = async () =>
    (await metrics.reconciles.get()).values.map(({ labels, value }) => `${labels.outcome} ${value}`);
  return { controller, failing, outcomes, reconciled, records, run };
}

describe('a reconcile', () => {
  it('that goes well is counted, and nothing is left', async () => {
    const { controller, outcomes, reconciled, records, run } = stage();
    await run('shop/orders');
    expect(reconciled).toEqual(['shop/orders']);
    expect(await outcomes()).toEqual(['done 1']);
    expect(controller.status).toEqual({ waiting: 0, busy: 0, failing: {}, unwritten: 0 });
    expect(records).toEqual([]);
  });

  it('that fails is tried again, with a warning', async () => {
    const { outcomes, reconciled, records, run } = stage([new Error('reset')]);
    await run('a');
    expect(reconciled).toEqual(['a', 'a']);
    expect(await outcomes()).toEqual(['failed 1', 'done 1']);
    expect(records).toEqual(['warn reconciling failed, will try again']);
  });

  it('that could not write because writes are off is no failure, and waits for somebody to look again', async () => {
    const { controller, outcomes, reconciled, records, run } = stage([
      new Error('write', { cause: new WritesOff(['the Lease']) }),
    ]);
    controller.enqueue('a');
    await settled();
    expect(reconciled).toEqual(['a']);
    expect(controller.status).toEqual({ waiting: 0, busy: 0, failing: {}, unwritten: 1 });
    expect(records).toEqual([]);
    await run('a');
    expect(controller.status.unwritten).toBe(0);
    expect(await outcomes()).toEqual(['off 1', 'done 1']);
  });

  it('that lost a race is tried again, and is not worth a warning', async () => {
    const { outcomes, records, run } = stage([RACE]);
    await run('a');
    expect(await outcomes()).toEqual(['race 1', 'done 1']);
    expect(records).toEqual(['debug lost a race, will look again']);
  });

  it.each([
    ['fails', new Error('reset'), 'warn reconciling failed, will try again', ['failed 5', 'done 1']],
    ['loses races', RACE, 'debug lost a race, will look again', ['race 4', 'failed 1', 'done 1']],
  ])('that %s five times in a row is an error', async (_, fate, first, counted) => {
    const { outcomes, records, run } = stage(Array<Error>(5).fill(fate), 2000);
    await run('a');
    expect(records).toEqual([...Array<string>(4).fill(first), 'error reconciling keeps failing']);
    expect(await outcomes()).toEqual(counted);
  });

  it('that fails again and again is one warning until it has failed for 2 s, then one each time', async () => {
    const { outcomes, records, run } = stage(Array<Error>(7).fill(new Error('reset')), 400);
    await run('a');
    const again = 'reconciling failed, will try again';
    expect(records).toEqual([
      ...[`warn ${again}`, ...Array<string>(4).fill(`debug ${again}`)],
      ...Array<string>(2).fill('error reconciling keeps failing'),
    ]);
    expect(await outcomes()).toEqual(['failed 7', 'done 1']);
  });

  it('that fails for want of a right is told elsewhere, and is tried again when somebody looks', async () => {
    const { controller, reconciled, records, run } = stage([NO_RIGHT, NO_RIGHT]);
    controller.enqueue('a');
    await settled();
    expect(reconciled).toEqual(['a']);
    expect(controller.status.failing).toEqual({ a: NO_RIGHT.message });
    controller.lookAgain();
    await settled();
    expect(reconciled).toEqual(['a', 'a']);
    await run('a');
    expect(records).toEqual(Array<string>(2).fill('debug reconciling failed, will try again'));
  });

  it('that fails for want of a right is tried after 30 s, 1, 2, 4, 8, 10, 10 min', async () => {
    const log = new TestLog();
    const controller: Controller = new Controller({
      ...{ direction: 'to-kubernetes', concurrency: 1, isRace: () => false, isLackOfRights: () => true },
      reconcile: () => Promise.reject(NO_RIGHT),
      ...{ brake: NO_BRAKE, log, metrics: createMetrics() },
    });
    // An event looks at once; the wait is for whoever waits.
    for (let tries = 0; tries < 7; tries++) {
      controller.enqueue('a');
      await settled();
    }
    await controller.drain(1000);
    const seconds = log.records.map(({ fields }) => Number(fields.retryInMs) / 1000);
    expect(seconds).toEqual([30, 60, 120, 240, 480, 600, 600]);
  });

  it('that fails after it went well is told anew', async () => {
    const { records, run } = stage([new Error('reset'), undefined, new Error('reset')]);
    await run('a');
    await run('a');
    expect(records).toEqual(Array<string>(2).fill('warn reconciling failed, will try again'));
  });

  it('that failed after a lost race is told', async () => {
    const { records, run } = stage([RACE, new Error('reset'), new Error('reset')]);
    await run('a');
    expect(records.map((record) => record.split(' ')[0])).toEqual(['debug', 'warn', 'debug']);
  });

  it('that failed is told with its reason until it goes well', async () => {
    const { controller, failing, run } = stage([new Error('patch', { cause: new Error('reset') })]);
    await run('a');
    expect(failing).toEqual([{}, { a: 'patch: reset' }]);
    expect(controller.status.failing).toEqual({});
  });
});

it('a key that is wanted later is reconciled then', async () => {
  const { controller, reconciled, run } = stage();
  controller.enqueueAfter('later', 1);
  await run('now');
  expect(reconciled[0]).toBe('now');
  while (reconciled.length < 2) await settled();
  expect(reconciled).toEqual(['now', 'later']);
});

it('a key of which somebody reminds is reconciled', async () => {
  const { controller, reconciled } = stage();
  controller.remind('a');
  while (reconciled.length < 1) await settled();
  expect(reconciled).toEqual(['a']);
});

it('a controller that is drained takes nothing more', async () => {
  const { controller, reconciled } = stage();
  expect(await controller.drain(2 ** 31 - 1)).toBe(true);
  controller.enqueue('a');
  await settled();
  expect(reconciled).toEqual([]);
});

/** Waits until the test lets so much time pass. */
const pass = (clock: TestClock, ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));

/** A controller whose reconciles take as long as the test says, and write or fail as it says. */
function timed(run: (key: string, wrote: () => void) => Promise<void>) {
  const clock = new TestClock();
  const metrics = createMetrics();
  const controller: Controller = new Controller({
    ...{ direction: 'to-kubernetes', concurrency: 1, isRace: () => false, brake: NO_BRAKE, log: QUIET, metrics, clock },
    reconcile: (key) => run(key, () => controller.written(key)),
  });
  /** How many changes were timed, and how many seconds they took together. */
  const times = async () => {
    const { values } = await metrics.changeToWritten.get();
    const of = (part: string) => values.find(({ metricName }) => metricName?.endsWith(part))?.value ?? 0;
    return [of('_count'), of('_sum')];
  };
  return { clock, controller, times };
}

describe('the time from a change to its write', () => {
  it('is that from the first event to the last write of the run, whatever is done after it', async () => {
    const { clock, controller, times } = timed(async (_, wrote) => {
      await pass(clock, 200);
      wrote();
      await pass(clock, 300);
      wrote();
      await pass(clock, 4000);
    });
    controller.enqueue('busy');
    await clock.advance(100);
    controller.enqueue('a');
    await clock.advance(20_000);
    // The second waited until all was done for the first.
    expect(await times()).toEqual([2, 0.5 + 4.9]);
  });

  it('is not taken of what needed no write, and not of the background, of which nobody knows when it changed', async () => {
    const { clock, controller, times } = timed((key, wrote) => {
      if (key !== 'same') wrote();
      return Promise.resolve();
    });
    const startedAt = clock.date();
    controller.enqueue('same');
    controller.enqueueInBackground(['pass']);
    await clock.advance(10);
    expect(await times()).toEqual([0, 0]);
    expect(controller.state).toMatchObject({ waiting: 0, failing: 0, oldestWaitingMs: 0, lastSuccess: startedAt });
  });

  it('counts the tries that failed, and ends when the last of it was written', async () => {
    const fates = ['written in part', 'not written', 'written', 'as it is'];
    const { clock, controller, times } = timed((_, wrote) => {
      const fate = fates.shift() ?? '';
      if (fate.startsWith('written')) wrote();
      return fate.startsWith('written in part') || fate === 'not written'
        ? Promise.reject(new Error(fate))
        : Promise.resolve();
    });
    controller.enqueue('a');
    await clock.advance(0);
    expect(controller.state.lastSuccess).toBeUndefined();
    await clock.advance(5);
    expect(await times()).toEqual([0, 0]);
    // An event while the key waits for its next try takes nothing from the time that it has waited.
    controller.enqueue('a');
    await clock.advance(995);
    controller.enqueue('a');
    await clock.advance(5000);
    controller.enqueue('a');
    await clock.advance(5000);
    const [count, seconds = NaN] = await times();
    expect([count, fates]).toEqual([1, []]);
    expect(seconds).toBeLessThanOrEqual(1);
  });

  it('of a change that came while the key was written begins with that change', async () => {
    let isFirst = true;
    const { clock, controller, times } = timed(async (key, wrote) => {
      await pass(clock, 1000);
      if (isFirst) controller.enqueue(key);
      isFirst = false;
      await pass(clock, 1000);
      wrote();
    });
    controller.enqueue('a');
    await clock.advance(10_000);
    expect(await times()).toEqual([2, 2 + 3]);
  });
});
