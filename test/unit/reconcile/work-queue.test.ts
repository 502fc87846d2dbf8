import { describe, expect, it } from '@jest/globals';
import { WorkQueue } from '../../../src/reconcile/work-queue.ts';
import { HeldBrake, NO_BRAKE } from '../brake.ts';
import { settled, TestClock } from '../clock.ts';
import { Worker } from './worker.ts';

/** Longer than any test may take: what waits for it does not happen. */
const NEVER_MS = 2 ** 31 - 1;

describe('a key that waits', () => {
  it('is looked at once for many events', async () => {
    const worker = new Worker();
    worker.queue.add('busy');
    for (const key of ['a', 'b', 'a', 'a', 'b']) worker.queue.add(key);
    expect(worker.queue.depth).toBe(2);
    for (const key of ['busy', 'a', 'b']) {
      const run = await worker.next();
      expect(run.key).toBe(key);
      run.succeed();
    }
    await settled();
    expect(worker.began).toEqual(['busy', 'a', 'b']);
    expect(worker.queue.depth).toBe(0);
  });
});

describe('a key that is being processed', () => {
  it('is not processed a second time beside it, and once more afterwards', async () => {
    const worker = new Worker(4);
    worker.queue.add('a');
    const first = await worker.next();
    for (let events = 0; events < 3; events++) worker.queue.add('a');
    await settled();
    expect(worker.began).toEqual(['a']);
    first.succeed();
    const second = await worker.next();
    second.succeed();
    await settled();
    expect(worker.began).toEqual(['a', 'a']);
  });

  it('does not hold up others', async () => {
    const worker = new Worker(2);
    worker.queue.add('a');
    worker.queue.add('b');
    worker.queue.add('c');
    await worker.next();
    (await worker.next()).succeed();
    expect((await worker.next()).key).toBe('c');
  });

  it('is looked at again at once when something happened during a run that failed', async () => {
    const worker = new Worker();
    worker.queue.add('a');
    const first = await worker.next();
    worker.queue.add('a');
    first.fail();
    (await worker.next()).succeed();
    await settled();
    expect(worker.began).toEqual(['a', 'a']);
  });
});

describe('a key that failed', () => {
  it('comes back by itself until it succeeds, and its failures are counted', async () => {
    const worker = new Worker();
    worker.queue.add('a');
    for (let failures = 1; failures <= 4; failures++) (await worker.next()).fail();
    (await worker.next()).succeed();
    await settled();
    expect(worker.failed.map(({ failures }) => failures)).toEqual([1, 2, 3, 4]);
    for (const { failures, retryInMs } of worker.failed) {
      expect(retryInMs).toBeGreaterThanOrEqual(0);
      expect(retryInMs).toBeLessThanOrEqual(10 * 2 ** (failures - 1));
    }
  });

  it('starts to count anew after a success', async () => {
    const worker = new Worker();
    worker.queue.add('a');
    (await worker.next()).fail();
    (await worker.next()).succeed();
    await settled();
    worker.queue.add('a');
    (await worker.next()).fail();
    (await worker.next()).succeed();
    expect(worker.failed.map(({ failures }) => failures)).toEqual([1, 1]);
  });

  it('is looked at at once, and only once, when something happens while it backs off', async () => {
    const worker = new Worker();
    worker.queue.add('a');
    await worker.fail(await worker.next());
    worker.queue.add('a');
    worker.queue.add('a');
    (await worker.next()).succeed();
    await settled();
    expect(worker.began).toEqual(['a', 'a']);
  });

  it('is neither queued twice nor run twice at a time when its failure is answered by adding it', async () => {
    const worker = new Worker(4, (key) => worker.queue.add(key));
    worker.queue.add('a');
    (await worker.next()).fail();
    worker.queue.add('a');
    const again = await worker.next();
    worker.queue.add('a');
    await settled();
    expect(worker.began).toEqual(['a', 'a']);
    again.succeed();
    (await worker.next()).succeed();
    await settled();
    expect(worker.began).toEqual(['a', 'a', 'a']);
  });
});

describe('what keys failed for', () => {
  it('may be over: those that wait for another try are looked at at once, and their failures are forgotten', async () => {
    const worker = new Worker(4);
    for (const key of ['a', 'b']) worker.queue.add(key);
    const [a, b] = [await worker.next(), await worker.next()];
    b.succeed();
    await worker.fail(a);
    worker.queue.addAfter('later', NEVER_MS);
    worker.queue.lookAgain();
    (await worker.next()).fail();
    await settled();
    expect(worker.failed.map(({ key, failures }) => `${key} ${failures}`)).toEqual(['a 1', 'a 1']);
    expect(worker.began.slice(0, 3)).toEqual(['a', 'b', 'a']);
    await worker.queue.drain(0);
    expect(worker.began).not.toContain('later');
  });

  it('may be over while a key is tried: when that fails, it is its first failure', async () => {
    const worker = new Worker();
    worker.queue.add('a');
    for (let failures = 0; failures < 2; failures++) await worker.fail(await worker.next());
    const third = await worker.next();
    worker.queue.lookAgain();
    await worker.fail(third);
    expect(worker.failed.map(({ failures }) => failures)).toEqual([1, 2, 1]);
    await worker.queue.drain(0);
  });
});

describe('a key of which somebody reminds', () => {
  it('is looked at like any other while it does not fail, and once more when it runs', async () => {
    const worker = new Worker();
    worker.queue.remind('a');
    const first = await worker.next();
    worker.queue.remind('a');
    first.succeed();
    (await worker.next()).succeed();
    await settled();
    expect(worker.began).toEqual(['a', 'a']);
  });

  it('keeps its wait when it fails, whether it waits or runs', async () => {
    const clock = new TestClock();
    const worker = new Worker(1, () => undefined, { clock });
    worker.queue.add('a');
    for (const during of [true, false]) {
      const run = await worker.next();
      if (during) worker.queue.remind('a');
      await worker.fail(run);
      worker.queue.remind('a');
      await settled();
      expect(clock.timers).toBe(1);
      await clock.advance(30_000);
    }
    (await worker.next()).succeed();
    await settled();
    expect(worker.began).toEqual(['a', 'a', 'a']);
  });

  it('is looked at at once by an event, that counts for more', async () => {
    const worker = new Worker(1, () => undefined, { clock: new TestClock() });
    worker.queue.add('a');
    const run = await worker.next();
    worker.queue.add('a');
    worker.queue.remind('a');
    run.fail();
    expect((await worker.next()).key).toBe('a');
  });
});

describe('a key that waits at the brake', () => {
  async function held() {
    const [clock, brake] = [new TestClock(), new HeldBrake()];
    const worker = new Worker(1, () => undefined, { clock, brake });
    worker.queue.add('a');
    await worker.fail(await worker.next());
    await clock.advance(30_000);
    expect([worker.began, brake.line.length]).toEqual([['a'], 1]);
    return { brake, clock, worker };
  }

  it('is tried again when the brake lets it, and does not count when that goes well', async () => {
    const { brake, worker } = await held();
    brake.line.shift()?.();
    (await worker.next()).succeed();
    await settled();
    expect([worker.began, brake.givenBack]).toEqual([['a', 'a'], [3]]);
  });

  it('counts when it fails again', async () => {
    const { brake, clock, worker } = await held();
    brake.line.shift()?.();
    await worker.fail(await worker.next());
    await clock.advance(30_000);
    expect([brake.line.length, brake.givenBack]).toEqual([1, []]);
  });

  it('is looked at at once when something happens, and not again when its turn comes', async () => {
    const { brake, worker } = await held();
    worker.queue.addAfter('a', 1);
    worker.queue.add('a');
    (await worker.next()).succeed();
    brake.line.shift()?.();
    await settled();
    expect([worker.began, brake.givenBack]).toEqual([['a', 'a'], []]);
  });

  it('does not run any more after the end', async () => {
    const { brake, worker } = await held();
    await worker.queue.drain(NEVER_MS);
    brake.line.shift()?.();
    await settled();
    expect(worker.began).toEqual(['a']);
  });
});

describe('a key that is wanted later', () => {
  it('is looked at then', async () => {
    const worker = new Worker();
    worker.queue.addAfter('a', 1);
    expect((await worker.next()).key).toBe('a');
  });

  it('is looked at once, at the earlier of two times', async () => {
    const worker = new Worker();
    worker.queue.addAfter('a', NEVER_MS);
    worker.queue.addAfter('a', 1);
    worker.queue.addAfter('a', NEVER_MS);
    (await worker.next()).succeed();
    await settled();
    expect(worker.began).toEqual(['a']);
    await worker.queue.drain(NEVER_MS);
  });

  it('is looked at now when something happens first, and not again', async () => {
    const worker = new Worker();
    worker.queue.addAfter('a', 5);
    worker.queue.add('a');
    worker.queue.addAfter('later', 10);
    (await worker.next()).succeed();
    (await worker.next()).succeed();
    expect(worker.began).toEqual(['a', 'later']);
  });

  it('and waits for its turn already, is looked at then and not again', async () => {
    const worker = new Worker();
    worker.queue.add('busy');
    worker.queue.add('a');
    worker.queue.addAfter('a', 5);
    worker.queue.addAfter('later', 10);
    for (let runs = 0; runs < 3; runs++) (await worker.next()).succeed();
    expect(worker.began).toEqual(['busy', 'a', 'later']);
  });

  it('is looked at again when it asked for that while it ran', async () => {
    const worker = new Worker();
    worker.queue.add('a');
    const first = await worker.next();
    worker.queue.addAfter('a', 1);
    first.succeed();
    expect((await worker.next()).key).toBe('a');
  });
});

describe('keys in the background', () => {
  it('have their turn when nothing else waits, and each of them once', async () => {
    const worker = new Worker();
    worker.queue.addInBackground(['a', 'b', 'c']);
    expect(worker.queue.depth).toBe(2);
    worker.queue.add('event');
    // It is one of them, and something happened to it.
    worker.queue.add('c');
    expect(worker.queue.depth).toBe(3);
    for (const key of ['a', 'event', 'c', 'b']) {
      const run = await worker.next();
      expect(run.key).toBe(key);
      run.succeed();
    }
    await settled();
    expect([worker.began, worker.queue.depth]).toEqual([['a', 'event', 'c', 'b'], 0]);
  });

  it('take as many places as there are', async () => {
    const worker = new Worker(2);
    worker.queue.addInBackground(['a', 'b', 'c', 'd']);
    await settled();
    expect(worker.began).toEqual(['a', 'b']);
    for (let run = 0; run < 4; run++) (await worker.next()).succeed();
    await settled();
    expect(worker.began).toEqual(['a', 'b', 'c', 'd']);
  });

  it('that run already run once more, and one that fails holds up no other', async () => {
    const worker = new Worker();
    worker.queue.add('a');
    const first = await worker.next();
    worker.queue.addInBackground(['a', 'b']);
    first.succeed();
    (await worker.next()).fail();
    (await worker.next()).succeed();
    await settled();
    expect(worker.began.slice(0, 3)).toEqual(['a', 'a', 'b']);
  });

  it('are dropped at the end', async () => {
    const worker = new Worker();
    worker.queue.addInBackground(['a', 'b']);
    const run = await worker.next();
    const drained = worker.queue.drain(NEVER_MS);
    run.succeed();
    expect(await drained).toBe(true);
    worker.queue.addInBackground(['c']);
    await settled();
    expect([worker.began, worker.queue.depth]).toEqual([['a'], 0]);
  });
});

describe('drain', () => {
  it('waits for what runs and drops what waits', async () => {
    const worker = new Worker();
    worker.queue.add('a');
    worker.queue.add('b');
    worker.queue.addAfter('c', 0);
    const run = await worker.next();
    worker.queue.add('a');
    const drained = worker.queue.drain(NEVER_MS);
    worker.queue.add('d');
    run.succeed();
    await expect(drained).resolves.toBe(true);
    await settled();
    expect(worker.began).toEqual(['a']);
  });

  it('does not try again what fails meanwhile', async () => {
    const worker = new Worker();
    worker.queue.add('a');
    const run = await worker.next();
    const drained = worker.queue.drain(NEVER_MS);
    run.fail();
    await expect(drained).resolves.toBe(true);
    await settled();
    expect(worker.began).toEqual(['a']);
  });

  it('says so when the limit is reached first', async () => {
    const worker = new Worker();
    worker.queue.add('a');
    await worker.next();
    await expect(worker.queue.drain(1)).resolves.toBe(false);
  });

  it('is done at once when nothing runs', async () => {
    await expect(new Worker().queue.drain(NEVER_MS)).resolves.toBe(true);
  });
});

describe('a queue that never gets empty', () => {
  /** Ends when a timer got its turn `turns` times; the test runs into its limit when none does. */
  async function starve(process: (queue: WorkQueue, key: string) => Promise<void>, concurrency = 1): Promise<number> {
    let runs = 0;
    const queue: WorkQueue = new WorkQueue({
      concurrency,
      brake: NO_BRAKE,
      process: (key) => {
        runs++;
        return process(queue, key);
      },
      onFailure: (key) => queue.add(key),
    });
    for (const key of ['a', 'b']) queue.add(key);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
    await queue.drain(NEVER_MS);
    return runs;
  }

  it.each<[string, (queue: WorkQueue, key: string) => Promise<void>]>([
    ['a key that adds itself', (queue, key) => Promise.resolve(queue.add(key))],
    ['two keys that add each other', (queue, key) => Promise.resolve(queue.add(key === 'a' ? 'b' : 'a'))],
    ['a key that fails and is added by whoever is told', () => Promise.reject(new Error('no luck'))],
    ['a key that adds ever new ones', (queue, key) => Promise.resolve(queue.add(`${key}a`))],
  ])('leaves timers their turn: %s', async (_, process) => {
    for (const concurrency of [1, 2, 1024]) expect(await starve(process, concurrency)).toBeGreaterThan(1);
  });
});

describe('the key that has waited longest', () => {
  const waiting = (concurrency = 1) => {
    const clock = new TestClock();
    return { clock, worker: new Worker(concurrency, undefined, { clock }) };
  };

  it('is none where nothing waits, nor where a key is only to be looked at later', () => {
    const { clock, worker } = waiting();
    expect(worker.queue.oldestWaitingMs).toBe(0);
    worker.queue.addAfter('later', 60_000);
    void clock.advance(1000);
    expect(worker.queue.oldestWaitingMs).toBe(0);
  });

  it('is one that waits for its turn, or for its run to end, and none when both are done', async () => {
    const { clock, worker } = waiting();
    worker.queue.add('a');
    const a = await worker.next();
    await clock.advance(100);
    worker.queue.add('b');
    await clock.advance(100);
    expect(worker.queue.oldestWaitingMs).toBe(200);
    a.succeed();
    const b = await worker.next();
    await clock.advance(50);
    expect(worker.queue.oldestWaitingMs).toBe(150);
    b.succeed();
    await settled();
    expect(worker.queue.oldestWaitingMs).toBe(0);
  });

  it('is one that fails, from its first event on', async () => {
    const { clock, worker } = waiting();
    worker.queue.add('a');
    await worker.fail(await worker.next());
    await clock.advance(30_000);
    await worker.fail(await worker.next());
    expect(worker.queue.oldestWaitingMs).toBe(30_000);
    worker.queue.add('a');
    (await worker.next()).succeed();
    await settled();
    expect(worker.queue.oldestWaitingMs).toBe(0);
  });

  it('is one of the background until all of these are done', async () => {
    const { clock, worker } = waiting();
    worker.queue.addInBackground(['a', 'b']);
    const a = await worker.next();
    await clock.advance(1000);
    a.succeed();
    const b = await worker.next();
    expect(worker.queue.oldestWaitingMs).toBe(1000);
    b.succeed();
    await settled();
    expect(worker.queue.oldestWaitingMs).toBe(0);
  });

  it('is one for which something happened while it ran, from then on', async () => {
    const { clock, worker } = waiting();
    worker.queue.add('a');
    const first = await worker.next();
    await clock.advance(1000);
    worker.queue.add('a');
    first.succeed();
    const second = await worker.next();
    await clock.advance(500);
    expect(worker.queue.oldestWaitingMs).toBe(500);
    second.succeed();
  });
});
