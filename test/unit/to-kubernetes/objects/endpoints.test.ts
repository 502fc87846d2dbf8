import { describe, expect, it } from '@jest/globals';
import type { Endpoints } from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION, LABEL } from '../../../../src/mark.ts';
import { endpointsDifferences } from '../../../../src/to-kubernetes/objects/differences.ts';
import { toCreate, toPatch } from '../../../../src/to-kubernetes/objects/body.ts';
import {
  desiredEndpoints,
  endpointsBody,
  endpointsWith,
  placesInEndpoints,
  sameEndpoints,
} from '../../../../src/to-kubernetes/objects/endpoints.ts';
import { service, strings } from '../../builders.ts';
import { addresses, mirrored, tcpPorts } from '../mirrored.ts';

const main = { name: 'main', protocol: 'TCP', appProtocol: 'http' } as const;

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

  it('have a subset for each protocol too', () => {
    const endpoints = [...addresses(1, { protocol: 'UDP' }), ...addresses(2)];
    const ports = [tcpPorts(80), { ...tcpPorts(80), protocol: 'UDP' as const }];
    expect(desiredEndpoints('billing', mirrored({ endpoints, ports })).subsets).toEqual([
      { addresses: ['10.20.0.0', '10.20.0.1'], ports: [{ ...main, port: 8080 }] },
      { addresses: ['10.20.0.0'], ports: [{ ...main, name: 'main-udp', protocol: 'UDP', port: 8080 }] },
    ]);
  });

  it('can be without a place of one protocol, and have the other at the same address and port', () => {
    const endpoints = [...addresses(1, { protocol: 'UDP' }), ...addresses(1)];
    const ports = [tcpPorts(80), { ...tcpPorts(80), protocol: 'UDP' as const }];
    const both = desiredEndpoints('billing', mirrored({ endpoints, ports }));
    const without = endpointsWith(both, ({ protocol }) => protocol === 'UDP');
    expect(placesInEndpoints(without)).toEqual([{ address: '10.20.0.0', port: 8080, protocol: 'UDP' }]);
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

describe('the v1 Endpoints in Kubernetes', () => {
  const desired = desiredEndpoints('billing', mirrored({ endpoints: addresses(1) }));
  const subsets = [{ addresses: ['10.20.0.0'], ports: [{ ...main, port: 8080 }] }];
  const skipped = { [LABEL.skipMirror]: 'true' };
  const { uid, resourceVersion, deletionTimestamp, namespace } = service();
  const observed: Endpoints = {
    ...{ namespace, name: 'billing', uid, resourceVersion, deletionTimestamp },
    ...{ labels: strings(skipped), annotations: strings(), subsets, ownerUid: '' },
  };

  it.each<[string, Partial<Endpoints>, boolean]>([
    ['as they should be', {}, true],
    [
      'with another address',
      { subsets: [{ ...main, addresses: ['10.20.0.1'], ports: subsets[0]?.ports ?? [] }] },
      false,
    ],
    ['with another port', { subsets: [{ addresses: ['10.20.0.0'], ports: [{ ...main, port: 1 }] }] }, false],
    ['with nothing', { subsets: [] }, false],
    ['that would be mirrored', { labels: strings() }, false],
    ['of a headless Service', { labels: strings({ ...skipped, [LABEL.headless]: '' }) }, false],
    ['said not to show all addresses', { annotations: strings({ [ANNOTATION.overCapacity]: 'truncated' }) }, false],
  ])('%s', (_, overrides, same) => {
    expect(sameEndpoints(desired, { ...observed, ...overrides })).toBe(same);
    // What is told of it names a field wherever they are not the same.
    expect(endpointsDifferences(desired, { ...observed, ...overrides }).length === 0).toBe(same);
  });
});

describe('the body of v1 Endpoints', () => {
  const bodyOf = (count: number, headless = false) => {
    const shape = { headless, onlyFamily: undefined, dualStack: false };
    const whole = mirrored({ shape, endpoints: addresses(count) });
    return endpointsBody({ marked: 'yes' }, desiredEndpoints('billing', whole), { kind: 'Service', name: 'billing' });
  };

  it('says of a headless Service that it is one, and of too many addresses that they are not all there', () => {
    expect(bodyOf(1001).metadata.annotations[ANNOTATION.overCapacity]).toBe('truncated');
    expect(bodyOf(1, true).metadata.labels[LABEL.headless]).toBe('');
  });

  it('has a label or annotation that must not be there taken away by a patch, and not sent with a new object', () => {
    expect(toPatch(bodyOf(1)).metadata).toMatchObject({
      labels: { [LABEL.headless]: null },
      annotations: { [ANNOTATION.overCapacity]: null },
    });
    expect(JSON.stringify(toCreate(bodyOf(1), 'shop', 'billing'))).not.toContain('null');
  });
});
