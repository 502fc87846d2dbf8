import type { MirroredEndpoint } from '../../../../src/to-kubernetes/desired/mirrored-service.ts';
import { describe, expect, it } from '@jest/globals';
import { MULTICLUSTER_SERVICE_LABEL, type EndpointSlice } from '../../../../src/kubernetes/objects.ts';
import { LABEL, SLICE_MANAGER } from '../../../../src/mark.ts';
import { sliceDifferences } from '../../../../src/to-kubernetes/objects/differences.ts';
import { toCreate, toPatch } from '../../../../src/to-kubernetes/objects/body.ts';
import { desiredSlices, sameSlice, sliceBody } from '../../../../src/to-kubernetes/objects/slice.ts';
import { endpoint, endpointPort, strings } from '../../builders.ts';
import { addresses, asSlice, mirrored, tcpPorts, written } from '../mirrored.ts';

const main = { name: 'main', protocol: 'TCP', appProtocol: 'http' } as const;

describe('the slices of a mirrored service', () => {
  it('are one for each address family and port, with every port name of the Service', () => {
    const endpoints = [...addresses(2), ...addresses(1, { port: 9090 }), ...addresses(1, { family: 'IPv6' })];
    const slices = desiredSlices('billing', mirrored({ endpoints, ports: [tcpPorts(80, 8080)] }), []);
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

  it('are one group for each protocol, and those of TCP keep their names', () => {
    const [tcp, udp] = [addresses(1), addresses(1, { protocol: 'UDP' })];
    const ports = [tcpPorts(80), { ...tcpPorts(80), protocol: 'UDP' as const }];
    const names = (endpoints: MirroredEndpoint[]) =>
      desiredSlices('billing', mirrored({ endpoints, ports }), []).map(({ name }) => name);
    const slices = desiredSlices('billing', mirrored({ endpoints: [...tcp, ...udp], ports }), []);
    expect(slices.map(({ ports }) => ports)).toEqual([
      [{ ...main, port: 8080 }],
      [{ ...main, name: 'main-udp', protocol: 'UDP', port: 8080 }],
    ]);
    expect(slices.map(({ name }) => name)).toEqual([...names(tcp), ...names(udp)]);
    expect(new Set(slices.map(({ name }) => name)).size).toBe(2);
    const observed = slices.map(written);
    expect(desiredSlices('billing', mirrored({ endpoints: [...tcp, ...udp], ports }), observed)).toEqual(slices);
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

describe('the slice in Kubernetes', () => {
  const [desired] = desiredSlices('billing', mirrored({ endpoints: addresses(2, { zone: 'eu-1a' }) }), []);
  const observed = asSlice(mirrored({ endpoints: addresses(2, { zone: 'eu-1a' }) }));
  const [first, second] = observed.endpoints;
  const managed = { [LABEL.sliceManagedBy]: SLICE_MANAGER };
  if (!desired || !first || !second) throw new Error('expected a slice with two endpoints');

  it.each<[string, Partial<EndpointSlice>, boolean]>([
    ['as it should be', {}, true],
    ['with its endpoints in another order', { endpoints: [second, first] }, true],
    ['with an endpoint less', { endpoints: [first] }, false],
    ['with an endpoint more', { endpoints: [first, second, endpoint('10.20.9.9')] }, false],
    ['with another endpoint', { endpoints: [first, { ...second, address: '10.20.9.9' }] }, false],
    ['with an endpoint twice', { endpoints: [first, first] }, false],
    ['with an endpoint that is not ready', { endpoints: [first, { ...second, ready: false }] }, false],
    ['with an endpoint that does not serve', { endpoints: [first, { ...second, serving: false }] }, false],
    ['with an endpoint that is going', { endpoints: [first, { ...second, terminating: true }] }, false],
    [
      'with an endpoint that is said to be a pod',
      { endpoints: [first, { ...second, target: { kind: 'Pod', namespace: 'shop', name: 'x' } }] },
      false,
    ],
    ['with a label more', { labels: strings({ ...managed, team: 'shop' }) }, true],
    ['without the label that keeps other controllers away', { labels: strings() }, false],
    ['that another controller may take for its own', { labels: strings({ [LABEL.sliceManagedBy]: 'other' }) }, false],
    ['of a headless Service', { labels: strings({ ...managed, [LABEL.headless]: '' }) }, false],
    ['with another zone', { endpoints: [first, { ...second, zone: '' }] }, false],
    ['with another port', { ports: [endpointPort({ ...main, port: 1 })] }, false],
    ['with another port name', { ports: [endpointPort({ ...main, name: 'http' })] }, false],
    ['with another appProtocol', { ports: [endpointPort({ ...main, appProtocol: '' })] }, false],
    ['without ports', { ports: [] }, false],
  ])('%s', (_, overrides, same) => {
    expect(sameSlice(desired, { ...observed, ...overrides })).toBe(same);
    // What is told of it names a field wherever they are not the same.
    expect(sliceDifferences(desired, { ...observed, ...overrides }).length === 0).toBe(same);
  });
});

describe('the body of a slice', () => {
  const bodyOf = (headless: boolean, hidden = false) => {
    const shape = { headless, onlyFamily: undefined, dualStack: false };
    const whole = mirrored({ shape, endpoints: addresses(1) });
    const [desired] = desiredSlices('billing', whole, [], undefined, hidden);
    if (!desired) throw new Error('expected a slice');
    return sliceBody({ marked: 'yes' }, desired, { kind: 'Service', name: 'billing' });
  };

  it('says of a headless Service that it is one, and has that taken away from any other', () => {
    expect(bodyOf(true).metadata.labels[LABEL.headless]).toBe('');
    expect(toPatch(bodyOf(false)).metadata).toMatchObject({ labels: { [LABEL.headless]: null } });
  });

  it('has its family sent once only', () => {
    expect(toCreate(bodyOf(false), 'shop', 'x')).toMatchObject({ addressType: 'IPv4' });
    expect(toPatch(bodyOf(false))).not.toHaveProperty('addressType');
  });

  it('has the label that Istio passes over where it should, and says nothing of it elsewhere', () => {
    expect(bodyOf(false, true).metadata.labels[MULTICLUSTER_SERVICE_LABEL]).toBe('');
    expect(bodyOf(false).metadata.labels).not.toHaveProperty([MULTICLUSTER_SERVICE_LABEL]);
  });
});
