import { describe, expect, it } from '@jest/globals';
import type { ServiceInstance } from '../../../src/consul/types.ts';
import { TaggedCatalog, type ReadCatalog } from '../../../src/to-kubernetes/tagged-catalog.ts';
import { instance } from '../builders.ts';

const SETTINGS = [{ service: 'pgsql-*', tags: ['master', 'replica'] }];
const [one, two] = [instance({ id: '1', tags: ['master'] }), instance({ id: '2', tags: ['other'] })];

/** Consul's services, and what is asked of them. */
function stage(
  services: Readonly<Record<string, readonly ServiceInstance[]>> = { 'pgsql-main': [one, two], orders: [] },
) {
  const asked: string[] = [];
  const listeners: ((name: string) => void)[] = [];
  const ask = (what: string) => (name: string) => void asked.push(`${what} ${name}`);
  const answer = (what: string) => (name: string) => Promise.resolve(ask(what)(name));
  const consul: ReadCatalog = {
    names: () => Object.keys(services),
    spelling: (name) => name.toUpperCase(),
    instances: (name) => services[name],
    isComplete: (name) => name !== 'pgsql-lost',
    stays: (name) => name === 'pgsql-lost',
    subscribe: (listener) => void listeners.push(listener),
    ...{ refresh: answer('refresh'), confirm: answer('confirm') },
    ...{ want: ask('want'), unwant: ask('unwant'), follow: ask('follow'), unfollow: ask('unfollow') },
  };
  const tell = (name: string) => {
    for (const listener of listeners) listener(name);
  };
  return { catalog: new TaggedCatalog(consul, SETTINGS), asked, tell };
}

describe('a service that stands for a tag', () => {
  it('is there while an instance has the tag, and has these instances', () => {
    const { catalog } = stage();
    expect(catalog.names()).toEqual(['pgsql-main', 'orders', 'pgsql-main/master']);
    expect(catalog.instances('pgsql-main/master')).toEqual([one]);
    expect(catalog.instances('pgsql-main/replica')).toEqual([]);
    expect(catalog.instances('pgsql-main')).toEqual([one, two]);
    expect(catalog.spelling('pgsql-main/master')).toBe('PGSQL-MAIN/master');
    expect(catalog.spelling('orders')).toBe('ORDERS');
  });

  it('is not known before the service is', () => {
    expect(stage({}).catalog.instances('pgsql-main/master')).toBeUndefined();
  });

  it('is to be looked at whenever something of the service changes', () => {
    const { catalog, tell } = stage();
    const told: string[] = [];
    catalog.subscribe((name) => told.push(name));
    tell('pgsql-main');
    tell('orders');
    expect(told).toEqual(['pgsql-main', 'pgsql-main/master', 'pgsql-main/replica', 'orders']);
  });

  it('is read and confirmed with the service', async () => {
    const { catalog, asked } = stage();
    await catalog.refresh('pgsql-main/master');
    await catalog.confirm('pgsql-main/master');
    expect(asked).toEqual(['refresh pgsql-main', 'confirm pgsql-main']);
  });

  it('is followed with the service for as long as anything of it is', () => {
    const { catalog, asked } = stage();
    catalog.follow('pgsql-main/master');
    catalog.unfollow('pgsql-main');
    catalog.unfollow('pgsql-main/replica');
    expect(asked).toEqual(['follow pgsql-main']);
    catalog.unfollow('pgsql-main/master');
    catalog.unfollow('orders');
    expect(asked.slice(1)).toEqual(['unfollow pgsql-main', 'unfollow orders']);
  });

  it('is wanted with the service for as long as anything of it is', () => {
    const { catalog, asked } = stage();
    catalog.want('pgsql-main/master');
    catalog.want('pgsql-main');
    catalog.unwant('pgsql-main/master');
    expect(asked).toEqual(['want pgsql-main', 'want pgsql-main']);
    catalog.unwant('pgsql-main');
    catalog.unwant('orders');
    expect(asked.slice(2)).toEqual(['unwant pgsql-main', 'unwant orders']);
  });
});

it('may have lost instances of a tag when it may have lost some of the service', () => {
  const { catalog } = stage();
  expect(['pgsql-main/master', 'pgsql-lost/master', 'pgsql-lost'].map((name) => catalog.isComplete(name))).toEqual([
    true,
    false,
    false,
  ]);
  expect(['pgsql-main/master', 'pgsql-lost/master'].map((name) => catalog.stays(name, '10.0.0.1', 80))).toEqual([
    false,
    true,
  ]);
});
