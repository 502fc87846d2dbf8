import { describe, expect, it } from '@jest/globals';
import type { Endpoints, EndpointSlice } from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION, LABEL } from '../../../../src/mark.ts';
import { emptied, type DesiredSlice } from '../../../../src/to-kubernetes/objects/slice.ts';
import { emptyEndpoints, keptOf, withKept } from '../../../../src/to-kubernetes/plan/kept.ts';
import { endpoint, endpointPort, service, slice, strings } from '../../builders.ts';

const of = (...addresses: string[]): EndpointSlice =>
  slice({
    endpoints: addresses.map((address) => endpoint(address)),
    annotations: strings({ [ANNOTATION.consulService]: 'Orders' }),
  });
const endpoints = (overrides: Partial<Endpoints> = {}): Endpoints => ({
  ...{ namespace: 'shop', name: 'orders', uid: 'uid-of-endpoints', resourceVersion: '100', deletionTimestamp: '' },
  ...{ labels: strings(), annotations: strings(), ownerUid: '' },
  subsets: [{ addresses: ['10.0.0.1'], ports: [endpointPort()] }],
  ...overrides,
});
const desired = (observed: EndpointSlice, ...addresses: string[]): DesiredSlice => ({
  ...emptied(observed, 'orders', 'Orders'),
  endpoints: addresses.map((address) => ({ address, zone: '', host: '' })),
});
const shown = (slices: readonly DesiredSlice[]) =>
  slices.map(({ name, endpoints }) =>
    [name, ...endpoints.map(({ address, ready = true }) => `${address}${ready ? '' : ' not ready'}`)].join(' '),
  );

describe('slices while nothing may be removed', () => {
  it('keep what would go, not ready, behind what is wanted', () => {
    const own = of('10.0.0.1', '10.0.0.2');
    expect(shown(withKept([desired(own, '10.0.0.2', '10.0.0.3')], [own]))).toEqual([
      'orders-x1 10.0.0.2 10.0.0.3 10.0.0.1 not ready',
    ]);
  });

  it('stay where they would go as a whole', () => {
    const [kept] = withKept([], [of('10.0.0.1')]);
    expect(kept).toMatchObject({ consulService: 'Orders', serviceName: 'orders', endpoints: [{ ready: false }] });
    const imported = slice({ annotations: strings({ [ANNOTATION.importedFrom]: 'Billing' }) });
    expect(withKept([], [imported])[0]?.consulService).toBe('Billing');
    expect(withKept([], [slice()])[0]?.consulService).toBe('');
  });

  it('keep nothing that is wanted in another of them, and nothing behind other ports', () => {
    const own = of('10.0.0.1');
    expect(shown(withKept([{ ...desired(own, '10.0.0.1'), name: 'orders-x2' }], [own]))).toEqual([
      'orders-x2 10.0.0.1',
    ]);
    const moved = { ...desired(own, '10.0.0.9'), ports: [endpointPort({ port: 9999 })] };
    expect(shown(withKept([moved], [own]))).toEqual(['orders-x1 10.0.0.9']);
  });

  it('have room for what is wanted first', () => {
    const many = Array.from({ length: 1000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
    const own = of('10.0.0.1');
    const [full] = withKept([desired(own, ...many)], [own]);
    expect(full?.endpoints.filter(({ ready }) => ready === false)).toEqual([]);
    expect(full?.endpoints).toHaveLength(1000);
  });

  it('without a port stay too', () => {
    expect(shown(withKept([], [slice({ ports: [], endpoints: [endpoint('10.0.0.1')] })]))).toEqual([
      'orders-x1 10.0.0.1 not ready',
    ]);
  });
});

describe('v1 Endpoints that would go', () => {
  const written = (more: Readonly<Record<string, string>> = {}) =>
    endpoints({ labels: strings({ [LABEL.skipMirror]: 'true', ...more }) });

  it('are emptied: who reads them is sent to every address in them', () => {
    const observed = written({ [LABEL.headless]: '' });
    expect(emptyEndpoints({ create: [], update: [], remove: [observed] })).toEqual({
      create: [],
      update: [
        {
          desired: { name: observed.name, consulService: '', headless: true, subsets: [], truncated: false },
          observed,
        },
      ],
      remove: [],
    });
  });

  it('are left alone where they are empty already, and where slices are made of them', () => {
    const remove = [{ ...written(), subsets: [] }, endpoints()];
    expect(emptyEndpoints({ create: [], update: [], remove })).toEqual({ create: [], update: [], remove: [] });
  });
});

describe('what is kept', () => {
  it('is told of Services, and of each slice with endpoints that are not ready', () => {
    const kept = slice({ name: 'kept', endpoints: [endpoint('10.0.0.1', { ready: false }), endpoint('10.0.0.2')] });
    const changed = slice({ name: 'changed' });
    const gone = slice({ name: 'gone', endpoints: [endpoint('10.0.0.1', { ready: false })] });
    const update = [
      {
        desired: {
          ...desired(changed),
          endpoints: ['10.0.0.3', '10.0.0.4'].map((address) => ({ address, zone: '', host: '', ready: false })),
        },
        observed: changed,
      },
    ];
    const changes = { create: [], update, remove: [gone] };
    expect(
      keptOf([service()], [kept, changed, gone, slice()], changes).map(
        ({ kind, name, note }) => `${kind} ${name}: ${note}`,
      ),
    ).toEqual([
      'Service orders: kept because toKubernetes.removals is never',
      'EndpointSlice kept: 1 endpoint kept, not ready, because toKubernetes.removals is never',
      'EndpointSlice changed: 2 endpoints kept, not ready, because toKubernetes.removals is never',
    ]);
  });
});
