import { afterEach, describe, expect, it } from '@jest/globals';
import { OptionalKind, type OptionalKindOptions } from '../../../src/kubernetes/optional-kind.ts';
import { workloadEntryKind } from '../../../src/kubernetes/resources.ts';
import type { WorkloadEntry } from '../../../src/kubernetes/objects.ts';
import { WatchedView } from '../../../src/kubernetes/view.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { TestClock } from '../clock.ts';
import { recordingLog } from '../log.ts';
import { refusal, Requester } from './requester.ts';

const kind = workloadEntryKind({ annotation: () => true, variable: () => true });
const ABSENT = 'the API server has no workloadentries.networking.istio.io';
const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

/** The API server as the test wants it: the versions that have the kind, whether we have the rights, and its failure. */
function stage(overrides: Partial<OptionalKindOptions<WorkloadEntry>> = {}) {
  const world = {
    versions: ['v1'],
    allowed: true,
    /** The namespace where we have no rights. */
    denied: '',
    error: undefined as Error | undefined,
    isReadable: true,
    watchFailure: undefined as string | undefined,
  };
  const clock = new TestClock();
  const stop = new AbortController();
  stops.push(stop);
  const { log, records } = recordingLog();
  const client = new Requester(({ path, method, body }) => {
    if (world.error) return world.error;
    const isDenied = JSON.stringify(body ?? '').includes(`"namespace":"${world.denied}"`);
    if (method === 'POST') return { status: { allowed: world.allowed && !isDenied } };
    if (world.versions.length === 0) return refusal(404);
    return path.endsWith('networking.istio.io')
      ? { versions: world.versions.map((version) => ({ version })) }
      : { resources: [{ name: 'workloadentries' }] };
  });
  const following = new Map<string, AbortSignal>();
  const optional = new OptionalKind<WorkloadEntry>({
    ...{ client, kind, namespaces: ['a', 'b'], log, clock },
    follow: ({ apiVersion }, namespace, signal) => {
      following.set(`${apiVersion} ${namespace}`, signal);
      return {
        synced: world.isReadable
          ? Promise.resolve(new WatchedView<WorkloadEntry>(new Map()))
          : new Promise(() => undefined),
        get failure() {
          return world.watchFailure;
        },
      };
    },
    prepare: () => Promise.resolve(),
    metrics: createMetrics(),
    signal: stop.signal,
    random: () => 1,
    ...overrides,
  });
  let changes = 0;
  optional.subscribe(() => changes++);
  const followed = () => [...following].filter(([, signal]) => !signal.aborted).map(([name]) => name);
  const reviews = () => client.sent.filter(({ method }) => method === 'POST').length;
  return { changes: () => changes, client, clock, followed, optional, records, reviews, stop, world };
}

type Stage = ReturnType<typeof stage>;

/** With the kind found. */
async function found(): Promise<Stage> {
  const whole = stage();
  await whole.clock.advance(0);
  expect(whole.optional.found?.resource.apiVersion).toBe('networking.istio.io/v1');
  return whole;
}

const state = ({ optional: { found, absence, isServed, failure } }: Stage) => ({
  found: found?.resource.apiVersion,
  absence,
  isServed,
  failure,
});
const FOUND = { found: 'networking.istio.io/v1', absence: '', isServed: true, failure: undefined };

describe('a look', () => {
  it('finds a kind that is there, once all its objects were read', async () => {
    const whole = stage();
    expect(state(whole)).toEqual({ found: undefined, absence: '', isServed: false, failure: 'not read yet' });
    await whole.clock.advance(0);
    await whole.optional.settled;
    expect(state(whole)).toEqual(FOUND);
    expect([...(whole.optional.found?.views.keys() ?? [])]).toEqual(['a', 'b']);
    expect(whole.followed()).toEqual(['networking.istio.io/v1 a', 'networking.istio.io/v1 b']);
    expect(whole.changes()).toBe(1);
  });

  it('finds that there is no such kind', async () => {
    const whole = stage();
    whole.world.versions = [];
    await whole.clock.advance(0);
    await whole.optional.settled;
    expect(state(whole)).toEqual({ found: undefined, absence: ABSENT, isServed: false, failure: undefined });
    expect(whole.reviews()).toBe(0);
  });

  it('finds a kind that comes, and tells of it', async () => {
    const whole = stage();
    whole.world.versions = [];
    await whole.clock.advance(60_000);
    expect(whole.changes()).toBe(1);
    whole.world.versions = ['v1'];
    await whole.clock.advance(16_000);
    expect(state(whole)).toEqual(FOUND);
    expect(whole.changes()).toBe(2);
  });

  it('loses a kind that goes, and follows its objects no more', async () => {
    const whole = await found();
    whole.world.versions = [];
    await whole.clock.advance(16_000);
    expect(state(whole)).toEqual({ found: undefined, absence: ABSENT, isServed: false, failure: undefined });
    expect(whole.followed()).toEqual([]);
    expect(whole.changes()).toBe(2);
  });

  it('does not use a kind that we have not all rights to', async () => {
    const whole = stage();
    whole.world.allowed = false;
    await whole.clock.advance(0);
    const absence = 'there is no right to list workloadentries.networking.istio.io in namespace a';
    expect(state(whole)).toEqual({ found: undefined, absence, isServed: true, failure: undefined });
    expect(whole.followed()).toEqual([]);
  });

  it.each([
    ['before it was found', false],
    ['after it was found', true],
  ])('takes the kind for absent when we may not even ask for it, %s', async (_, isServed) => {
    const whole = isServed ? await found() : stage();
    whole.world.error = refusal(403);
    await whole.clock.advance(16_000);
    expect(state(whole)).toEqual({
      ...{ found: undefined, isServed, failure: undefined },
      absence: expect.stringContaining('answered 403'),
    });
  });

  it('follows a kind that is found in another version, and keeps the old views until the new are complete', async () => {
    const whole = await found();
    whole.world.versions = ['v1beta1'];
    whole.world.isReadable = false;
    await whole.clock.advance(20_000);
    expect(state(whole).found).toBe('networking.istio.io/v1');
    whole.world.isReadable = true;
    await whole.clock.advance(40_000);
    expect(state(whole).found).toBe('networking.istio.io/v1beta1');
    expect(whole.followed()).toEqual(['networking.istio.io/v1beta1 a', 'networking.istio.io/v1beta1 b']);
  });

  it('that fails changes nothing, and the next one is soon', async () => {
    const whole = await found();
    whole.world.error = new Error('reset');
    await whole.clock.advance(16_000);
    expect(state(whole)).toEqual(FOUND);
    expect(whole.records).toEqual(['warn kind cannot be looked for, will try again']);
    const asked = whole.client.sent.length;
    await whole.clock.advance(1800);
    expect(whole.client.sent.length).toBe(asked + 1);
    expect(whole.changes()).toBe(1);
  });

  it('that fails again and again is tried again after short waits: whoever is away may come back', async () => {
    const whole = await found();
    whole.world.error = new Error('reset');
    await whole.clock.advance(16_000);
    const before = whole.clock.waits.length;
    await whole.clock.advance(60_000);
    expect(Math.max(...whole.clock.waits.slice(before))).toBe(5000);
  });

  it('that fails at first leaves it open whether the kind is there', async () => {
    const whole = stage();
    whole.world.error = new Error('reset');
    await whole.clock.advance(0);
    expect(state(whole)).toMatchObject({ found: undefined, absence: '', failure: 'reset' });
    whole.world.error = undefined;
    await whole.clock.advance(16_000);
    expect(state(whole)).toEqual(FOUND);
  });

  it('gives up a kind whose objects cannot be read in time, and says why', async () => {
    const whole = stage();
    whole.world.isReadable = false;
    whole.world.watchFailure = 'list WorkloadEntry: 404';
    await whole.clock.advance(15_000);
    expect(whole.optional.failure).toBe(
      'read WorkloadEntry: not complete after 15 s: list WorkloadEntry: 404; list WorkloadEntry: 404',
    );
    expect(whole.followed()).toEqual([]);
  });

  it('waits for what else has to be read', async () => {
    const whole = stage({ prepare: () => new Promise(() => undefined) });
    await whole.clock.advance(14_999);
    expect(state(whole).found).toBeUndefined();
    await whole.clock.advance(1);
    expect(whole.optional.failure).toContain('not complete after 15 s');
  });

  it('is the last one when its signal aborts', async () => {
    const whole = await found();
    whole.world.error = new Error('cancelled');
    whole.optional.lookAgain();
    whole.stop.abort();
    await whole.clock.advance(60_000);
    expect(whole.records).toEqual([]);
    expect(whole.followed()).toEqual([]);
  });

  it('that its signal ends says nothing', async () => {
    const whole = stage();
    whole.world.error = new Error('cancelled');
    whole.stop.abort();
    await whole.clock.advance(60_000);
    expect(whole.records).toEqual([]);
  });
});

describe('the rights to a kind', () => {
  it('are asked for when it appears, and then every ten minutes', async () => {
    const whole = await found();
    expect(whole.reviews()).toBe(10);
    await whole.clock.advance(599_000);
    expect(whole.reviews()).toBe(10);
    await whole.clock.advance(16_000);
    expect(whole.reviews()).toBe(20);
  });

  it('are asked for when it appears again', async () => {
    const whole = await found();
    whole.world.versions = [];
    await whole.clock.advance(16_000);
    whole.world.versions = ['v1'];
    await whole.clock.advance(16_000);
    expect(whole.reviews()).toBe(20);
  });

  it('are asked for on demand, after a second at the soonest', async () => {
    const whole = await found();
    whole.world.allowed = false;
    whole.optional.lookAgain();
    whole.optional.lookAgain();
    await whole.clock.advance(999);
    expect(whole.reviews()).toBe(10);
    await whole.clock.advance(1);
    expect(whole.reviews()).toBe(20);
    expect(state(whole)).toMatchObject({ found: undefined, isServed: true });
  });

  it('are asked for at the next look while a watch fails, which may be for want of them', async () => {
    const whole = await found();
    whole.world.watchFailure = 'watch WorkloadEntry: 403';
    expect(whole.optional.failure).toBe('watch WorkloadEntry: 403');
    await whole.clock.advance(16_000);
    expect(whole.reviews()).toBe(20);
  });

  it('are asked for after a time in which we might not even ask for the kind', async () => {
    const whole = await found();
    whole.world.error = refusal(403);
    await whole.clock.advance(16_000);
    Object.assign(whole.world, { error: undefined, allowed: false });
    await whole.clock.advance(16_000);
    expect(whole.reviews()).toBe(20);
    expect(state(whole)).toMatchObject({ found: undefined, isServed: true });
    expect(whole.optional.absence).toContain('there is no right to list');
  });

  it('are asked for after a failure', async () => {
    const whole = await found();
    whole.world.error = new Error('reset');
    await whole.clock.advance(16_000);
    whole.world.error = undefined;
    await whole.clock.advance(16_000);
    expect(whole.reviews()).toBe(20);
  });

  it('in one namespace are enough for that one', async () => {
    const whole = stage();
    whole.world.denied = 'b';
    await whole.clock.advance(0);
    expect(state(whole)).toEqual(FOUND);
    expect(whole.followed()).toEqual(['networking.istio.io/v1 a']);
    const missing = 'there is no right to list workloadentries.networking.istio.io in namespace b';
    expect(['a', 'b'].map((namespace) => whole.optional.absenceIn(namespace))).toEqual(['', missing]);
    whole.world.denied = '';
    await whole.clock.advance(16_000);
    expect([...(whole.optional.found?.views.keys() ?? [])]).toEqual(['a', 'b']);
    expect(whole.optional.absenceIn('b')).toBe('');
  });

  it('that are lost in one namespace are lost in that one', async () => {
    const whole = await found();
    whole.world.denied = 'a';
    whole.optional.lookAgain();
    await whole.clock.advance(1000);
    expect(whole.followed()).toEqual(['networking.istio.io/v1 b']);
    expect(['a', 'b'].map((namespace) => whole.optional.absenceIn(namespace))).toEqual([
      'there is no right to list workloadentries.networking.istio.io in namespace a',
      '',
    ]);
    whole.world.denied = 'b';
    whole.world.versions = [];
    await whole.clock.advance(16_000);
    expect(whole.optional.absenceIn('a')).toBe(ABSENT);
  });

  it('that are given later are noticed', async () => {
    const whole = stage();
    whole.world.allowed = false;
    await whole.clock.advance(60_000);
    whole.world.allowed = true;
    await whole.clock.advance(60_000);
    expect(state(whole)).toEqual(FOUND);
  });
});
