import { describe, expect, it } from '@jest/globals';
import { NamespacePresence } from '../../../src/kubernetes/namespace-presence.ts';
import { TestClock } from '../clock.ts';
import { FollowedObjects, namespaceObject, Rights } from './followed-namespace.ts';

const ABSENT = 'there is no such namespace';

function stage(namespaces = new FollowedObjects(namespaceObject())) {
  const [clock, rights] = [new TestClock(), new Rights()];
  let changes = 0;
  const presence = new NamespacePresence({
    ...{ name: 'shop', may: rights.may, watch: namespaces.follow, clock, signal: new AbortController().signal },
    onChange: () => changes++,
  });
  const state = async () => {
    await presence.look();
    return presence.absence;
  };
  return { clock, namespaces, presence, rights, state, changes: () => changes };
}

describe('a Namespace that may be watched', () => {
  it.each<[string, FollowedObjects, string]>([
    ['is there', new FollowedObjects(namespaceObject()), ''],
    ['is not there', new FollowedObjects(), ABSENT],
    [
      'is being deleted',
      new FollowedObjects(namespaceObject({ deletionTimestamp: '2026-10-20T10:00:00Z' })),
      'it is being deleted',
    ],
  ])('%s', async (_, namespaces, expected) => {
    expect(await stage(namespaces).state()).toBe(expected);
  });

  it('is followed: each change of it is told, and no look asks for anything', async () => {
    const { namespaces, rights, state, changes } = stage();
    await state();
    const asked = rights.asked;
    namespaces.view.drop(namespaceObject());
    expect(changes()).toBe(1);
    expect(await state()).toBe(ABSENT);
    namespaces.view.put(namespaceObject({ uid: 'another', resourceVersion: '20' }));
    expect([changes(), await state()]).toEqual([2, '']);
    expect([rights.asked, namespaces.signals.length]).toEqual([asked, 1]);
  });

  it('that cannot be read is an error, and not followed', async () => {
    const { clock, namespaces, presence } = stage();
    Object.assign(namespaces, { isReadable: false, failure: 'reset' });
    const looking = presence.look();
    const failure = expect(looking).rejects.toThrow('read Namespace shop: not complete after 15 s: reset');
    await clock.advance(15_000);
    await failure;
    expect(namespaces.isFollowed).toBe(false);
  });
});

describe('a Namespace that may not be watched', () => {
  it.each(['list namespaces', 'watch namespaces'])('for want of the right to %s is taken as there', async (right) => {
    const { namespaces, rights, state } = stage(new FollowedObjects());
    rights.denied = [right];
    expect(await state()).toBe('');
    expect(namespaces.signals).toEqual([]);
    rights.denied = [];
    expect(await state()).toBe(ABSENT);
  });

  it('any more is not known any more, once its watch fails', async () => {
    const { namespaces, rights, state } = stage(new FollowedObjects());
    await state();
    rights.denied = ['watch namespaces'];
    namespaces.failure = 'watch Namespace: 403';
    expect(await state()).toBe('');
    expect(namespaces.isFollowed).toBe(false);
  });

  it('is not found out about while the API server gives no answer: what was known stays', async () => {
    const { namespaces, presence, rights, state } = stage(new FollowedObjects());
    await state();
    Object.assign(namespaces, { failure: 'reset' });
    rights.error = new Error('reset');
    await expect(presence.look()).rejects.toThrow('reset');
    expect(presence.absence).toBe(ABSENT);
  });
});
