import { expect, it } from '@jest/globals';
import { splitAddress } from '../../../src/observability/http.ts';

it.each([
  ['0.0.0.0:8080', '0.0.0.0', 8080],
  [':8080', '', 8080],
  ['[::1]:0', '::1', 0],
  ['localhost:80', 'localhost', 80],
])('the address %s is a host and a port', (address, host, port) => {
  expect(splitAddress(address)).toEqual({ host, port });
});
