import { describe, expect, it } from '@jest/globals';
import { describeAccess, type Access } from '../../../src/kubernetes/access.ts';
import { missingRights, whyClosed } from '../../../src/kubernetes/namespace-rights.ts';

const to = (verb: string, resource: string): Access => ({ verb, group: '', resource, namespace: 'shop' });
const read = [to('list', 'endpoints'), to('watch', 'endpoints')];
const write = [to('create', 'services'), to('patch', 'services')];
const named = ({ verb, resource }: Access) => `${verb} ${resource}`;
const CANNOT_WRITE = 'there is no right to create services in namespace shop, nor to write anything else';

/** What nobody may do, and what an authorizer cannot tell. */
const except =
  (denied: readonly string[], unknown: readonly string[] = []) =>
  (access: Access) =>
    Promise.resolve(unknown.includes(named(access)) ? undefined : !denied.includes(named(access)));

describe('a namespace', () => {
  it.each<[string, string[], string[], string]>([
    ['is open to whoever has all rights', [], [], ''],
    [
      'is closed without a right to read',
      ['watch endpoints'],
      [],
      'there is no right to watch endpoints in namespace shop',
    ],
    ['is closed without any right to write', ['create services', 'patch services'], [], CANNOT_WRITE],
    ['is open without some right to write', ['create services'], [], ''],
    ['is open while nobody can tell', [], ['list endpoints', 'create services', 'patch services'], ''],
  ])('%s', async (_, denied, unknown, expected) => {
    expect(await whyClosed(except(denied, unknown), { read, write })).toBe(expected);
  });

  it('is open to whoever may read, and wants to write nothing', async () => {
    expect(await whyClosed(except(['create services', 'patch services']), { read, write: [] })).toBe('');
  });
});

it('the rights that are missing are those that are denied for certain', async () => {
  const missing = await missingRights(except(['patch services'], ['create services']), [...read, ...write]);
  expect(missing.map(named)).toEqual(['patch services']);
});

it.each<[string, Access]>([
  ['create services in namespace shop', to('create', 'services')],
  [
    'patch endpointslices.discovery.k8s.io in namespace shop',
    { ...to('patch', 'endpointslices'), group: 'discovery.k8s.io' },
  ],
  ['watch namespaces shop', { ...to('watch', 'namespaces'), namespace: '', name: 'shop' }],
])('a right is called %s', (expected, access) => {
  expect(describeAccess(access)).toBe(expected);
});
