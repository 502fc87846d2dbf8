import { afterEach, describe, expect, it } from '@jest/globals';
import type { KubernetesObject } from '../../../src/kubernetes/objects.ts';
import { WritableNamespaces } from '../../../src/kubernetes/writable-namespaces.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { TestClock } from '../clock.ts';
import { QUIET } from '../log.ts';
import { FollowedObjects, namespaceObject } from './followed-namespace.ts';
import { refusal, Requester } from './requester.ts';

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

/** Namespaces that are all there; the rights in those of `denied` are missing. */
function stage(names: readonly string[], denied: readonly string[] = [], error?: Error) {
  const [clock, stop] = [new TestClock(), new AbortController()];
  stops.push(stop);
  const world = { denied, error };
  const isAllowed = (body: unknown) =>
    !world.denied.some((name) => JSON.stringify(body).includes(`"namespace":"${name}"`));
  const client = new Requester(({ body }) => world.error ?? { status: { allowed: isAllowed(body) } });
  const watched: FollowedObjects[] = [];
  const objects = new Map(names.map((name) => [name, new FollowedObjects()]));
  const namespaces = new WritableNamespaces<KubernetesObject>({
    ...{ client, names, clock, signal: stop.signal, log: QUIET, metrics: createMetrics() },
    rightsIn: (namespace) => ({ read: [{ verb: 'list', group: '', resource: 'endpoints', namespace }], write: [] }),
    watch: (name, signal) => {
      const objects = new FollowedObjects(namespaceObject({ name }));
      watched.push(objects);
      return objects.follow(signal);
    },
    follow: (name, signal) => (objects.get(name) ?? new FollowedObjects()).follow(signal),
  });
  let changes = 0;
  namespaces.subscribe(() => changes++);
  return { client, clock, namespaces, objects, watched, world, changes: () => changes };
}

const noRight = (name: string) => `there is no right to list endpoints in namespace ${name}`;

describe('namespaces', () => {
  it('are open or closed each for itself, and none waits for another', async () => {
    const { clock, namespaces, objects, world, changes } = stage(['shop', 'web', 'shop'], ['web']);
    expect([...namespaces.closed.keys()]).toEqual(['shop', 'web']);
    expect(namespaces.failure).toBe('shop, web: not read yet');
    await clock.advance(0);
    await namespaces.settled;
    expect([...namespaces.closed]).toEqual([['web', noRight('web')]]);
    expect([...namespaces.views]).toEqual([['shop', objects.get('shop')?.view]]);
    expect([namespaces.failure, changes()]).toEqual([undefined, 2]);
    Object.assign(world, { denied: ['shop'] });
    await clock.advance(60_000);
    expect([...namespaces.closed]).toEqual([['shop', noRight('shop')]]);
    expect([...namespaces.views.keys()]).toEqual(['web']);
    expect(changes()).toBe(4);
  });

  it('that are not ours are never closed, and taken as there', async () => {
    const { clock, namespaces } = stage(['shop']);
    await clock.advance(0);
    expect([await namespaces.isClosedNow('other'), namespaces.isThere('other')]).toEqual([false, true]);
    expect([await namespaces.isClosedNow('shop'), namespaces.isThere('shop')]).toEqual([false, true]);
  });

  it('are open to whoever may not ask for rights: a refusal will tell', async () => {
    const { clock, namespaces } = stage(['shop'], [], refusal(403));
    await clock.advance(0);
    expect([...namespaces.closed]).toEqual([]);
  });

  it('are not known while the API server gives no answer, which is said of each', async () => {
    const { clock, namespaces } = stage(['shop', 'web'], [], new Error('reset'));
    await clock.advance(0);
    expect(namespaces.failure).toBe('shop, web: reset');
    expect([...namespaces.closed.keys()]).toEqual(['shop', 'web']);
  });

  it('that are gone, or going, are not there for an Event', async () => {
    const whole = stage(['shop', 'web']);
    await whole.clock.advance(0);
    const [shop, web] = whole.watched;
    shop?.view.drop(namespaceObject({ name: 'shop' }));
    web?.view.put(namespaceObject({ name: 'web', resourceVersion: '20', deletionTimestamp: '2026-10-20T10:00:00Z' }));
    expect(['shop', 'web'].map((name) => whole.namespaces.isThere(name))).toEqual([false, false]);
  });

  it('that are closed in great number are asked about seldom', async () => {
    const names = Array.from({ length: 50 }, (_, number) => `shop-${number}`);
    const { client, clock } = stage(names, names);
    await clock.advance(0);
    const asked = client.sent.length;
    await clock.advance(60_000);
    expect(client.sent.length - asked).toBe(6 * 50);
  });
});
