import { describe, expect, it } from '@jest/globals';
import { spreadOf, type Spread } from '../../../../src/to-kubernetes/istio/spread.ts';
import { service, strings } from '../../builders.ts';
import { addresses } from '../mirrored.ts';
import { type Mode, modeOf } from '../../../../src/to-kubernetes/objects/service.ts';

const [vm, pod] = addresses(2);
if (!vm || !pod) throw new Error('expected two endpoints');
const isPod = (address: string) => address === pod.address;

describe('the endpoints of a service go', () => {
  it('past Istio when they speak UDP', () => {
    const [datagram] = addresses(1, { protocol: 'UDP' });
    if (!datagram) throw new Error('expected an endpoint');
    expect(spreadOf([datagram, vm], ['istio'], { slices: true, isPod })).toEqual({
      ...{ plain: [datagram], hiddenFromIstio: [vm], entries: [vm] },
    });
  });

  it.each<[string, Mode[], boolean, Spread]>([
    ['for everybody', ['service'], true, { plain: [vm, pod], hiddenFromIstio: [], entries: [] }],
    ['for Istio', ['istio'], true, { plain: [pod], hiddenFromIstio: [vm], entries: [vm] }],
    ['for both', ['service', 'istio'], true, { plain: [vm, pod], hiddenFromIstio: [vm], entries: [vm] }],
    [
      'for everybody, without slices for Istio',
      ['service'],
      false,
      { plain: [vm, pod], hiddenFromIstio: [], entries: [] },
    ],
    ['for Istio, without slices', ['istio'], false, { plain: [pod], hiddenFromIstio: [], entries: [vm] }],
    ['for both, without slices', ['istio', 'service'], false, { plain: [vm, pod], hiddenFromIstio: [], entries: [vm] }],
  ])('%s', (_, modes, slices, spread) => {
    expect(spreadOf([vm, pod], modes, { slices, isPod })).toEqual(spread);
  });
});

describe('a Service was written for', () => {
  const ours = { 'consular.dev/workload-of': 'billing' };

  it.each<[Mode, string, Record<string, string>]>([
    ['service', 'no selector', {}],
    ['istio', 'our selector', ours],
    ['service', 'a selector of somebody', { app: 'billing' }],
    ['service', 'our selector and more', { ...ours, app: 'billing' }],
    ['service', 'the selector of another Service', { 'consular.dev/workload-of': 'orders' }],
  ])('%s when it has %s', (mode, _, selector) => {
    expect(modeOf(service({ name: 'billing', selector: strings(selector) }))).toBe(mode);
  });
});
