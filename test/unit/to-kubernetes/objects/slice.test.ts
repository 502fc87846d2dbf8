import { describe, expect, it } from '@jest/globals';
import { desiredSlices } from '../../../../src/to-kubernetes/objects/slice.ts';
import { strings } from '../../builders.ts';
import { addresses, asSlice, mirrored, written } from '../mirrored.ts';
import { desiredEndpoints } from '../../../../src/to-kubernetes/objects/endpoints.ts';
import { desiredService } from '../../../../src/to-kubernetes/objects/service.ts';

const main = { name: 'main', protocol: 'TCP', appProtocol: 'http' } as const;

describe('the Service of a mirrored service', () => {
  it('has a port main, and a port alias when there is one; both lead to their own name in the slices', () => {
    expect(desiredService('billing', mirrored({ ports: { main: 80, alias: 8080 } }), 'service')).toEqual({
      name: 'billing',
      consulService: 'Billing',
      shape: { headless: false, onlyFamily: undefined, dualStack: false },
      portChoice: '80,8080',
      mode: 'service',
      ports: [
        { ...main, port: 80, targetPort: 'main' },
        { ...main, name: 'alias', port: 8080, targetPort: 'alias' },
      ],
    });
    expect(desiredService('billing', mirrored(), 'service').ports).toEqual([{ ...main, port: 80, targetPort: 'main' }]);
  });
});

describe('the slices of a mirrored service', () => {
  it('are one for each address family and port, with every port name of the Service', () => {
    const endpoints = [...addresses(2), ...addresses(1, { port: 9090 }), ...addresses(1, { family: 'IPv6' })];
    const slices = desiredSlices('billing', mirrored({ endpoints, ports: { main: 80, alias: 8080 } }), []);
    expect(
      slices.map(({ addressType, ports, endpoints }) => [
        addressType,
        ports.map(({ name, port }) => `${name} ${port}`),
        endpoints.length,
      ]),
    ).toEqual([
      ['IPv4', ['main 8080', 'alias 8080'], 2],
      ['IPv4', ['main 9090', 'alias 9090'], 1],
      ['IPv6', ['main 8080', 'alias 8080'], 1],
    ]);
    for (const { name, serviceName } of slices)
      expect([name, serviceName]).toEqual([expect.stringMatching(/^billing-[0-9a-f]{8}$/), 'billing']);
  });

  it('are none for a service without endpoints', () => {
    expect(desiredSlices('billing', mirrored(), [asSlice({ ...mirrored(), endpoints: addresses(1) })])).toEqual([]);
  });

  it('never turn from such that Istio reads into such that it passes over, or back', () => {
    const service = mirrored({ endpoints: addresses(1) });
    const [plain, forMesh] = [false, true].map((hiddenFromIstio) => {
      return desiredSlices('billing', service, [], undefined, hiddenFromIstio).map(written);
    });
    const names = (hiddenFromIstio: boolean, observed = plain) =>
      desiredSlices('billing', service, observed ?? [], undefined, hiddenFromIstio).map(({ name }) => name);
    expect(names(false)).toEqual(plain?.map(({ name }) => name));
    expect(names(true, forMesh)).toEqual(forMesh?.map(({ name }) => name));
    // The other one has the same endpoints and port, and is another all the same.
    expect(names(true)).toEqual(forMesh?.map(({ name }) => name));
    expect(names(true)).not.toEqual(names(false));
    // Somebody took the label away from a slice that we made for Istio to pass over.
    const stripped = forMesh?.map((slice) => ({ ...slice, labels: strings() }));
    expect(names(true, stripped)).not.toEqual(stripped?.map(({ name }) => name));
  });

  it('hold at most 100 endpoints each', () => {
    const sizes = desiredSlices('billing', mirrored({ endpoints: addresses(250) }), []).map(
      ({ endpoints }) => endpoints.length,
    );
    expect(sizes).toEqual([100, 100, 50]);
  });

  it('keep an endpoint where it is, under whatever name that slice has', () => {
    const endpoints = addresses(3);
    const observed = asSlice(mirrored({ endpoints: endpoints.slice(2) }), 'billing-old');
    expect(desiredSlices('billing', mirrored({ endpoints }), [observed]).map(({ name }) => name)).toEqual([
      'billing-old',
    ]);
  });
});

describe('the v1 Endpoints of a mirrored service', () => {
  it('have one subset for each port, in the same order whatever the order of the instances', () => {
    const endpoints = [...addresses(2, { port: 9090 }), ...addresses(2)];
    const [forward, backward] = [endpoints, [...endpoints].reverse()].map((endpoints) =>
      desiredEndpoints('billing', mirrored({ endpoints })),
    );
    expect(forward).toEqual({
      name: 'billing',
      consulService: 'Billing',
      headless: false,
      truncated: false,
      subsets: [
        { addresses: ['10.20.0.0', '10.20.0.1'], ports: [{ ...main, port: 8080 }] },
        { addresses: ['10.20.0.0', '10.20.0.1'], ports: [{ ...main, port: 9090 }] },
      ],
    });
    expect(backward).toEqual(forward);
  });

  it('have no subset without instances, and at most 1000 addresses with many', () => {
    expect(desiredEndpoints('billing', mirrored()).subsets).toEqual([]);
    const { subsets } = desiredEndpoints('billing', mirrored({ endpoints: addresses(1200) }));
    expect(subsets.map(({ addresses }) => addresses.length)).toEqual([1000]);
  });

  it.each([
    [1000, false],
    [1001, true],
  ])('with %i addresses: do not show all is %p', (count, truncated) => {
    expect(desiredEndpoints('billing', mirrored({ endpoints: addresses(count) })).truncated).toBe(truncated);
  });
});
