import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { carryOutSwitch, followSwitch } from '../../../../src/commands/run/switch.ts';
import { createMetrics } from '../../../../src/observability/metrics.ts';
import { Writes } from '../../../../src/writes.ts';
import { settled, TestClock } from '../../clock.ts';
import { recordingLog } from '../../log.ts';

describe('the switch', () => {
  const end = new AbortController();

  function build(options: Partial<Parameters<typeof carryOutSwitch>[0]>) {
    const [writes, clock, metrics] = [new Writes(), new TestClock(), createMetrics()];
    const { failures } = carryOutSwitch({
      ...{ writes, clock, metrics, log: recordingLog().log, signal: end.signal },
      lastWord: () => undefined,
      prepare: () => Promise.resolve(),
      onOn: () => undefined,
      ...options,
    });
    const enabled = async () => (await metrics.writesEnabled.get()).values[0]?.value;
    const say = async (off: string | undefined) => {
      writes.say('setting', off);
      await settled();
    };
    return { writes, clock, failures, enabled, say };
  }

  /** Throws when it is called for the first time. */
  function throwsOnce(): () => undefined {
    let isFirst = true;
    return () => {
      if (isFirst) {
        isFirst = false;
        throw new Error('boom');
      }
    };
  }

  it.each([
    ['looks at everything', () => ({ onOn: throwsOnce() })],
    [
      'takes the fence',
      () => {
        const take = throwsOnce();
        return { prepare: () => Promise.resolve().then(take) };
      },
    ],
  ])('is not on while what %s fails, says so, and tries it again', async (_, options) => {
    const { writes, clock, failures, enabled, say } = build(options());
    await say('setting writes');
    await say(undefined);
    expect([writes.phase, await enabled(), failures()]).toEqual(['opening', 0, ['switch writes on: boom']]);
    await clock.advance(1000);
    expect([writes.phase, await enabled(), failures()]).toEqual(['on', 1, []]);
    await say('setting writes');
    expect([writes.phase, await enabled(), failures()]).toEqual(['off', 0, []]);
  });

  it('is off also when the last word fails at once', async () => {
    const { writes, say } = build({ lastWord: throwsOnce() });
    await say('setting writes');
    expect(writes.phase).toBe('off');
    await say(undefined);
    expect(writes.phase).toBe('on');
  });
});

describe('the control file as a switch', () => {
  let folder: string;
  let path: string;
  let writes: Writes;
  let clock: TestClock;
  let end: AbortController;
  let times = 0;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'consular-switch-'));
    path = join(folder, 'control');
    [writes, clock, end] = [new Writes(), new TestClock(), new AbortController()];
  });
  afterEach(async () => {
    end.abort();
    await rm(folder, { recursive: true });
  });

  async function start(): Promise<void> {
    await followSwitch(writes, { path, log: recordingLog().log, clock, signal: end.signal });
    while (clock.timers === 0) await settled();
  }

  async function look(): Promise<void> {
    await clock.advance(1000);
    while (clock.timers === 0) await settled();
  }

  async function write(text: string): Promise<void> {
    await writeFile(path, text);
    times++;
    await utimes(path, times, times);
  }

  it('says off at once, and on when it was the same at two looks', async () => {
    await start();
    await write('writes off\n');
    await look();
    expect(writes.off?.by).toEqual([`control file ${path} says off`]);
    await write('writes on\n');
    await look();
    expect(writes.off).toBeDefined();
    await look();
    expect(writes.off).toBeUndefined();
  });

  it('stays off while it is written again, when it is empty at one look', async () => {
    await write('writes off\n');
    await start();
    const states: boolean[] = [];
    writes.subscribe(() => states.push(writes.off !== undefined));
    await write('');
    await look();
    await write('writes off\n4be2a9c1\n');
    await look();
    await look();
    expect(states).toEqual([]);
    expect(writes.off).toBeDefined();
  });

  it('counts as what it said last while it is away', async () => {
    await write('writes off\n');
    await start();
    await rm(path);
    await look();
    await look();
    expect(writes.off).toBeDefined();
    await write('4be2a9c1\n');
    await look();
    await look();
    expect(writes.off).toBeUndefined();
  });

  it('says nothing when there is none at first', async () => {
    await start();
    expect(writes.off).toBeUndefined();
  });
});
