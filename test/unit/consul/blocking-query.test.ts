import { describe, expect, it } from '@jest/globals';
import { followBlockingQuery, type BlockingQueryOptions } from '../../../src/consul/blocking-query.ts';
import type { ConsulAnswer } from '../../../src/consul/client.ts';
import { TokenChanged } from '../../../src/consul/errors.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { HeldBrake, NO_BRAKE } from '../brake.ts';
import { TestClock } from '../clock.ts';
import { recordingLog } from '../log.ts';
import { answer, Answers, type Said } from './answers.ts';

const PATH = '/catalog/services';
const waitingFor = (index: number) => `${PATH} index=${index} wait=30s`;

/** Follows what the test says, one answer after the other; once there is none left, Consul lets the question wait. */
function stage(says: Said[], overrides: Partial<BlockingQueryOptions> = {}) {
  const clock = new TestClock();
  const stop = new AbortController();
  const { log, records } = recordingLog();
  const metrics = createMetrics();
  const news: unknown[] = [];
  const failures: unknown[] = [];
  const pauses: boolean[] = [];
  /** What the times of answers say. */
  const seen: string[] = [];
  let answerLater: (said: ConsulAnswer) => void = () => undefined;
  const consul = new Answers(() => says.shift() ?? new Promise((resolve) => (answerLater = resolve)));
  const followed = followBlockingQuery({
    client: consul,
    request: { purpose: 'read service names', path: PATH },
    onAnswer: ({ body }: ConsulAnswer) => void news.push(body),
    onFailure: (error) => failures.push(error),
    onPause: (paused) => pauses.push(paused),
    timeLine: {
      early: (purpose) => seen.push(`early: ${purpose}`),
      failed: () => seen.push('failed'),
      answeredAgain: () => seen.push('answered again'),
    },
    perSecond: 1,
    brake: NO_BRAKE,
    random: () => 1,
    signal: stop.signal,
    ...{ log, metrics, clock },
    ...overrides,
  });
  return {
    answerLater: (said: ConsulAnswer) => answerLater(said),
    clock,
    consul,
    failures,
    followed,
    metrics,
    news,
    pauses,
    records,
    seen,
    stop,
  };
}

describe('a followed question', () => {
  it('is asked again at once with the same index when its token was replaced, which is no failure', async () => {
    const { clock, consul, failures, metrics, records, seen } = stage([
      answer('a'),
      new TokenChanged('read service names'),
    ]);
    await clock.advance(3000);
    expect(consul.asked).toEqual([PATH, waitingFor(7), waitingFor(7)]);
    expect([failures, records, seen]).toEqual([[], [], []]);
    expect(await metrics.watchFailures.get()).toMatchObject({ values: [] });
  });

  it('asks at once, then waits for the index of the last answer to move', async () => {
    const { clock, consul, news } = stage([answer('a', { index: 5 }), answer('b', { index: 6 })]);
    await clock.advance(0);
    expect(news).toEqual(['a', 'b']);
    expect(consul.asked).toEqual([PATH, waitingFor(5), waitingFor(6)]);
  });

  it('takes an index that did not move by the end of the wait for no news', async () => {
    const { answerLater, clock, consul, news, seen } = stage([answer('a', { index: 5 })]);
    await clock.advance(30_000);
    answerLater(answer('again', { index: 5 }));
    await clock.advance(0);
    expect(news).toEqual(['a']);
    expect(consul.asked).toEqual([PATH, waitingFor(5), waitingFor(5)]);
    expect(seen).toEqual([]);
  });

  it('takes an index that did not move long before that for a sign, and asks for everything', async () => {
    const { answerLater, clock, consul, news, seen } = stage([answer('a', { index: 5 })]);
    await clock.advance(9999);
    answerLater(answer('again', { index: 5 }));
    await clock.advance(0);
    expect(seen).toEqual(['early: read service names']);
    expect(consul.asked).toEqual([PATH, waitingFor(5), PATH]);
    answerLater(answer('b', { index: 5 }));
    await clock.advance(0);
    expect(news).toEqual(['a', 'b']);
  });

  it('says that it is answered again after a failure, once', async () => {
    const says = [answer('a', { index: 5 }), new Error('connection reset'), answer('a', { index: 5 })];
    const { clock, seen } = stage(says);
    await clock.advance(5000);
    expect(seen).toEqual(['failed', 'answered again']);
  });

  it('starts over after an index that went back, and then everything is news', async () => {
    const says = [answer('a', { index: 5 }), answer('b', { index: 3 }), answer('c', { index: 3 })];
    const { clock, consul, news } = stage(says);
    await clock.advance(0);
    expect(news).toEqual(['a', 'b', 'c']);
    expect(consul.asked).toEqual([PATH, waitingFor(5), PATH, waitingFor(3)]);
  });

  it('asks for what is newer than other reads have seen', async () => {
    let newest = 5;
    const says = [answer('a', { index: 6 })];
    const { clock, consul, news } = stage(says, {
      newestIndex: () => newest,
      onAnswer: ({ body }) => {
        news.push(body);
        newest = 8;
      },
    });
    await clock.advance(0);
    expect(consul.asked).toEqual([waitingFor(5), waitingFor(8)]);
    expect(news).toEqual(['a']);
  });

  it('asks again without an index only once in a second when Consul tells none', async () => {
    const says = Array.from({ length: 20 }, () => answer('a', { index: 0 }));
    const { clock, consul } = stage(says, { perSecond: 100 });
    await clock.advance(3500);
    expect(consul.asked).toEqual([PATH, PATH, PATH, PATH]);
  });

  it('ends with its signal', async () => {
    const { clock, consul, followed, stop } = stage([answer('a', { index: 0 })]);
    await clock.advance(0);
    stop.abort();
    await followed;
    expect(consul.asked).toEqual([PATH]);
  });

  it('ends with its signal while it asks, without a word', async () => {
    const { followed, records, stop } = stage([], {
      client: {
        get: () =>
          new Promise((_, reject) => stop.signal.addEventListener('abort', () => reject(new Error('cancelled')))),
      },
    });
    stop.abort();
    await followed;
    expect(records).toEqual([]);
  });
});

describe('a question that fails', () => {
  const outage = () => new Error('connection refused');

  it('is asked again after waits that grow, without an index, and says when answers come again', async () => {
    const says = [answer('a', { index: 5 }), outage(), outage(), answer('b', { index: 6 })];
    const { clock, consul, failures, metrics, news, pauses, records } = stage(says);
    await clock.advance(400);
    expect(consul.asked).toEqual([PATH, waitingFor(5), PATH]);
    await clock.advance(800);
    expect(consul.asked).toEqual([PATH, waitingFor(5), PATH, PATH, waitingFor(6)]);
    expect(news).toEqual(['a', 'b']);
    expect(failures).toEqual([outage(), outage(), undefined]);
    expect(pauses).toEqual([true, false, true, false]);
    expect(records).toEqual(Array(2).fill('warn blocking query failed, will ask again'));
    expect((await metrics.watchFailures.get()).values).toMatchObject([{ labels: { source: 'consul' }, value: 2 }]);
  });

  it('waits for 30 seconds at most', async () => {
    const { clock } = stage(Array.from({ length: 20 }, outage), { perSecond: 100 });
    await clock.advance(600_000);
    expect(clock.waits.slice(0, 8)).toEqual([400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000]);
    expect(Math.max(...clock.waits)).toBe(30_000);
  });

  it('waits at the brake too, and does not count once it is answered', async () => {
    const brake = new HeldBrake();
    const { clock, consul, pauses } = stage([outage(), answer('a', { index: 5 })], { brake });
    await clock.advance(10_000);
    expect([consul.asked, pauses]).toEqual([[PATH], [true]]);
    brake.line.shift()?.();
    await clock.advance(0);
    expect([consul.asked, pauses, brake.givenBack]).toEqual([[PATH, PATH, waitingFor(5)], [true, false], [1]]);
  });

  it('does not have to be told to anybody', async () => {
    const says = [outage(), answer('a', { index: 5 })];
    const { clock, news } = stage(says, { onFailure: undefined, onPause: undefined } as never);
    await clock.advance(400);
    expect(news).toEqual(['a']);
  });

  it('has failed too when its answer is not believed: the same question is asked again', async () => {
    const says = [answer('a', { index: 5 }), answer('bad', { index: 6 }), answer('b', { index: 6 })];
    const news: unknown[] = [];
    const { clock, consul } = stage(says, {
      onAnswer: ({ body }) => {
        if (body === 'bad') throw new Error('not believed');
        news.push(body);
      },
    });
    await clock.advance(400);
    expect(news).toEqual(['a', 'b']);
    expect(consul.asked).toEqual([PATH, waitingFor(5), PATH, waitingFor(6)]);
  });
});

describe('a question that rests by what its answers cost', () => {
  it('measures that by the answers that did not wait for a change, of which there is one in twenty', async () => {
    const costs: number[] = [];
    let tookMs = 40;
    let index = 5;
    const clock = new TestClock();
    const consul = new Answers((question) => {
      const ms = question.includes('index=') ? 9000 : tookMs;
      const said = answer({}, { index: index++ });
      return new Promise((resolve) => clock.after(ms, () => resolve(said)));
    });
    const restMs = (_: ConsulAnswer, costMs: number) => {
      costs.push(costMs);
      return 0;
    };
    const { stop } = stage([], { client: consul, clock, restMs });
    await clock.advance(2000);
    tookMs = 70;
    await clock.advance(200_000);
    // One that took long does not count before another did.
    expect(costs.slice(0, 24)).toEqual([0, ...Array.from({ length: 22 }, () => 40), 70]);
    expect(consul.asked.filter((question) => question === PATH)).toHaveLength(4);
    stop.abort();
  });
});

describe('answers without end', () => {
  const churn = (count: number) => Array.from({ length: count }, (_, i) => answer(i, { index: i + 1 }));

  it('are asked for at the pace that is given, after a burst', async () => {
    const { clock, consul } = stage(churn(100), { perSecond: 2 });
    await clock.advance(0);
    expect(consul.asked).toHaveLength(10);
    await clock.advance(5000);
    expect(consul.asked).toHaveLength(20);
  });

  it('that are no news pause the question more than others do', async () => {
    const { clock, consul, pauses } = stage(churn(100), {
      ...{ perSecond: 5, futilePerSecond: 1 / 30 },
      onAnswer: () => false,
    });
    await clock.advance(0);
    expect(consul.asked).toHaveLength(10);
    expect(pauses).toEqual([]);
    await clock.advance(60_000);
    expect(consul.asked).toHaveLength(13);
    expect(pauses).toEqual([true, false, true, false, true]);
  });
});
