import { describe, expect, it } from '@jest/globals';
import { mayPublish, policyRejections } from '../../../../src/to-consul/desired/policy.ts';
import { policy, strings } from '../../builders.ts';

const RULES = [
  { namespaces: ['shop', 'shop-*'], services: ['orders', 'basket-*'] },
  { namespaces: ['billing'], services: ['invoices'] },
];
const NOTHING = { hasForeignInstances: false, firstNamespace: undefined };
const FOREIGN = { hasForeignInstances: true, firstNamespace: undefined };
const first = (namespace: string) => ({ hasForeignInstances: false, firstNamespace: namespace });

/** The decision table in the comment of mayPublish, row by row. */
describe('a name', () => {
  it.each([
    ['open', 'shop', 'orders', NOTHING, true],
    ['open', 'shop-eu', 'basket-items', NOTHING, true],
    ['open', 'billing', 'orders', NOTHING, false],
    ['open', 'billing', 'ORDERS', NOTHING, false],
    ['open', 'other', 'anything', NOTHING, true],
    ['open', 'other', 'anything', FOREIGN, true],
    ['open', 'other', 'anything', first('shop'), true],
    ['deny', 'shop', 'orders', FOREIGN, true],
    ['deny', 'shop', 'orders', first('billing'), true],
    ['deny', 'billing', 'orders', NOTHING, false],
    ['deny', 'other', 'anything', NOTHING, true],
    ['deny', 'other', 'anything', first('other'), true],
    ['deny', 'other', 'anything', FOREIGN, false],
    ['deny', 'other', 'anything', first('shop'), false],
  ] as const)(
    'by a policy that is %s: namespace %s, service %s, %j: %p',
    (fallback, namespace, name, state, allowed) => {
      const denied = mayPublish(policy({ default: fallback, rules: RULES }), namespace, name, state);
      expect(denied === undefined).toBe(allowed);
      if (denied) expect(denied).toMatchObject({ reason: 'PolicyDenied', message: expect.stringContaining(namespace) });
    },
  );

  it('with characters of regular expressions is only text', () => {
    const rules = [{ namespaces: ['(a+)+$'], services: ['.*'] }];
    expect(mayPublish(policy({ rules }), 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'orders', NOTHING)).toBeUndefined();
    expect(mayPublish(policy({ rules }), 'shop', '.orders', NOTHING)?.reason).toBe('PolicyDenied');
  });
});

describe('a registration', () => {
  const reasons = (registration: { service?: string; tags?: string[] }, meta = {}, overrides = {}) =>
    policyRejections(policy(overrides), 'shop', { service: 'orders', tags: [], ...registration }, strings(meta)).map(
      ({ reason }) => reason,
    );

  it.each(['nomad', 'nomad-client', 'Vault', 'orders-sidecar-proxy'])('may not be called %s by default', (service) => {
    expect(reasons({ service })).toEqual(['ReservedName']);
    expect(reasons({ service }, {}, { reserved: [] })).toEqual([]);
  });

  it('may have the tags and meta that are allowed', () => {
    const given = { tags: ['v1', 'traefik.enable=true', 'urlprefix-/'] };
    expect(reasons(given, { team: 'shop', secret: 'x' })).toEqual([]);
    const closed = {
      tags: { include: ['*'], exclude: ['traefik.*', 'urlprefix-*'] },
      meta: { include: ['team'], exclude: [] },
    };
    expect(reasons(given, { team: 'shop', secret: 'x' }, closed)).toEqual([
      'PolicyDenied',
      'PolicyDenied',
      'PolicyDenied',
    ]);
    expect(reasons({ tags: ['v1'] }, { team: 'shop' }, closed)).toEqual([]);
  });
});
