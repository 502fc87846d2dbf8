import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FollowedConfig } from '../../../../src/commands/run/config-file.ts';
import { LiveConfig } from '../../../../src/config/live.ts';
import { parseConfig } from '../../../../src/config/load.ts';
import { settled, TestClock } from '../../clock.ts';
import { recordingLog } from '../../log.ts';

describe('the configuration file of a daemon that runs', () => {
  const start = 'cluster: prod\ntoConsul: {namespaces: {include: [shop]}}\n';
  const parse = (text: string) => parseConfig(text, {});
  let folder: string;
  let path: string;
  let live: LiveConfig;
  let clock: TestClock;
  let end: AbortController;
  let followed: FollowedConfig;
  let changed: string[];
  let times = 0;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'consular-config-'));
    path = join(folder, 'consular.yaml');
    live = new LiveConfig(parse(start));
    clock = new TestClock();
    end = new AbortController();
    changed = [];
    await write(start);
    followed = new FollowedConfig({
      ...{ file: { path, live, parse }, log: recordingLog().log, clock, signal: end.signal },
      onChanged: (settings) => changed.push(...settings),
      onTold: () => undefined,
    });
    await untilLooked();
  });
  afterEach(async () => {
    end.abort();
    await rm(folder, { recursive: true });
  });

  /** Files take the time that they take: a look has ended when the next one is waited for. */
  async function untilLooked(): Promise<void> {
    while (clock.timers === 0) await settled();
  }

  async function lookTwice(): Promise<void> {
    await look();
    await look();
  }

  async function look(): Promise<void> {
    await clock.advance(500);
    await untilLooked();
  }

  /** With a time of its own: two writes within one tick of the file system would be one. */
  async function write(text: string): Promise<void> {
    await writeFile(path, text);
    times++;
    await utimes(path, times, times);
  }

  it("is refused as a whole when it is another cluster's, until it is as before", async () => {
    await write('cluster: test\nlog: {level: debug}\ntoConsul: {namespaces: {include: [other]}}\n');
    await lookTwice();
    expect(live.config.toConsul.namespaces.include).toEqual(['shop']);
    expect(live.config.log.level).toBe('info');
    expect(followed.troubles).toEqual([
      {
        reason: 'ConfigurationRefused',
        message:
          `${path} is refused, and the settings of before go on: another cluster's file, or one that needs a restart: ` +
          'cluster: expected "prod" as at the start, found "test"',
      },
    ]);
    expect(changed).toEqual([]);
    await write(start);
    await lookTwice();
    expect(followed.status).toEqual({ file: path, refused: null, needRestart: [] });
  });

  it.each([
    ['another mistake', `${start}writes: off\ntoConsul2: 1\n`],
    ['what is no YAML', `${start}writes: off # stop\nlog: [\n`],
    ['itself twice', `${start}writes: off\nwrites: on\n`],
    ["another cluster's name", 'cluster: test\nwrites: false\n'],
    ['a slip in its value', `${start}writes: of\n`],
  ])('switches writes off also beside %s, and on only when it is valid', async (_, text) => {
    await write(text);
    await lookTwice();
    expect([live.config.writes, changed]).toEqual(['off', ['writes']]);
    expect(followed.status.refused).not.toBeNull();
    await write('cluster: test\nwrites: on\n');
    await lookTwice();
    expect(live.config.writes).toBe('off');
    await write(`${start}writes: on\n`);
    await lookTwice();
    expect([live.config.writes, changed]).toEqual(['on', ['writes', 'writes']]);
  });

  it.each([
    ['nothing', 'toConsul2: 1\n'],
    ['no state', 'writes:\ntoConsul2: 1\n'],
    ['a service of that name', 'writes_: off\nx: {writes: off}\n'],
  ])('leaves writes on when it is refused and says %s of them', async (_, text) => {
    await write(start + text);
    await lookTwice();
    expect(followed.status.refused).not.toBeNull();
    expect([live.config.writes, changed]).toEqual(['on', []]);
  });

  it('is refused no more when it was away and comes back as it was', async () => {
    await rename(path, `${path}.away`);
    await lookTwice();
    expect(followed.status.refused).toContain('expected a file, found none');
    await rename(`${path}.away`, path);
    await lookTwice();
    expect(followed.status.refused).toBeNull();
  });

  it('counts when it is the same at two looks: an empty one may be half written', async () => {
    await write('');
    await look();
    await write(start);
    await lookTwice();
    expect(followed.status.refused).toBeNull();
    expect(changed).toEqual([]);
  });
});
