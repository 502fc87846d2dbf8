import { describe, expect, it } from '@jest/globals';
import { Places, type Wait } from '../../../../src/to-consul/plan/places.ts';
import { Waiting } from '../../../../src/to-consul/plan/waiting.ts';
import { observed, registrationOf } from '../instances.ts';
import { MemoryConsul } from '../memory-consul.ts';

/** What becomes free by it, of one kind. */
const names = (freed: readonly Wait[]) => freed.filter((wait) => 'name' in wait);
const rooms = (freed: readonly Wait[]) => freed.filter((wait) => 'namespace' in wait);

const named = (...services: readonly string[]) => services.map((service) => registrationOf('a', { service }));

describe('names, which a policy that denies by default gives', () => {
  it('belong to the namespace whose instances are there at the start', () => {
    const places = new Places(new MemoryConsul(observed({}, { podKey: 'bank/b' })));
    expect(places.firstNamespace('Orders')).toBe('bank');
  });

  it('belong to the first that takes them, and then to the next', () => {
    const places = new Places(new MemoryConsul());
    expect(places.firstNamespace('orders')).toBeUndefined();
    places.record('shop/a', named('orders'));
    places.record('bank/b', named('orders'));
    expect(places.firstNamespace('orders')).toBe('shop');
    expect(names(places.record('shop/a', []))).toEqual([{ name: 'orders' }]);
    expect(places.firstNamespace('orders')).toBe('bank');
    places.record('bank/b', []);
    expect(places.firstNamespace('orders')).toBeUndefined();
  });

  it.each<[string, readonly string[], readonly string[], readonly Wait[]]>([
    ['that a pod keeps are not free', ['orders'], ['Orders'], []],
    ['that a pod gives up for another are free', ['orders', 'admin'], ['admin', 'api'], [{ name: 'orders' }]],
    ['that a pod only gets are not free', [], ['orders'], []],
  ])('%s', (_, before, after, freed) => {
    const places = new Places(new MemoryConsul());
    places.record('shop/a', named(...before));
    expect(names(places.record('shop/a', named(...after)))).toEqual(freed);
  });

  it('are not free as long as another pod of the namespace has them', () => {
    const places = new Places(new MemoryConsul());
    places.record('shop/a', named('orders'));
    places.record('shop/b', named('orders'));
    expect(names(places.record('shop/a', []))).toEqual([]);
    expect(names(places.record('shop/b', []))).toEqual([{ name: 'orders' }]);
  });
});

describe('room in a namespace, which a policy with a limit gives', () => {
  it('is taken by what is there at the start, and by what is recorded', () => {
    const places = new Places(new MemoryConsul(observed({}, { podKey: 'shop/b' })));
    expect([places.ofOthers('shop/a'), places.ofOthers('shop/b'), places.ofOthers('bank/c')]).toEqual([1, 0, 0]);
    places.record('shop/a', named('orders', 'admin'));
    expect([places.ofOthers('shop/a'), places.ofOthers('shop/b')]).toEqual([1, 2]);
  });

  it('is free when a pod has fewer instances than before', () => {
    const places = new Places(new MemoryConsul());
    expect(rooms(places.record('shop/a', named('orders', 'admin')))).toEqual([]);
    expect(rooms(places.record('shop/a', named('orders', 'admin')))).toEqual([]);
    expect(rooms(places.record('shop/a', named('orders')))).toEqual([{ namespace: 'shop' }]);
    expect(rooms(places.record('shop/a', []))).toEqual([{ namespace: 'shop' }]);
    expect(places.ofOthers('shop/b')).toBe(0);
  });
});

it('places are known whatever the policy, which may limit them at any time', () => {
  const places = new Places(new MemoryConsul());
  places.record('shop/a', named('orders'));
  expect([places.firstNamespace('orders'), places.ofOthers('shop/b')]).toEqual(['shop', 1]);
});

describe('pods that wait', () => {
  const name: Wait = { name: 'orders' };
  const room: Wait = { namespace: 'orders' };

  const taken = (waiting: Waiting, wait: Wait) => [...waiting.take(wait)];

  it('are those whose last plan says so, by what they wait for', () => {
    const waiting = new Waiting();
    waiting.set('shop/a', [name, room]);
    waiting.set('shop/b', [name]);
    waiting.set('shop/a', [room]);
    expect([taken(waiting, name), taken(waiting, room)]).toEqual([['shop/b'], ['shop/a']]);
  });

  it('wait no more once they were told, until a plan says so again', () => {
    const waiting = new Waiting();
    waiting.set('shop/a', [name, room]);
    expect([taken(waiting, name), taken(waiting, name)]).toEqual([['shop/a'], []]);
    waiting.set('shop/a', [name]);
    expect([taken(waiting, name), taken(waiting, room)]).toEqual([['shop/a'], []]);
  });

  it('wait for nothing when their last plan says so', () => {
    const waiting = new Waiting();
    waiting.set('shop/a', [name]);
    waiting.set('shop/a', []);
    expect(taken(waiting, name)).toEqual([]);
  });
});
