import { beforeEach, describe, expect, it } from '@jest/globals';
import { ConsulError } from '../../../src/consul/errors.ts';
import type { Log } from '../../../src/observability/log.ts';
import { sparingLog } from '../../../src/observability/sparing-log.ts';
import { TestClock } from '../clock.ts';
import { TestLog } from '../log.ts';

let clock: TestClock;
let stop: AbortController;
let written: TestLog;
let log: Log;

beforeEach(() => {
  clock = new TestClock();
  stop = new AbortController();
  written = new TestLog();
  log = sparingLog(written, clock, stop.signal);
});

const error = (name: string, status = 500) => new ConsulError(`read service ${name}`, status, 'no leader');
const fail = (...names: string[]) => {
  for (const name of names) log.warn('failed', { key: name, error: error(name) });
};
/** What was written above `debug` since the last time: of whom, and how many more there were. */
const since = () =>
  written.records
    .splice(0)
    .filter(({ level }) => level !== 'debug')
    .map(({ level, message, fields }) => [level, message, fields.key, fields.more].join(' '));

describe('many failures for one reason', () => {
  it('are the first, and after half a minute the last of the others with their number', async () => {
    fail('a', 'b', 'c', 'd');
    expect(since()).toEqual(['warn failed a ']);
    await clock.advance(29_999);
    expect(since()).toEqual([]);
    await clock.advance(1);
    expect(since()).toEqual(['warn failed d 3']);
  });

  it('go on with a record every half minute, and the first after a pause is written at once', async () => {
    fail('a', 'b');
    await clock.advance(30_000);
    fail('c');
    await clock.advance(30_000);
    expect(since()).toEqual(['warn failed a ', 'warn failed b 1', 'warn failed c 1']);
    await clock.advance(30_000);
    fail('d');
    expect(since()).toEqual(['warn failed d ']);
  });

  it('are written for debugging, each', () => {
    fail('a', 'b', 'c');
    expect(written.of('debug')).toEqual(['failed', 'failed']);
  });

  it('are told of when the process ends, and nothing is waited for', async () => {
    fail('a', 'b', 'c');
    stop.abort();
    await clock.advance(0);
    expect(since()).toEqual(['warn failed a ', 'warn failed c 2']);
    expect(clock.timers).toBe(0);
  });
});

describe('a record that repeats nothing is written', () => {
  it.each<[string, () => void]>([
    ['another message', () => log.warn('failed elsewhere', { key: 'b', error: error('b') })],
    ['another level', () => log.error('failed', { key: 'b', error: error('b') })],
    ['another direction', () => log.warn('failed', { key: 'b', direction: 'to-consul', error: error('b') })],
    ['another source', () => log.warn('failed', { key: 'b', source: 'nodes', error: error('b') })],
    ['another status', () => log.warn('failed', { key: 'b', error: error('b', 403) })],
    ['another cause', () => log.warn('failed', { key: 'b', error: new Error('x', { cause: error('b') }) })],
    ['no error', () => log.warn('failed', { key: 'b' })],
  ])('%s', (_, write) => {
    fail('a');
    write();
    expect(since()).toHaveLength(2);
  });

  it('such as what is wrong with each of many objects', () => {
    for (const key of ['a', 'b', 'c']) log.warn('rejected', { key });
    expect(since()).toEqual(['warn rejected a ', 'warn rejected b ', 'warn rejected c ']);
  });
});

it('what was done to each of many objects is one record too', async () => {
  for (const key of ['a', 'b', 'c']) log.info('deregistering', { key });
  await clock.advance(30_000);
  expect(since()).toEqual(['info deregistering a ', 'info deregistering c 2']);
});

it('what is for debugging only passes as it is', () => {
  log.debug('asked', { key: 'a' });
  log.debug('asked', { key: 'b' });
  expect(written.of('debug')).toEqual(['asked', 'asked']);
});
