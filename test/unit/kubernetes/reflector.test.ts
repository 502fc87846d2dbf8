import { afterEach, describe, expect, it } from '@jest/globals';
import { PassThrough } from 'node:stream';
import type { KubernetesRequest } from '../../../src/kubernetes/client.ts';
import { Reflector } from '../../../src/kubernetes/reflector.ts';
import { createResources } from '../../../src/kubernetes/resources.ts';
import type { Node } from '../../../src/kubernetes/objects.ts';
import type { View } from '../../../src/kubernetes/view.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { settled, TestClock } from '../clock.ts';
import { TestLog } from '../log.ts';
import { refusal } from './requester.ts';

const { nodes } = createResources({ annotation: () => true, variable: () => true });
const JSON_TYPE = 'application/json';
const REFUSED = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

/** A question of the reflector's, which the test answers; a watch is written to for as long as the test likes. */
interface Asked {
  /** `look`, `list and watch`, or `watch from N`. */
  readonly what: string;
  fail(error: Error): void;
  /** A look finds that version. */
  find(resourceVersion: string): void;
  open(): Watching;
}

interface Watching {
  add(name: string, resourceVersion: string): void;
  remove(name: string, resourceVersion: string): void;
  complete(resourceVersion: string): void;
  end(): void;
  break(): void;
}

function watchOf(body: PassThrough): Watching {
  const send = (type: string, metadata: object) =>
    void body.write(`${JSON.stringify({ type, object: { kind: 'Node', metadata } })}\n`);
  const event = (type: string) => (name: string, resourceVersion: string) =>
    send(type, { name, uid: `uid-of-${name}`, resourceVersion });
  return {
    add: event('ADDED'),
    remove: event('DELETED'),
    complete: (resourceVersion) =>
      send('BOOKMARK', { resourceVersion, annotations: { 'k8s.io/initial-events-end': 'true' } }),
    end: () => void body.end(),
    break: () => void body.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' })),
  };
}

/** The API server of one kind, as the test wants it. */
function stage() {
  const clock = new TestClock();
  const log = new TestLog();
  const metrics = createMetrics();
  const stop = new AbortController();
  stops.push(stop);
  const questions: Asked[] = [];
  const cluster = { error: undefined as Error | undefined };
  let returns = 0;
  const ask = <A>(what: string, answer: (given: { version?: string; body?: PassThrough }) => A) =>
    new Promise<A>((resolve, reject) => {
      questions.push({
        what,
        fail: reject,
        find: (version) => resolve(answer({ version })),
        open: () => {
          const body = new PassThrough();
          resolve(answer({ body }));
          return watchOf(body);
        },
      });
    });
  const describeWatch = ({ query = {} }: KubernetesRequest) =>
    query.sendInitialEvents ? 'list and watch' : `watch from ${query.resourceVersion ?? ''}`;
  const reflector = new Reflector<Node>({
    client: {
      read: ({ query = {} }) =>
        ask(query.limit === '1' ? 'look' : 'page', ({ version = '' }) => ({
          contentType: JSON_TYPE,
          body: Buffer.from(JSON.stringify({ metadata: { resourceVersion: version }, items: [] })),
        })),
      stream: (request) =>
        ask(describeWatch(request), ({ body = new PassThrough() }) => ({ contentType: JSON_TYPE, body })),
    },
    resource: nodes,
    checkCluster: () => (cluster.error ? Promise.reject(cluster.error) : Promise.resolve()),
    onReturn: () => returns++,
    ...{ log, metrics, signal: stop.signal, clock, random: () => 1 },
  });
  /** The next question, as soon as it is asked. */
  const next = async (): Promise<Asked> => {
    for (let turn = 0; turn < 100; turn++) {
      const question = questions.shift();
      if (question) return question;
      await settled();
    }
    throw new Error('wait for a question: expected one, found none');
  };
  /** Nothing is asked, at this time. */
  const expectQuiet = async () => {
    for (let turn = 0; turn < 5; turn++) await settled();
    expect(questions.map(({ what }) => what)).toEqual([]);
  };
  const count = async () =>
    (await metrics.timeWentBack.get()).values.map(({ labels, value }) => ({ ...labels, value }));
  return { clock, cluster, count, expectQuiet, returns: () => returns, log, next, reflector, stop };
}

type Stage = ReturnType<typeof stage>;

async function expectAsked(whole: Stage, what: string): Promise<Asked> {
  const question = await whole.next();
  expect(question.what).toBe(what);
  return question;
}

/** With the node a, at version 100, and a watch that goes on. */
async function following(): Promise<Stage & { watch: Watching; view: View<Node> }> {
  const whole = stage();
  const watch = (await expectAsked(whole, 'list and watch')).open();
  watch.add('a', '90');
  watch.complete('100');
  return { ...whole, watch, view: await whole.reflector.synced };
}

const shown = (view: View<Node>) => [...view.values()].map(({ name, resourceVersion }) => `${name}@${resourceVersion}`);

describe('a watch that ended', () => {
  it.each<[string, (watch: Watching) => void]>([
    ['as it should', (watch) => watch.end()],
    ['in a failure', (watch) => watch.break()],
  ])('%s is resumed where it was, after a look whether that is still ahead of us', async (_, end) => {
    const whole = await following();
    whole.watch.add('b', '120');
    await settled();
    await whole.clock.advance(5000);
    end(whole.watch);
    await settled();
    await whole.clock.advance(800);
    (await expectAsked(whole, 'look')).find('120');
    const watch = (await expectAsked(whole, 'watch from 120')).open();
    watch.add('c', '130');
    await settled();
    await settled();
    expect(shown(whole.view)).toEqual(['a@90', 'b@120', 'c@130']);
    expect(whole.reflector.failure).toBeUndefined();
    expect(await whole.count()).toEqual([]);
  });

  it('is not taken for one that runs while the look has no answer', async () => {
    const whole = await following();
    whole.watch.break();
    await settled();
    await whole.clock.advance(800);
    await expectAsked(whole, 'look');
    expect(whole.reflector.failure).toBe('watch Node: reset');
  });
});

describe('a watch that is to be begun anew', () => {
  it('is, at once and where it was, and what it tells first is taken in', async () => {
    const whole = await following();
    whole.watch.add('b', '120');
    await settled();
    await settled();
    const state = { isResumed: false };
    const resumed = whole.reflector.resume().then(() => (state.isResumed = true));
    (await expectAsked(whole, 'look')).find('140');
    const watch = (await expectAsked(whole, 'watch from 120')).open();
    for (const version of ['130', '131']) {
      watch.add(`c-${version}`, version);
      await settled();
      await whole.clock.advance(40);
      expect(state.isResumed).toBe(false);
    }
    await whole.clock.advance(50);
    await whole.clock.advance(50);
    await resumed;
    expect(shown(whole.view)).toEqual(['a@90', 'b@120', 'c-130@130', 'c-131@131']);
    // What the first one still has to say is no news.
    whole.watch.add('late', '125');
    await settled();
    expect(whole.view.get('late')).toBeUndefined();
    expect([whole.log.of('warn'), whole.reflector.failure]).toEqual([[], undefined]);
  });

  it('is waited for where it fails first', async () => {
    const whole = await following();
    const resumed = whole.reflector.resume();
    (await expectAsked(whole, 'look')).fail(REFUSED);
    await settled();
    await whole.clock.advance(5000);
    const watch = (await expectAsked(whole, 'list and watch')).open();
    watch.add('a', '90');
    watch.complete('140');
    for (let turn = 0; turn < 4; turn++) await settled();
    await whole.clock.advance(100);
    await resumed;
    expect(shown(whole.view)).toEqual(['a@90']);
  });
});

describe('an API server that went back in time', () => {
  /** The watch was broken, and the look finds a lower version than ours. */
  async function back() {
    const whole = await following();
    whole.watch.add('b', '150');
    whole.watch.remove('a', '160');
    await settled();
    await settled();
    expect(shown(whole.view)).toEqual(['b@150']);
    whole.watch.break();
    await settled();
    await whole.clock.advance(800);
    (await expectAsked(whole, 'look')).find('95');
    return whole;
  }

  it('is counted and told, and everything is read again', async () => {
    const whole = await back();
    const question = await expectAsked(whole, 'list and watch');
    expect(whole.reflector.failure).toBe(
      'Kubernetes went back in time, from version 160 to 95: everything is read again',
    );
    const watch = question.open();
    watch.add('a', '90');
    watch.complete('96');
    watch.add('c', '97');
    for (let turn = 0; turn < 4; turn++) await settled();
    expect(shown(whole.view)).toEqual(['a@90', 'c@97']);
    expect(whole.view.sawDeletion('uid-of-a')).toBe(false);
    expect([whole.reflector.failure, whole.returns()]).toEqual([undefined, 0]);
    expect(await whole.count()).toEqual([{ source: 'kubernetes', sign: 'lower-revision', value: 1 }]);
    expect(whole.log.of('warn')).toEqual([
      'watch failed, will resume',
      'Kubernetes went back in time, reading everything again',
    ]);
  });

  it('keeps what was known until everything is read', async () => {
    const whole = await back();
    const watch = (await expectAsked(whole, 'list and watch')).open();
    watch.add('a', '90');
    await settled();
    expect(shown(whole.view)).toEqual(['b@150']);
    watch.break();
    await settled();
    await whole.clock.advance(2000);
    // There is no version to look for.
    await expectAsked(whole, 'list and watch');
    expect(shown(whole.view)).toEqual(['b@150']);
  });

  it('is noticed at a list after 410 as well', async () => {
    const whole = await following();
    whole.watch.end();
    await settled();
    await whole.clock.advance(800);
    (await expectAsked(whole, 'look')).find('100');
    (await expectAsked(whole, 'watch from 100')).fail(refusal(410));
    (await expectAsked(whole, 'list and watch')).open().complete('40');
    for (let turn = 0; turn < 4; turn++) await settled();
    expect([shown(whole.view), await whole.count()]).toEqual([
      [],
      [{ source: 'kubernetes', sign: 'lower-revision', value: 1 }],
    ]);
  });
});

describe('an answer of another cluster', () => {
  const OTHER = new Error('another cluster');

  it('to a watch that is resumed is not looked into', async () => {
    const whole = await following();
    whole.watch.break();
    await settled();
    await whole.clock.advance(800);
    (await expectAsked(whole, 'look')).find('100');
    const question = await expectAsked(whole, 'watch from 100');
    whole.cluster.error = OTHER;
    question.open().add('theirs', '101');
    for (let turn = 0; turn < 4; turn++) await settled();
    expect(shown(whole.view)).toEqual(['a@90']);
    expect(whole.reflector.failure).toBe('watch Node: another cluster');
  });

  it('to a look is no sign that time went back', async () => {
    const whole = await following();
    whole.cluster.error = OTHER;
    whole.watch.break();
    await settled();
    await whole.clock.advance(800);
    (await expectAsked(whole, 'look')).find('5');
    for (let turn = 0; turn < 4; turn++) await settled();
    expect([await whole.count(), whole.reflector.failure]).toEqual([[], 'another cluster']);
  });

  it('to a list is not looked into', async () => {
    const whole = stage();
    whole.cluster.error = OTHER;
    const watch = (await expectAsked(whole, 'list and watch')).open();
    watch.add('theirs', '1');
    watch.complete('2');
    for (let turn = 0; turn < 4; turn++) await settled();
    expect(whole.reflector.failure).toBe('watch Node: another cluster');
    whole.cluster.error = undefined;
    await whole.clock.advance(800);
    (await expectAsked(whole, 'list and watch')).open().complete('100');
    expect([...(await whole.reflector.synced).values()]).toEqual([]);
  });
});

describe('an outage of the API server', () => {
  /** Refused so many times, at the longest waits; the API server is asked once more then. */
  async function refused(times: number): Promise<Stage & { view: View<Node> }> {
    const whole = await following();
    whole.watch.break();
    await settled();
    await whole.clock.advance(800);
    (await expectAsked(whole, 'look')).fail(REFUSED);
    for (let i = 1; i < times; i++) {
      await settled();
      await whole.clock.advance(5000);
      (await expectAsked(whole, 'list and watch')).fail(REFUSED);
    }
    await settled();
    return whole;
  }

  it('that was long is over 5 s after the API server is back, at the latest', async () => {
    const whole = await refused(12);
    expect(whole.clock.due).toEqual([5000]);
    await whole.clock.advance(5000);
    (await expectAsked(whole, 'list and watch')).open().complete('101');
    for (let turn = 0; turn < 4; turn++) await settled();
    expect([shown(whole.view), whole.reflector.failure, whole.returns()]).toEqual([[], undefined, 1]);
    expect(await whole.count()).toEqual([]);
  });

  it('is followed by a complete list: time may have gone back, and be past our version again', async () => {
    const whole = await refused(2);
    await whole.clock.advance(5000);
    const watch = (await expectAsked(whole, 'list and watch')).open();
    watch.add('a', '80');
    watch.complete('500');
    for (let turn = 0; turn < 4; turn++) await settled();
    expect(shown(whole.view)).toEqual(['a@80']);
  });

  it('after which a watch is refused its version is over at once', async () => {
    const whole = await refused(12);
    await whole.clock.advance(5000);
    const watch = (await expectAsked(whole, 'list and watch')).open();
    watch.complete('101');
    await settled();
    await whole.clock.advance(1000);
    watch.break();
    await settled();
    await whole.clock.advance(800);
    (await expectAsked(whole, 'look')).find('102');
    (await expectAsked(whole, 'watch from 101')).fail(refusal(410));
    await expectAsked(whole, 'list and watch');
  });

  it('and refusals of a server that starts are followed by short waits', async () => {
    const whole = await refused(12);
    await whole.clock.advance(5000);
    for (const [status, wait] of [
      [500, 800],
      [403, 800],
      [403, 1600],
    ] as const) {
      (await expectAsked(whole, 'list and watch')).fail(refusal(status));
      await settled();
      expect(whole.clock.due).toEqual([wait]);
      await whole.clock.advance(wait);
    }
  });

  it('is forgotten after a watch that lasted', async () => {
    const whole = await refused(3);
    await whole.clock.advance(5000);
    const watch = (await expectAsked(whole, 'list and watch')).open();
    watch.complete('100');
    for (let turn = 0; turn < 4; turn++) await settled();
    await whole.clock.advance(1000);
    watch.break();
    await settled();
    expect(whole.clock.due).toEqual([800]);
  });
});

describe('a server that is broken is not asked in a loop', () => {
  it('when it says 410 again and again', async () => {
    const whole = await following();
    whole.watch.end();
    const afterWait = async (what: string) => {
      for (let turn = 0; turn < 4; turn++) await settled();
      await whole.clock.advance(whole.clock.due[0] ?? 0);
      return expectAsked(whole, what);
    };
    for (let i = 0; i < 4; i++) {
      (await afterWait('look')).find('100');
      (await expectAsked(whole, 'watch from 100')).fail(refusal(410));
      const watch = (await afterWait('list and watch')).open();
      watch.complete('100');
      await settled();
      watch.end();
    }
    await whole.expectQuiet();
    // Ends at once, and 410s but for the first.
    expect(whole.clock.waits).toEqual([800, 1600, 800, 3200, 1600, 6400, 3200, 12_800]);
  });

  it('when its watches end at once', async () => {
    const whole = await following();
    whole.watch.end();
    await settled();
    for (const wait of [800, 1600, 3200, 6400]) {
      await whole.expectQuiet();
      expect(whole.clock.due).toEqual([wait]);
      await whole.clock.advance(wait);
      (await expectAsked(whole, 'look')).find('100');
      (await expectAsked(whole, 'watch from 100')).open().end();
      await settled();
    }
  });
});

describe('a reflector that is stopped', () => {
  it('asks nothing more, and tells no failure', async () => {
    const whole = await following();
    whole.stop.abort();
    whole.watch.break();
    await whole.expectQuiet();
    expect(whole.log.of('warn')).toEqual([]);
  });
});
