import { describe, expect, it } from '@jest/globals';
import { rightIn, ruleFor } from '../../../src/consul/rights.ts';

const denied = (what: string) => `Permission denied: token with AccessorID 'ed9da281' lacks permission ${what}`;

describe('the right that Consul says is missing', () => {
  it.each([
    ['of a service', denied(`'service:write' on "orders"`), 'service "orders" { policy = "write" }'],
    ['of a node', denied(`'node:write' on "k8s-dev--a"`), 'node "k8s-dev--a" { policy = "write" }'],
    [
      'to read a key, which is to be written too',
      denied(`'key:read' on "consular/dev/leader"`),
      'key "consular/dev/leader" { policy = "write" }',
    ],
    [
      'of a request without a token',
      `Permission denied: anonymous token lacks permission 'service:write' on "orders". The anonymous token is used implicitly when a request does not specify a token.`,
      'service "orders" { policy = "write" }',
    ],
    ['with a quote in its name', denied(`'service:write' on "or\\"ders"`), 'service "or\\"ders" { policy = "write" }'],
  ])('%s', (_, what, rule) => {
    const right = rightIn(what);
    expect(right && ruleFor(right)).toBe(rule);
  });

  it.each([
    ['another refusal', 'failed to delete service: index is stale'],
    ['a denial without a name', 'Permission denied'],
    ['a kind that is not written', denied(`'agent:read' on "server-1"`)],
    ['a name that ends nowhere', denied(`'service:write' on "orders`)],
  ])('is unknown of %s', (_, what) => {
    expect(rightIn(what)).toBeUndefined();
  });
});
