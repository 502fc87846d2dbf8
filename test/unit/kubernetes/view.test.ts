import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { objectKey, type KubernetesObject } from '../../../src/kubernetes/objects.ts';
import { Index, WatchedView } from '../../../src/kubernetes/view.ts';
import { strings } from '../builders.ts';

function object(name: string, uid: string, resourceVersion: number, labels = {}): KubernetesObject {
  return {
    namespace: 'shop',
    name,
    uid,
    resourceVersion: String(resourceVersion),
    deletionTimestamp: '',
    labels: strings(labels),
    annotations: strings(),
  };
}

const mapOf = (...objects: KubernetesObject[]) => new Map(objects.map((object) => [objectKey(object), object]));

/** A view and what its listener was told: `before>after`, by uid and resource version. */
function watched(...objects: KubernetesObject[]) {
  const view = new WatchedView(mapOf(...objects));
  const told: string[] = [];
  const text = (object?: KubernetesObject) => (object ? `${object.uid}@${object.resourceVersion}` : '');
  view.subscribe((before, after) => told.push(`${text(before)}>${text(after)}`));
  return { view, told, shown: () => [...view.values()].map(text) };
}

describe('objectKey', () => {
  it('has the namespace where there is one', () => {
    expect(objectKey(object('orders', 'a', 1))).toBe('shop/orders');
    expect(objectKey({ namespace: '', name: 'worker-1' })).toBe('worker-1');
  });
});

describe('putting an object', () => {
  it.each([
    ['a new one appears', object('orders', 'a', 5), undefined, ['a@5'], ['>a@5']],
    ['a newer version replaces the older', object('orders', 'a', 10), object('orders', 'a', 9), ['a@10'], ['a@9>a@10']],
    ['the same version again is no news', object('orders', 'a', 9), object('orders', 'a', 9), ['a@9'], []],
    ['an older version, overtaken by our own write', object('orders', 'a', 9), object('orders', 'a', 10), ['a@10'], []],
    [
      'another uid of the same name replaces it',
      object('orders', 'b', 10),
      object('orders', 'a', 9),
      ['b@10'],
      ['a@9>b@10'],
    ],
    ['a late answer about its predecessor', object('orders', 'a', 9), object('orders', 'b', 10), ['b@10'], []],
  ])('%s', (_, put, present, shown, told) => {
    const world = watched(...(present ? [present] : []));
    world.view.put(put);
    expect(world.shown()).toEqual(shown);
    expect(world.told).toEqual(told);
  });

  it('does not bring back what was deleted', () => {
    const { view, shown } = watched(object('orders', 'a', 1));
    view.delete(object('orders', 'a', 2));
    view.put(object('orders', 'a', 2));
    expect(shown()).toEqual([]);
  });

  it('brings back what had only left the selector of the watch', () => {
    const { view, shown } = watched(object('orders', 'a', 1));
    view.delete(object('orders', 'a', 2));
    view.put(object('orders', 'a', 3));
    expect(shown()).toEqual(['a@3']);
    expect(view.sawDeletion('a')).toBe(false);
  });
});

describe('deleting an object', () => {
  it('takes it away and remembers its uid as evidence', () => {
    const { view, told, shown } = watched(object('orders', 'a', 1));
    view.delete(object('orders', 'a', 2));
    expect(shown()).toEqual([]);
    expect(told).toEqual(['a@1>']);
    expect(view.sawDeletion('a')).toBe(true);
  });

  it('leaves a successor of the same name alone', () => {
    const { view, told, shown } = watched(object('orders', 'b', 2));
    view.delete(object('orders', 'a', 1));
    expect(shown()).toEqual(['b@2']);
    expect(told).toEqual([]);
    expect([view.sawDeletion('a'), view.sawDeletion('b')]).toEqual([true, false]);
  });

  it('of something unknown is remembered too', () => {
    const { view, told } = watched();
    view.delete(object('orders', 'a', 1));
    expect(view.sawDeletion('a')).toBe(true);
    expect(told).toEqual([]);
  });

  it('is remembered for the latest deletions only', () => {
    const { view } = watched();
    for (let i = 0; i <= 50_000; i++) view.delete(object('orders', `uid-${i}`, i));
    expect([view.sawDeletion('uid-0'), view.sawDeletion('uid-1'), view.sawDeletion('uid-50000')]).toEqual([
      false,
      true,
      true,
    ]);
  });
});

describe('a relist', () => {
  it('tells of what came, changed, was made anew and went, and of nothing else', () => {
    const { view, told, shown } = watched(
      object('same', 'a', 1),
      object('changed', 'b', 1),
      object('anew', 'c', 1),
      object('gone', 'd', 1),
    );
    view.replace(
      mapOf(object('same', 'a', 1), object('changed', 'b', 2), object('anew', 'e', 2), object('came', 'f', 2)),
    );
    expect([...told].sort()).toEqual(['>f@2', 'b@1>b@2', 'c@1>e@2', 'd@1>']);
    expect([...shown()].sort()).toEqual(['a@1', 'b@2', 'e@2', 'f@2']);
    expect(view.size).toBe(4);
  });

  it('is no evidence of a deletion', () => {
    const { view } = watched(object('orders', 'a', 1));
    view.replace(new Map());
    expect(view.get('shop/orders')).toBeUndefined();
    expect(view.sawDeletion('a')).toBe(false);
  });
});

describe('a relist after time went back', () => {
  const OLD = object('orders', 'a', 50);

  it('takes the place of what was newer, and of what was seen of the time that is lost', () => {
    const { view, told, shown } = watched(object('orders', 'a', 100), object('late', 'b', 110));
    for (const name of ['billing', 'other']) view.delete(object(name, name === 'billing' ? 'c' : 'd', 120));
    view.beginAnew(mapOf(OLD, object('billing', 'c', 40)));
    expect(shown()).toEqual(['a@50', 'c@40']);
    expect(told.sort()).toEqual(['>c@40', 'a@100>a@50', 'b@110>']);
    expect([view.sawDeletion('c'), view.sawDeletion('d')]).toEqual([false, false]);
    view.put(object('billing', 'c', 60));
    expect(shown()).toEqual(['a@50', 'c@60']);
  });

  it('of which nobody knows forgets the deletions of what it has, and no others', () => {
    const { view, shown } = watched();
    for (const uid of ['a', 'd']) view.delete(object(uid, uid, 120));
    view.replace(mapOf(OLD));
    expect([view.sawDeletion('a'), view.sawDeletion('d')]).toEqual([false, true]);
    view.put(object('orders', 'a', 60));
    expect(shown()).toEqual(['a@60']);
  });

  it.each<[string, boolean, string[], string[]]>([
    ['counts', false, ['a@130'], []],
    ['does not count once everything was read again, however new it is', true, ['a@50'], ['a@50']],
  ])('the answer to an earlier write %s', (_, isReadAgain, written, removed) => {
    const first = watched(object('orders', 'a', 100));
    const write = first.view.beginWrite();
    const second = watched(object('orders', 'a', 100));
    const deletion = second.view.beginWrite();
    if (isReadAgain) for (const { view } of [first, second]) view.replace(mapOf(OLD));
    write.put(object('orders', 'a', 130));
    deletion.drop(object('orders', 'a', 100));
    expect([first.shown(), second.shown()]).toEqual([written, removed]);
  });
});

describe('the answer to a DELETE of ours', () => {
  it('does not hide what an event has shown meanwhile: a finalizer holds the object', () => {
    const { view, told } = watched(object('orders', 'a', 100));
    const deletion = view.beginWrite();
    view.put(object('orders', 'a', 101));
    deletion.drop(object('orders', 'a', 100));
    expect(view.get('shop/orders')?.resourceVersion).toBe('101');
    view.delete(object('orders', 'a', 102));
    expect(view.get('shop/orders')).toBeUndefined();
    expect(told).toEqual(['a@100>a@101', 'a@101>']);
  });
});

describe('an index', () => {
  const byTeam = (object: KubernetesObject) => (object.labels.get('team') ?? '').split(',').filter(Boolean);
  const names = (objects: KubernetesObject[]) => objects.map(({ name }) => name).sort();

  it('finds what was there before it, and what came, moved and went since', () => {
    const { view } = watched(object('orders', 'a', 1, { team: 'red' }));
    const index = new Index(view, byTeam);
    view.put(object('billing', 'b', 2, { team: 'red,blue' }));
    expect(names(index.get('red'))).toEqual(['billing', 'orders']);
    view.put(object('orders', 'a', 3, { team: 'blue' }));
    view.delete(object('billing', 'b', 4));
    expect([names(index.get('red')), names(index.get('blue')), names(index.get('green'))]).toEqual([
      [],
      ['orders'],
      [],
    ]);
    expect([...index.keys()]).toEqual(['blue']);
    expect(index.size).toBe(1);
  });

  it('is right already when a later listener is told', () => {
    const { view } = watched();
    const index = new Index(view, byTeam);
    const seen: string[][] = [];
    view.subscribe(() => seen.push(names(index.get('red'))));
    view.put(object('orders', 'a', 1, { team: 'red' }));
    view.delete(object('orders', 'a', 2));
    expect(seen).toEqual([['orders'], []]);
  });

  it('equals a new index over the same view after any history', () => {
    const change = fc.record({
      what: fc.constantFrom('put', 'delete', 'replace'),
      name: fc.constantFrom('a', 'b', 'c'),
      uid: fc.constantFrom('1', '2', '3', '4'),
      team: fc.constantFrom('', 'red', 'blue', 'red,blue'),
    });
    fc.assert(
      fc.property(fc.array(change), (changes) => {
        const { view } = watched();
        const index = new Index(view, byTeam);
        changes.forEach(({ what, name, uid, team }, version) => {
          const changed = object(name, uid, version, { team });
          if (what === 'put') view.put(changed);
          else if (what === 'delete') view.delete(changed);
          else view.replace(mapOf(changed));
        });
        const fresh = new Index(view, byTeam);
        expect([...index.keys()].sort()).toEqual([...fresh.keys()].sort());
        for (const team of index.keys()) expect(names(index.get(team))).toEqual(names(fresh.get(team)));
      }),
    );
  });
});
