import { afterEach, describe, expect, it } from '@jest/globals';
import type { Access } from '../../../src/kubernetes/access.ts';
import { NAMESPACE_PACE, WritableNamespace } from '../../../src/kubernetes/writable-namespace.ts';
import type { KubernetesObject } from '../../../src/kubernetes/objects.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { TestClock } from '../clock.ts';
import { recordingLog } from '../log.ts';
import { FollowedObjects, namespaceObject, Rights } from './followed-namespace.ts';

const to = (verb: string, resource: string): Access => ({ verb, group: '', resource, namespace: 'shop' });
const NO_RIGHT = 'there is no right to list endpoints in namespace shop';
const ABSENT = 'there is no such namespace';

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

/** A namespace that is there, with all rights, unless the test says otherwise before it lets time pass. */
function stage() {
  const [clock, rights, stop] = [new TestClock(), new Rights(), new AbortController()];
  const [namespaces, objects] = [new FollowedObjects(namespaceObject()), new FollowedObjects()];
  stops.push(stop);
  const { log, records } = recordingLog();
  const told: string[] = [];
  const namespace: WritableNamespace<KubernetesObject> = new WritableNamespace<KubernetesObject>({
    ...{ name: 'shop', may: rights.may, watch: namespaces.follow, follow: objects.follow, clock, log },
    rights: { read: [to('list', 'endpoints')], write: [to('create', 'services')] },
    onChange: () => told.push(namespace.closed),
    ...{ metrics: createMetrics(), signal: stop.signal, pace: NAMESPACE_PACE, random: () => 1 },
  });
  /** Open, or why it is closed, and whether its objects are followed. */
  const state = () => [namespace.closed, namespace.view === objects.view, objects.isFollowed];
  return { clock, namespace, namespaces, objects, records, rights, state, stop, told };
}

async function opened() {
  const whole = stage();
  await whole.clock.advance(0);
  expect(whole.state()).toEqual(['', true, true]);
  return whole;
}

describe('a namespace', () => {
  it('is open when it is there, our rights are, and its objects were read', async () => {
    const whole = stage();
    expect([whole.namespace.closed, whole.namespace.failure]).toEqual(['not read yet', 'not read yet']);
    await whole.clock.advance(0);
    await whole.namespace.settled;
    expect([...whole.state(), whole.namespace.failure]).toEqual(['', true, true, undefined]);
    expect(whole.told).toEqual(['']);
  });

  it('is closed when it is not there, and opened at once when it is made', async () => {
    const whole = stage();
    whole.namespaces.objects = [];
    await whole.clock.advance(0);
    expect([...whole.state(), whole.namespace.failure]).toEqual([ABSENT, false, false, undefined]);
    whole.namespaces.view.put(namespaceObject());
    await whole.clock.advance(0);
    expect(whole.state()).toEqual(['', true, true]);
    expect(whole.told).toEqual([ABSENT, '']);
  });

  it('is closed at once when it is deleted, and has another view when it is made again', async () => {
    const whole = await opened();
    const before = whole.namespace.view;
    whole.namespaces.view.put(namespaceObject({ resourceVersion: '20', deletionTimestamp: '2026-10-20T10:00:00Z' }));
    await whole.clock.advance(0);
    expect(whole.state()).toEqual(['it is being deleted', false, false]);
    whole.namespaces.view.delete(namespaceObject({ resourceVersion: '21' }));
    await whole.clock.advance(0);
    whole.namespaces.view.put(namespaceObject({ uid: 'another', resourceVersion: '30' }));
    await whole.clock.advance(0);
    expect(whole.state()).toEqual(['', true, true]);
    expect(whole.namespace.view).not.toBe(before);
    expect(whole.told).toEqual(['', 'it is being deleted', ABSENT, '']);
  });

  it('is closed without our rights, told once, and opened within seconds when they are given', async () => {
    const whole = stage();
    whole.rights.denied = ['list endpoints'];
    await whole.clock.advance(60_000);
    expect(whole.state()).toEqual([NO_RIGHT, false, false]);
    expect(whole.told).toEqual([NO_RIGHT]);
    whole.rights.denied = [];
    await whole.clock.advance(3000);
    expect(whole.state()).toEqual(['', true, true]);
    expect(whole.records).toEqual(['info namespace is written to again']);
  });

  it('asks for one right at a time while that is missing', async () => {
    const whole = stage();
    whole.rights.denied = ['list endpoints'];
    await whole.clock.advance(0);
    const asked = whole.rights.asked;
    await whole.clock.advance(3000);
    expect(whole.rights.asked).toBe(asked + 1);
  });

  it('is closed when its objects cannot be read, and opened when they can', async () => {
    const whole = stage();
    Object.assign(whole.objects, { isReadable: false, failure: 'watch Endpoints: 403' });
    await whole.clock.advance(15_000);
    expect(whole.state()).toEqual(['what is there cannot be read: watch Endpoints: 403', false, false]);
    Object.assign(whole.objects, { isReadable: true, failure: undefined });
    await whole.clock.advance(3000);
    expect(whole.state()).toEqual(['', true, true]);
  });

  it('of which nothing can be found out at the start is not settled, and opened when the API server answers', async () => {
    const whole = stage();
    whole.rights.error = new Error('reset');
    await whole.clock.advance(60_000);
    expect([whole.namespace.failure, whole.told]).toEqual(['reset', []]);
    expect(whole.records.filter((record) => record.startsWith('warn'))).toEqual([
      'warn namespace cannot be looked at, will try again',
    ]);
    whole.rights.error = undefined;
    await whole.clock.advance(15_000);
    expect(whole.state()).toEqual(['', true, true]);
  });
});

describe('a namespace that is open', () => {
  it('stays open while the API server gives no answer, and is no failure but by its watch', async () => {
    const whole = await opened();
    whole.rights.error = new Error('reset');
    whole.objects.failure = 'watch Endpoints: reset';
    await whole.clock.advance(60_000);
    expect([...whole.state(), whole.namespace.failure]).toEqual(['', true, true, 'watch Endpoints: reset']);
  });

  it('is looked at when its watch fails, which may be for want of rights', async () => {
    const whole = await opened();
    Object.assign(whole.objects, { failure: 'watch Endpoints: 403' });
    whole.rights.denied = ['list endpoints'];
    await whole.clock.advance(3000);
    expect(whole.state()).toEqual([NO_RIGHT, false, false]);
    expect(whole.namespace.failure).toBeUndefined();
  });

  it('and well is looked at every minute', async () => {
    const whole = await opened();
    const asked = whole.rights.asked;
    whole.rights.denied = ['list endpoints'];
    await whole.clock.advance(57_000);
    expect([whole.rights.asked, whole.namespace.closed]).toEqual([asked, '']);
    await whole.clock.advance(3000);
    expect(whole.namespace.closed).toBe(NO_RIGHT);
  });

  it('says nothing when its signal ends it', async () => {
    const whole = await opened();
    whole.rights.error = new Error('cancelled');
    whole.stop.abort();
    await whole.clock.advance(600_000);
    expect([whole.records, whole.told, whole.objects.isFollowed]).toEqual([[], [''], false]);
  });

  it('is not closed because its signal ends the reading of it', async () => {
    const whole = stage();
    whole.objects.isReadable = false;
    await whole.clock.advance(0);
    whole.stop.abort();
    await whole.clock.advance(60_000);
    expect(whole.told).toEqual([]);
  });
});

describe('a write that is refused', () => {
  it('closes a namespace that has lost its rights, at once', async () => {
    const whole = await opened();
    await whole.clock.advance(2000);
    whole.rights.denied = ['list endpoints'];
    expect(await whole.namespace.isClosedNow()).toBe(true);
    expect(whole.state()).toEqual([NO_RIGHT, false, false]);
  });

  it('of one object closes nothing, and is asked about every 2 s at most', async () => {
    const whole = await opened();
    await whole.clock.advance(2000);
    const asked = whole.rights.asked;
    // Two of them at a time are one question.
    expect(await Promise.all([whole.namespace.isClosedNow(), whole.namespace.isClosedNow()])).toEqual([false, false]);
    expect(whole.rights.asked).toBe(asked + 2);
    await whole.clock.advance(1999);
    expect(await whole.namespace.isClosedNow()).toBe(false);
    expect(whole.rights.asked).toBe(asked + 2);
  });

  it('closes a namespace that is being deleted, however short ago it was looked at', async () => {
    const whole = await opened();
    whole.namespaces.view.drop(namespaceObject());
    expect(await whole.namespace.isClosedNow()).toBe(true);
  });

  it('closes nothing while the API server gives no answer', async () => {
    const whole = await opened();
    await whole.clock.advance(2000);
    whole.rights.error = new Error('reset');
    expect(await whole.namespace.isClosedNow()).toBe(false);
  });
});
