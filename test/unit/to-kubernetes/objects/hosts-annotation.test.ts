import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readHosts, writeHosts } from '../../../../src/to-kubernetes/objects/hosts-annotation.ts';
import { endpoint, slice, strings } from '../../builders.ts';

const withNote = (text: string, ...addresses: string[]) =>
  slice({
    annotations: strings({ 'consular.dev/hosts': text }),
    endpoints: addresses.map((address) => endpoint(address)),
  });

describe('the host names of a slice', () => {
  it('are none when all addresses are addresses in Consul too', () => {
    expect(writeHosts([{ address: '10.20.0.1', host: '' }])).toBeNull();
    expect(readHosts(slice())).toEqual(new Map());
  });

  it('are read as they were written, in whatever order', () => {
    const host = fc.constantFrom('', 'vm-1', 'vm-2.example.com', '__proto__', 'toString');
    const endpoints = fc.uniqueArray(
      fc.record({ address: fc.constantFrom('10.20.0.1', '10.20.0.2', 'fd00::1'), host }),
      {
        selector: ({ address }) => address,
      },
    );
    fc.assert(
      fc.property(endpoints, (endpoints) => {
        const text = writeHosts(endpoints);
        expect(writeHosts([...endpoints].reverse())).toBe(text);
        const read = readHosts(withNote(text ?? '{}', ...endpoints.map(({ address }) => address)));
        expect([...read].sort()).toEqual(
          endpoints
            .filter(({ host }) => host !== '')
            .map(({ address, host }) => [address, host])
            .sort(),
        );
      }),
    );
  });

  it.each([
    ['no JSON', 'vm-1'],
    ['no object', '["vm-1"]'],
    ['nothing', 'null'],
    ['a name that is none', '{"10.20.0.1": 7}'],
    ['an empty name', '{"10.20.0.1": ""}'],
    ['an address that is not there', '{"10.20.0.9": "vm-1"}'],
  ])('that somebody made %s are none', (_, text) => {
    expect(readHosts(withNote(text, '10.20.0.1'))).toEqual(new Map());
  });
});
