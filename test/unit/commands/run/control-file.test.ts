import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { followControlFile, switchIn } from '../../../../src/commands/run/control-file.ts';
import { settled, TestClock } from '../../clock.ts';

describe('the control file', () => {
  let folder: string;
  let path: string;
  let clock: TestClock;
  let end: AbortController;
  let followed: Promise<void> | undefined;
  const contents: string[] = [];
  const warnings: string[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'consular-control-'));
    path = join(folder, 'control');
    clock = new TestClock();
    end = new AbortController();
    contents.length = 0;
    warnings.length = 0;
  });
  afterEach(async () => {
    end.abort();
    await followed;
    await rm(folder, { recursive: true });
  });

  async function start(): Promise<void> {
    const quiet = () => undefined;
    const warn = (_message: string, fields?: object) => warnings.push(String((fields as { error: unknown }).error));
    const log = { error: quiet, info: quiet, debug: quiet, warn };
    const onLines = (text: string) => contents.push(text);
    followed = followControlFile({ path, onLines, log, clock, signal: end.signal });
    await untilLooked();
  }

  /** Files take the time that they take: a look has ended when the next one is waited for. */
  async function untilLooked(): Promise<void> {
    while (clock.timers === 0) await settled();
  }

  async function look(): Promise<void> {
    await clock.advance(1000);
    await untilLooked();
  }

  let times = 0;
  /** With a time of its own: two writes within one tick of the file system would be one. */
  async function write(text: string, to = path): Promise<void> {
    await writeFile(to, text);
    times++;
    await utimes(to, times, times);
  }

  it('is read when it is made and whenever it is written, and each line counts when it comes', async () => {
    await start();
    await look();
    expect(contents).toEqual([]);
    await write('4be2a9c1\n');
    await look();
    await look();
    expect(contents).toEqual(['4be2a9c1']);
    for (const text of ['4be2a9c1\n', '# a remark\n4be2a9c1\n']) await write(text).then(look);
    expect(contents).toEqual(['4be2a9c1', '# a remark']);
    await write('# a remark\n0a1b2c3d\n');
    await look();
    await write('4be2a9c1\n');
    await look();
    expect(contents.slice(2)).toEqual(['0a1b2c3d', '4be2a9c1']);
  });

  it('counts from the start on: what was in it before releases nothing again', async () => {
    await write('4be2a9c1\n');
    await start();
    await look();
    expect(contents).toEqual([]);
    await write('0a1b2c3d\n');
    await look();
    expect(contents).toEqual(['0a1b2c3d']);
  });

  it('may be replaced by another file, and taken away', async () => {
    await write('4be2a9c1\n');
    await start();
    await write('0a1b2c3d\n', `${path}.new`);
    await rename(`${path}.new`, path);
    await look();
    await rm(path);
    await look();
    expect(contents).toEqual(['0a1b2c3d']);
    expect(warnings).toEqual([]);
  });

  it('is told once when it cannot be read, and read when it can', async () => {
    await start();
    await mkdir(path);
    await look();
    await look();
    expect(warnings).toEqual([expect.stringContaining('EISDIR')]);
    await rm(path, { recursive: true });
    await write('4be2a9c1\n');
    await look();
    expect(contents).toEqual(['4be2a9c1']);
  });

  it('is not read when it is far too long', async () => {
    await start();
    await write('4be2a9c1\n'.repeat(10_000));
    await look();
    expect(contents).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('expected at most 65536 bytes, found 90000')]);
  });
});

describe('what a control file says of writes', () => {
  it.each([
    ['', undefined],
    ['4be2a9c1\n', undefined],
    ['writes off', 'off'],
    ['  Writes: off \n4be2a9c1', 'off'],
    ['writes on\nwrites off\n', 'off'],
    ['writes=on', 'on'],
    ['write off', 'off'],
    ['writes-off', '-off'],
    ['writes', ''],
    ['writesoff', undefined],
  ])('%j is %j', (text, state) => {
    expect(switchIn(text)).toBe(state);
  });
});
