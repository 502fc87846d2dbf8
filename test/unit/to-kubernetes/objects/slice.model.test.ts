import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { EndpointSlice } from '../../../../src/kubernetes/objects.ts';
import { desiredSlices, type DesiredSlice, sameSlice } from '../../../../src/to-kubernetes/objects/slice.ts';
import type { MirroredEndpoint } from '../../../../src/to-kubernetes/desired/mirrored-service.ts';
import { endpoint, endpointPort, slice } from '../../builders.ts';
import { addresses, mirrored, written } from '../mirrored.ts';

/** Every endpoint that there can be here: two families, two ports, 130 addresses each. */
const POOL: readonly MirroredEndpoint[] = [
  ...addresses(130),
  ...addresses(130, { port: 9090 }),
  ...addresses(130, { family: 'IPv6' }),
];
const someEndpoints = fc.subarray([...POOL]);

const slicesFor = (endpoints: readonly MirroredEndpoint[], observed: readonly EndpointSlice[]) =>
  desiredSlices('billing', mirrored({ endpoints }), observed);
const identity = ({ family, port, address }: MirroredEndpoint) => `${family} ${port} ${address}`;

function expectEachOnce(slices: readonly DesiredSlice[], endpoints: readonly MirroredEndpoint[]): void {
  const found = slices.flatMap(({ addressType, ports, endpoints }) =>
    endpoints.map(({ address }) => `${addressType} ${ports[0]?.port} ${address}`),
  );
  expect([...found].sort()).toEqual(endpoints.map(identity).sort());
  expect(new Set(slices.map(({ name }) => name)).size).toBe(slices.length);
  for (const { endpoints } of slices) {
    expect(endpoints.length).toBeGreaterThan(0);
    expect(endpoints.length).toBeLessThanOrEqual(100);
  }
}

/** How many slices have to be created, changed or removed. */
function writes(desired: readonly DesiredSlice[], observed: readonly EndpointSlice[]): number {
  const byName = new Map(observed.map((slice) => [slice.name, slice]));
  const written = desired.filter((slice) => {
    const observed = byName.get(slice.name);
    return !observed || !sameSlice(slice, observed);
  });
  const wanted = new Set(desired.map(({ name }) => name));
  return written.length + observed.filter(({ name }) => !wanted.has(name)).length;
}

describe('whatever the slices were before', () => {
  it('every endpoint is in exactly one slice, and once written nothing is left to do', () => {
    fc.assert(
      fc.property(fc.array(someEndpoints, { minLength: 1, maxLength: 4 }), (history) => {
        let observed: EndpointSlice[] = [];
        for (const endpoints of history) {
          const desired = slicesFor(endpoints, observed);
          expectEachOnce(desired, endpoints);
          observed = desired.map(written);
          expect(writes(slicesFor(endpoints, observed), observed)).toBe(0);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('one endpoint that comes or goes is one slice written', () => {
    fc.assert(
      fc.property(someEndpoints, someEndpoints, fc.constantFrom(...POOL), (first, second, changed) => {
        const observed = slicesFor(second, slicesFor(first, []).map(written)).map(written);
        const without = second.filter((endpoint) => identity(endpoint) !== identity(changed));
        const after = without.length < second.length ? without : [...second, changed];
        expect(writes(slicesFor(after, observed), observed)).toBe(1);
      }),
      { numRuns: 50 },
    );
  });

  it('even after somebody changed them by hand', () => {
    const names = slicesFor(POOL, []).map(({ name }) => name);
    const handmade = fc
      .record({
        name: fc.constantFrom(...names, 'billing-x', 'another'),
        addressType: fc.constantFrom('IPv4', 'IPv6', 'FQDN'),
        ports: fc.constantFrom([], [8080], [9090], [8080, 9090]),
        size: fc.constantFrom(0, 1, 99, 130),
      })
      .map(({ name, addressType, ports, size }) =>
        slice({
          name,
          addressType,
          ports: ports.map((port) => endpointPort({ port })),
          endpoints: addresses(size, addressType === 'IPv6' ? { family: 'IPv6' } : {}).map(({ address }) =>
            endpoint(address),
          ),
        }),
      );
    const observed = fc.uniqueArray(handmade, { selector: ({ name }) => name, maxLength: 5 });
    fc.assert(
      fc.property(someEndpoints, observed, (endpoints, observed) => {
        expectEachOnce(slicesFor(endpoints, observed), endpoints);
      }),
      { numRuns: 200 },
    );
  });
});
