import { afterEach, describe, expect, it } from '@jest/globals';
import type { ConsulAnswer } from '../../../src/consul/client.ts';
import { ConsulError } from '../../../src/consul/errors.ts';
import { FollowedServices } from '../../../src/consul/followed-services.ts';
import type { Known } from '../../../src/consul/known-services.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { NO_BRAKE } from '../brake.ts';
import { settled, TestClock } from '../clock.ts';
import { recordingLog } from '../log.ts';
import { answer } from './answers.ts';

const TOO_MANY = new ConsulError('read service', 429, 'Your IP is issuing too many concurrent connections');
const WARNING = 'warn Consul allows no more connections, following fewer services for a while';

interface Poll {
  readonly answer: (answer: ConsulAnswer) => void;
  readonly fail: (error: Error) => void;
}

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

/** Services of which each long poll waits until the test answers it, or lets it fail. */
function stage(count: number) {
  const clock = new TestClock();
  const stop = new AbortController();
  stops.push(stop);
  const { log, records } = recordingLog();
  const polls = new Map<string, Poll>();
  const lost: string[] = [];
  const followed = new FollowedServices({
    client: {
      get: ({ params, signal }) =>
        new Promise((resolve, reject) => {
          const name = params?.name ?? '';
          polls.set(name, { answer: resolve, fail: reject });
          signal?.addEventListener('abort', () => polls.delete(name));
        }),
    },
    timeLine: { early: () => undefined, failed: () => undefined, answeredAgain: () => undefined },
    onLost: ({ spelling }) => lost.push(spelling),
    brake: NO_BRAKE,
    random: () => 1,
    signal: stop.signal,
    ...{ log, clock, metrics: createMetrics() },
  });
  const services = Array.from({ length: count }, (_, i): Known => ({
    ...{ spelling: `service-${i}`, index: 5, listed: true, candidate: true, isComplete: true },
  }));
  for (const known of services) followed.follow(known, () => true);
  const fail = async (name: string, error: Error) => {
    polls.get(name)?.fail(error);
    await settled();
  };
  const names = () => [...polls.keys()];
  const range = (from: number, to: number) => services.slice(from, to).map(({ spelling }) => spelling);
  return { clock, fail, followed, lost, names, polls, range, records, services, stop };
}

describe('services to follow', () => {
  it('are followed one after the other, the first come first, and 40 at most', async () => {
    const { clock, names, range } = stage(50);
    await clock.advance(0);
    expect(names()).toEqual(range(0, 1));
    await clock.advance(1000);
    expect(names()).toEqual(range(0, 9));
    await clock.advance(60_000);
    expect(names()).toEqual(range(0, 40));
    expect(clock.timers).toBe(0);
  });

  it('get the place that becomes free, in their order', async () => {
    const { clock, followed, names, range, services } = stage(45);
    await clock.advance(5000);
    for (const known of [...services.slice(0, 2), ...services.slice(40, 41)]) followed.unfollow(known);
    await clock.advance(5000);
    expect(names()).toEqual(range(2, 40).concat(range(41, 43)));
  });

  it('are not those that Consul does not list', async () => {
    const { clock, followed, names } = stage(0);
    followed.follow({ spelling: 'gone', index: 5, listed: false, candidate: false, isComplete: true }, () => true);
    await clock.advance(1000);
    expect(names()).toEqual([]);
  });

  it('wait for nothing any more when the process ends', async () => {
    const { clock, names, range, stop } = stage(10);
    await clock.advance(250);
    stop.abort();
    await clock.advance(10_000);
    expect([names(), clock.timers]).toEqual([[], 0]);
    expect(range(0, 3)).toHaveLength(3);
  });
});

describe('a long poll that fails', () => {
  it('gives its place to the next, is read instead, and is no matter for a warning', async () => {
    const { clock, fail, lost, names, range, records } = stage(41);
    await clock.advance(5000);
    await fail('service-7', new Error('reset'));
    expect(lost).toEqual(['service-7']);
    await clock.advance(400);
    expect(names()).toEqual([...range(0, 7), ...range(8, 41)]);
    expect(records).toEqual(['debug blocking query failed, will ask again']);
  });

  it('makes the line wait, longer with each failure, until one of them is answered', async () => {
    const { clock, fail, names, polls } = stage(3);
    await clock.advance(0);
    await fail('service-0', new Error('reset'));
    await clock.advance(399);
    expect(names()).toEqual([]);
    await clock.advance(1);
    expect(polls.has('service-1')).toBe(true);
    await fail('service-1', new Error('reset'));
    await clock.advance(799);
    expect(polls.has('service-2')).toBe(false);
    await clock.advance(1);
    expect(polls.has('service-2')).toBe(true);
    polls.get('service-2')?.answer(answer([], { index: 6 }));
    await settled();
    await fail('service-2', new Error('reset'));
    await clock.advance(400);
    expect(polls.has('service-0')).toBe(true);
  });
});

describe('a Consul that allows no more connections', () => {
  it('is asked for half as many, the first of them, and what they lost is read', async () => {
    const { clock, fail, lost, names, range, records } = stage(21);
    await clock.advance(5000);
    await fail('service-20', TOO_MANY);
    expect(names()).toEqual(range(0, 10));
    expect(lost).toEqual([...range(20, 21), ...range(10, 20)]);
    expect(records.filter((record) => record.startsWith('warn'))).toEqual([WARNING]);
  });

  it('is asked for more after a rest, slowly, until all are back', async () => {
    const { clock, fail, followed, names, services } = stage(8);
    await clock.advance(5000);
    await fail('service-7', TOO_MANY);
    await clock.advance(34_999);
    expect(names()).toHaveLength(3);
    await clock.advance(1);
    expect(names()).toHaveLength(4);
    await clock.advance(20_000);
    expect(names()).toHaveLength(6);
    await clock.advance(20_000);
    expect(names()).toHaveLength(8);
    followed.unfollow(services[0]!);
    followed.follow(services[0]!, () => true);
    await clock.advance(10_000);
    followed.unfollow(services[1]!);
    followed.follow(services[1]!, () => true);
    await clock.advance(125);
    expect(names()).toHaveLength(8);
  });

  it('that says so to somebody else has as many ended', async () => {
    const { clock, followed, names, range } = stage(8);
    await clock.advance(5000);
    followed.refused();
    followed.refused();
    followed.refused();
    expect(names()).toEqual(range(0, 1));
  });
});
