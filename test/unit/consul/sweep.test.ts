import { describe, expect, it } from '@jest/globals';
import { Sweep } from '../../../src/consul/sweep.ts';
import { settled, TestClock } from '../clock.ts';

/** A sweep whose reads are noted with their time; the test may hold reads back. */
function stage(due: readonly string[] = ['a', 'b'], read: (name: string) => Promise<void> = () => Promise.resolve()) {
  const clock = new TestClock();
  const stop = new AbortController();
  const reads: string[] = [];
  let asked = 0;
  const sweep = new Sweep({
    due: () => {
      asked++;
      return Promise.resolve(due);
    },
    read: (name) => {
      reads.push(`${name} ${clock.now()}`);
      return read(name);
    },
    signal: stop.signal,
    clock,
  });
  return { clock, reads, stop, sweep, asked: () => asked };
}

/** A read that ends when the test says so. */
function held() {
  const release: (() => void)[] = [];
  return { read: () => new Promise<void>((resolve) => release.push(resolve)), release };
}

describe('a sweep', () => {
  it('reads all that is due, once for a burst of changes', async () => {
    const { asked, clock, reads, sweep } = stage();
    for (let changes = 0; changes < 5; changes++) sweep.schedule();
    await clock.advance(199);
    expect(reads).toEqual([]);
    await clock.advance(10_000);
    expect(reads).toEqual(['a 200', 'b 200']);
    expect(asked()).toBe(1);
  });

  it('keeps its distance from the last one, which doubles up to 8 seconds while changes go on', async () => {
    const { clock, reads, sweep } = stage(['a']);
    for (let ms = 0; ms < 40_000; ms += 100) {
      sweep.schedule();
      await clock.advance(100);
    }
    expect(reads.map((read) => Number(read.split(' ')[1]))).toEqual([
      200, 1200, 3200, 7200, 15_200, 23_200, 31_200, 39_200,
    ]);
    await clock.advance(20_000);
    sweep.schedule();
    await clock.advance(200);
    expect(reads).toHaveLength(10);
  });

  it('takes a rest that is twice as long as it took', async () => {
    const { read, release } = held();
    const { clock, reads, sweep } = stage(['a'], read);
    sweep.schedule();
    await clock.advance(5000);
    release.shift()?.();
    await settled();
    sweep.schedule();
    await clock.advance(9599);
    expect(reads).toEqual(['a 200']);
    await clock.advance(1);
    expect(reads).toEqual(['a 200', 'a 14600']);
  });

  it('is followed by another one when something changed while it ran', async () => {
    const { read, release } = held();
    const { asked, clock, sweep } = stage(['a'], read);
    sweep.schedule();
    await clock.advance(200);
    sweep.schedule();
    await clock.advance(10_000);
    expect(asked()).toBe(1);
    release.shift()?.();
    await clock.advance(60_000);
    expect(asked()).toBe(2);
  });

  it('reads 8 services at a time', async () => {
    const { read, release } = held();
    const { clock, reads, sweep } = stage([...'abcdefghijkl'], read);
    sweep.schedule();
    await clock.advance(200);
    expect(reads).toHaveLength(8);
    release.shift()?.();
    await settled();
    expect(reads).toHaveLength(9);
  });

  it('ends with its signal: what waits is not read', async () => {
    const { read, release } = held();
    const { clock, reads, stop, sweep } = stage([...'abcdefghijkl'], read);
    sweep.schedule();
    await clock.advance(200);
    stop.abort();
    for (const end of release) end();
    sweep.schedule();
    sweep.readLater('z');
    await clock.advance(60_000);
    expect(reads).toHaveLength(8);
  });

  it('that was arranged does not begin after its signal', async () => {
    const { asked, clock, stop, sweep } = stage();
    sweep.schedule();
    stop.abort();
    await clock.advance(1000);
    expect(asked()).toBe(0);
  });
});

describe('a single service', () => {
  it('is read at the time of the next sweep, without sweeping for its sake', async () => {
    const { asked, clock, reads, sweep } = stage();
    sweep.readLater('z');
    sweep.readLater('z');
    await clock.advance(1000);
    expect(reads).toEqual(['z 200']);
    expect(asked()).toBe(0);
  });

  it('is read once when the sweep reads it too', async () => {
    const { clock, reads, sweep } = stage();
    sweep.readLater('a');
    sweep.schedule();
    await clock.advance(1000);
    expect(reads.sort()).toEqual(['a 200', 'b 200']);
  });

  it('is read before those that wait for their sweep, and not put in line twice', async () => {
    const { read, release } = held();
    const { clock, reads, sweep } = stage([...'abcdefghijkl'], read);
    sweep.schedule();
    await clock.advance(200);
    sweep.readSoon('z');
    sweep.readSoon('z');
    release.shift()?.();
    await settled();
    expect(reads.slice(8)).toEqual(['z 200']);
    release.shift()?.();
    await settled();
    expect(reads.slice(9)).toEqual(['i 200']);
  });

  it('is read once more when it changes while it is read', async () => {
    const { read, release } = held();
    const { reads, sweep } = stage([], read);
    sweep.readSoon('z');
    await settled();
    sweep.readSoon('z');
    await settled();
    expect(reads).toEqual(['z 0', 'z 0']);
    expect(release).toHaveLength(2);
  });
});
