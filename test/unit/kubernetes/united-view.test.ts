import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Pod } from '../../../src/kubernetes/objects.ts';
import { objectKey } from '../../../src/kubernetes/objects.ts';
import { UnitedView } from '../../../src/kubernetes/united-view.ts';
import { Index, type WatchedView } from '../../../src/kubernetes/view.ts';
import { pod } from '../builders.ts';
import { viewOf } from '../to-kubernetes/views.ts';

const podIn = (namespace: string, name: string, resourceVersion = '100'): Pod =>
  pod({ namespace, name, uid: `uid-of-${namespace}-${name}`, resourceVersion });

let shop: WatchedView<Pod>;
let web: WatchedView<Pod>;
let united: UnitedView<Pod>;
let heard: string[];

beforeEach(() => {
  shop = viewOf(podIn('shop', 'a'), podIn('shop', 'b'));
  web = viewOf(podIn('web', 'a'));
  united = new UnitedView();
  heard = [];
  united.add('shop', shop);
  united.subscribe((before, after) => {
    const object = after ?? before;
    heard.push(`${before ? '-' : ''}${after ? '+' : ''}${object ? objectKey(object) : ''}`);
  });
});

describe('the views of several namespaces as one', () => {
  it('has the objects of each that was added, by their keys', () => {
    united.add('web', web);
    expect([...united.values()].map(objectKey)).toEqual(['shop/a', 'shop/b', 'web/a']);
    expect([united.size, united.get('web/a')?.namespace, united.get('web/b'), united.get('other/a')]).toEqual([
      ...[3, 'web'],
      ...[undefined, undefined],
    ]);
  });

  it('tells of all objects of a namespace that is added, and of what changes in each from then on', () => {
    united.add('web', web);
    web.put(podIn('web', 'late', '101'));
    shop.delete(podIn('shop', 'b', '102'));
    expect(heard).toEqual(['+web/a', '+web/late', '-shop/b']);
  });

  it('knows as deleted what was seen to go, and nothing that a new list of one namespace lacks', () => {
    united.add('web', web);
    shop.delete(podIn('shop', 'b', '102'));
    shop.replace(new Map());
    expect([...united.values()].map(objectKey)).toEqual(['web/a']);
    expect(['shop-a', 'shop-b', 'web-a'].map((name) => united.sawDeletion(`uid-of-${name}`))).toEqual([
      ...[false, true, false],
    ]);
  });

  it('takes an older state of one namespace whose time went back, and leaves the others', () => {
    united.add('web', web);
    shop.beginAnew(new Map([['shop/a', podIn('shop', 'a', '7')]]));
    expect([...united.values()].map(({ resourceVersion }) => resourceVersion)).toEqual(['7', '100']);
  });

  it('gives the answer to a write to its namespace, but not after that was read again', () => {
    const answered = united.beginWrite();
    answered.put(podIn('shop', 'mine', '103'));
    expect(united.get('shop/mine')).toBeDefined();
    shop.replace(new Map());
    answered.put(podIn('shop', 'late', '104'));
    answered.drop(podIn('web', 'a'));
    expect(united.size).toBe(0);
    united.put(podIn('shop', 'now', '105'));
    united.put(podIn('web', 'nowhere', '105'));
    united.drop(podIn('shop', 'now', '105'));
    expect(united.size).toBe(0);
  });

  it('can be indexed before a namespace is added', () => {
    const byNode = new Index(united, ({ nodeName }) => [nodeName]);
    united.add('web', web);
    expect(byNode.get('worker-1').map(objectKey)).toEqual(['shop/a', 'shop/b', 'web/a']);
  });
});
