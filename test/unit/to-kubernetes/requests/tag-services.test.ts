import { describe, expect, it } from '@jest/globals';
import {
  consulServiceOf,
  instancesWith,
  tagServiceNamed,
  tagServicesOf,
} from '../../../../src/to-kubernetes/requests/tag-services.ts';
import { instance } from '../../builders.ts';

const SETTINGS = [
  { service: 'pgsql-*', tags: ['Master', 'replica'] },
  { service: 'pgsql-main', tags: ['master'] },
  { service: 'vault', tags: ['active', 'eu/west'] },
];

describe('the Services for single tags of a Consul service', () => {
  it('are those of all settings that match it, each once, in lower case', () => {
    expect(tagServicesOf(SETTINGS, 'pgsql-main')).toEqual([
      { name: 'pgsql-main/master', service: 'pgsql-main', tag: 'master' },
      { name: 'pgsql-main/replica', service: 'pgsql-main', tag: 'replica' },
    ]);
    expect(tagServicesOf(SETTINGS, 'orders')).toEqual([]);
  });

  it.each([
    ['pgsql-main/replica', { name: 'pgsql-main/replica', service: 'pgsql-main', tag: 'replica' }],
    ['vault/eu/west', { name: 'vault/eu/west', service: 'vault', tag: 'eu/west' }],
    ['pgsql-main', undefined],
    ['pgsql-main/other', undefined],
    ['orders/master', undefined],
    ['/master', undefined],
  ])('%s: %j', (name, found) => {
    expect(tagServiceNamed(SETTINGS, name)).toEqual(found);
    expect(consulServiceOf(SETTINGS, name)).toBe(found?.service ?? name);
  });

  it('have the instances with that tag, in any case', () => {
    const [master, replica] = [instance({ tags: ['x', 'MASTER'] }), instance({ tags: ['replica', 'master2'] })];
    expect(instancesWith([master, replica], { tag: 'master' })).toEqual([master]);
  });
});
