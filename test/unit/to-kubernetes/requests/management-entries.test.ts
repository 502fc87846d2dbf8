import { describe, expect, it } from '@jest/globals';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import { ManagementEntries } from '../../../../src/to-kubernetes/requests/management-entries.ts';
import { instance } from '../../builders.ts';
import { catalogOf } from '../views.ts';

const of = (service: string, id: string, overrides: Partial<ServiceInstance> = {}) =>
  instance({ service, id, ...overrides });

/** What Consul has, which a test changes. */
function stage(...instances: readonly ServiceInstance[]) {
  const consul = new Map<string, ServiceInstance[]>();
  const put = (given: ServiceInstance) => {
    const name = given.service.toLowerCase();
    consul.set(name, [...(consul.get(name) ?? []), given]);
  };
  for (const given of instances) put(given);
  return { consul, put, entries: new ManagementEntries(catalogOf(consul)) };
}

describe('a management entry of Spring', () => {
  const orders = of('orders', 'orders-1');

  it.each<[string, ServiceInstance, string | undefined]>([
    ['is what has the tag', of('orders-mgmt', 'x', { tags: ['a', 'management'] }), 'it has the tag management'],
    [
      'is what has the ID of the application and its end',
      of('orders-management', 'orders-1-management'),
      'its ID is that of orders on the same Consul node, orders-1, and -management',
    ],
    [
      'may have any suffix',
      of('Orders-actuator-port', 'orders-1-actuator-port'),
      'its ID is that of Orders on the same Consul node, orders-1, and -actuator-port',
    ],
    ['is not what is called like one', of('user-management', 'user-management-8080'), undefined],
    ['is not what has its name as ID', of('orders-1-management', 'orders-1-management'), undefined],
    ['is not on another node', of('orders-management', 'orders-1-management', { node: 'vm-2' }), undefined],
    ['is not that of an instance that is not there', of('orders-management', 'orders-2-management'), undefined],
    ['is not what has another end than its name', of('orders-api', 'orders-1-management'), undefined],
    ['is not the application', orders, undefined],
    ['is not what has nothing but the end as ID', of('orders-management', '-management'), undefined],
  ])('%s', (_, given, mark) => {
    const { entries } = stage(orders, given);
    expect(entries.markOf(given)).toBe(mark);
  });

  it('is not an application whose ID is its name, beside another whose ID is its name too', () => {
    const api = of('orders-api', 'orders-api');
    expect(stage(of('orders', 'orders'), api).entries.markOf(api)).toBeUndefined();
  });

  it('is known when the application is read after it, and then is to be looked at again', () => {
    const entry = of('orders-management', 'orders-1-management');
    const { entries, put } = stage(entry);
    expect(entries.markOf(entry)).toBeUndefined();
    put(orders);
    expect(entries.learn('orders')).toEqual(['orders-management']);
    expect(entries.markOf(entry)).toContain('orders-1');
    expect(entries.learn('orders')).toEqual([]);
  });

  it('stays one when the application goes first, until it has gone itself', () => {
    const entry = of('orders-management', 'orders-1-management');
    const { entries, consul, put } = stage(orders, entry);
    consul.set('orders', []);
    expect(entries.learn('orders')).toEqual([]);
    expect(entries.markOf(entry)).toContain('orders-1');
    consul.set('orders-management', []);
    entries.learn('orders-management');
    put(entry);
    entries.learn('orders-management');
    expect(entries.markOf(entry)).toBeUndefined();
  });
});
