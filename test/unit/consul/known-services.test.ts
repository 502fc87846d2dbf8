import { beforeEach, describe, expect, it } from '@jest/globals';
import { KnownServices } from '../../../src/consul/known-services.ts';
import { instance } from '../builders.ts';

describe('the services that are known', () => {
  let known: KnownServices;
  beforeEach(() => {
    known = new KnownServices((name) => name !== 'consul');
  });
  const read = (name: string, ...nodes: string[]) => {
    known.ensure(name).instances = nodes.map((node) => instance({ node }));
  };
  const follow = (name: string, paused: boolean) => {
    known.ensure(name).following = { stop: new AbortController(), paused };
  };

  it('are those of interest, and new ones are candidates until Consul says otherwise', () => {
    expect([...known.takeNames(['consul', 'Orders', 'pods']).added].sort()).toEqual(['orders', 'pods']);
    expect(known.candidates().sort()).toEqual(['orders', 'pods']);
    expect(known.get('orders')?.spelling).toBe('Orders');
    expect([...known.takeCandidates(['consul', 'Orders'])]).toEqual(['orders']);
    expect(known.candidates()).toEqual(['orders']);
    expect(known.takeNames(['Orders', 'consul', 'pods'])).toEqual({ added: [], gone: [], doubtful: [] });
  });

  it('of a list that says the same again change nothing, and are those of before', () => {
    known.takeNames(['Orders', 'consul', 'pods']);
    read('pods', 'vm-1');
    known.takeNames(['Orders', 'consul', 'pods']);
    known.want('consul');
    expect(known.takeNames(['Orders', 'consul', 'pods'])).toEqual({ added: [], gone: [], doubtful: [] });
    expect(known.candidates().sort()).toEqual(['consul', 'orders', 'pods']);
    known.unwant('consul');
    known.takeNames(['Orders', 'consul', 'pods']);
    expect(known.candidates().sort()).toEqual(['orders', 'pods']);
    expect(known.takeNames(['Orders', 'consul']).gone).toEqual(['pods']);
  });

  it('are others when other names are of interest, each time that these change', () => {
    let isOfInterest = (name: string): boolean => name === 'orders';
    known = new KnownServices((name) => isOfInterest(name));
    known.takeNames(['consul', 'orders', 'stock']);
    isOfInterest = () => false;
    expect(known.takeNamesAgain().gone).toEqual(['orders']);
    isOfInterest = (name) => name === 'stock';
    expect(known.takeNamesAgain().added).toEqual(['stock']);
    isOfInterest = (name) => name === 'orders';
    expect(known.excluded()).toEqual(['stock']);
    known.forget('stock');
    expect(known.takeNamesAgain()).toMatchObject({ added: ['orders'], gone: [], doubtful: [] });
  });

  it('are due as before where nobody asks again: those that were read, and no new ones', () => {
    known.takeNames(['orders', 'stock', 'new', 'own', 'waiting']);
    known.takeCandidates(['orders', 'stock', 'new', 'waiting']);
    for (const name of ['orders', 'stock', 'own', 'waiting']) read(name, 'vm-1');
    follow('waiting', false);
    known.takeNames(['orders', 'new', 'own', 'waiting']);
    expect([...known.dueAsBefore()]).toEqual(['orders']);
  });

  it('with several spellings are one, by the first of them', () => {
    known.takeNames(['orders', 'Orders', 'ORDERS']);
    expect(known.candidates()).toEqual(['orders']);
    expect(known.get('orders')?.spelling).toBe('ORDERS');
  });

  it('are read again when they are no longer candidates, once, and only when there is something to forget', () => {
    known.takeNames(['mixed', 'pods']);
    known.takeCandidates(['mixed', 'pods']);
    read('mixed', 'vm-1');
    expect([...known.takeCandidates([])]).toEqual(['mixed']);
    expect([...known.takeCandidates([])]).toEqual([]);
    expect([...known.takeCandidates(['pods'])]).toEqual(['pods']);
  });

  it('are gone when Consul does not list them, unless nobody cared', () => {
    known.takeNames(['read', 'candidate', 'followed', 'pods']);
    known.takeCandidates(['candidate']);
    read('read', 'vm-1');
    follow('followed', false);
    expect(known.takeNames([])).toEqual({ added: [], gone: ['read', 'candidate', 'followed'], doubtful: [] });
    expect(known.candidates()).toEqual([]);
    expect(known.takeNames([])).toEqual({ added: [], gone: [], doubtful: ['read'] });
    read('read');
    expect(known.takeNames([])).toEqual({ added: [], gone: [], doubtful: [] });
    expect(known.takeNames(['read']).added).toEqual(['read']);
  });

  it('are not read by a sweep while a blocking query of their own waits', () => {
    known.takeNames(['waiting', 'paused', 'other']);
    follow('waiting', false);
    follow('paused', true);
    expect([...known.takeCandidates(['waiting', 'paused', 'other'])].sort()).toEqual(['other', 'paused']);
    expect(known.areAllWatched()).toBe(false);
    for (const name of ['paused', 'other']) follow(name, false);
    expect(known.areAllWatched()).toBe(true);
  });

  it('are read whatever their name while somebody wants them, and start unknown', () => {
    known = new KnownServices((name) => name !== 'excluded');
    known.takeNames(['Excluded']);
    read('excluded', 'vm-1');
    known.want('excluded');
    expect(known.get('excluded')).toMatchObject({ spelling: 'Excluded', listed: true });
    expect(known.get('excluded')?.instances).toBeUndefined();
    expect([...known.takeCandidates(['Excluded'])]).toEqual(['excluded']);
    read('excluded', 'vm-1');
    known.want('excluded');
    expect(known.get('excluded')?.instances).toHaveLength(1);
    known.unwant('excluded');
    expect(known.get('excluded')).toBeUndefined();
    expect([...known.takeCandidates(['Excluded'])]).toEqual([]);
  });

  it('have no index any more when those of before mean nothing', () => {
    known.takeNames(['orders']);
    read('orders', 'vm-1');
    known.ensure('orders').index = 7;
    known.forgetIndexes();
    expect(known.get('orders')).toMatchObject({ index: 0, listed: true });
    expect(known.get('orders')?.instances).toHaveLength(1);
  });

  it('of interest are not forgotten when nobody wants them any more', () => {
    known.takeNames(['orders']);
    read('orders', 'vm-1');
    known.want('orders');
    known.unwant('orders');
    expect(known.get('orders')?.instances).toHaveLength(1);
  });

  it('of which only those with instances worth reading are watched leave nothing to tell of health', () => {
    known.takeNames(['orders', 'own', '..']);
    known.takeCandidates(['orders', '..', 'not-listed-yet']);
    expect(known.areCandidatesWatched()).toBe(false);
    follow('orders', true);
    expect(known.areCandidatesWatched()).toBe(false);
    follow('orders', false);
    expect([known.areCandidatesWatched(), known.areAllWatched()]).toEqual([true, false]);
    known.takeNames(['orders', 'own', 'not-listed-yet']);
    expect(known.areCandidatesWatched()).toBe(false);
  });

  it('that nobody can ask for leave nothing to look for', () => {
    known.takeNames(['.', '..', 'orders']);
    expect(known.areAllWatched()).toBe(false);
    follow('orders', false);
    expect(known.areAllWatched()).toBe(true);
  });

  it('are doubtful when they came, were read and went between two lists', () => {
    known.takeNames(['other']);
    read('short', 'vm');
    expect(known.takeNames(['other']).doubtful).toEqual(['short']);
  });
});
