import { describe, expect, it } from '@jest/globals';
import { leasePlace } from '../../../src/leadership/lease-place.ts';
import { load } from '../config/parsing.ts';

const POD = { namespace: 'consular' };

describe('the Lease of the election', () => {
  const place = (text: string, pod: typeof POD | undefined) => leasePlace(load(`leaderElection: {${text}}`), pod);

  it.each([
    ['', POD, { namespace: 'consular', name: 'consular-prod' }],
    ['', undefined, undefined],
    ['enabled: false', POD, undefined],
    ['enabled: false, namespace: ops', undefined, undefined],
    ['namespace: ops', undefined, undefined],
    ['enabled: true', POD, { namespace: 'consular', name: 'consular-prod' }],
    ['namespace: ops, name: one', POD, { namespace: 'ops', name: 'one' }],
    ['enabled: true, namespace: ops', undefined, { namespace: 'ops', name: 'consular-prod' }],
  ])('with {%s} in the pod %j is %j', (text, pod, expected) => {
    expect(place(text, pod)).toEqual(expected);
  });

  it('is another for each cluster', () => {
    const of = (cluster: string) => leasePlace({ ...load(''), cluster }, POD)?.name;
    expect([of('a'), of('b')]).toEqual(['consular-a', 'consular-b']);
  });

  it.each([
    ['enabled: true', undefined, 'this is no pod'],
    ['enabled: auto', { namespace: '' }, 'the service account of this pod does not tell one'],
  ])('with {%s} and the pod %j is a mistake of the configuration', (text, pod, why) => {
    expect(() => place(text, pod)).toThrow(
      new RegExp(`leaderElection\\.namespace: expected a namespace for the Lease, as ${why}.*, found none`),
    );
  });
});
