import { expect, it } from '@jest/globals';
import { isReadableName, whyUnreadable } from '../../../src/consul/readable-name.ts';

it.each(['orders', 'my app', 'größe', 'a/b', '...', 'a\u0301', '50%', ''])(
  '%j is a name that Consul can be asked for',
  (name) => {
    expect([isReadableName(name), whyUnreadable(name)]).toEqual([true, undefined]);
  },
);

it.each([
  ['.', /another path/],
  ['..', /another path/],
  ['bad\nname', /cannot be printed/],
  ['a\u202eb', /cannot be printed/],
  ['a\u200bb', /cannot be printed/],
  ['a\u00a0b', /cannot be printed/],
  ['\u0000', /cannot be printed/],
])('%j is none', (name, why) => {
  expect([isReadableName(name), whyUnreadable(name)]).toEqual([false, expect.stringMatching(why)]);
});
