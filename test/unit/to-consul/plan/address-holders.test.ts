import { describe, expect, it } from '@jest/globals';
import type { Pod } from '../../../../src/kubernetes/objects.ts';
import { AddressHolders } from '../../../../src/to-consul/plan/address-holders.ts';
import { condition } from '../../builders.ts';
import { viewOf } from '../../to-kubernetes/views.ts';
import { podNamed } from '../planning.ts';

const IP = '10.1.0.7';
const A = podNamed('a', { podIPs: [IP, 'fd00::7'], startTime: '2026-10-20T09:00:00Z' });
const EARLIER = '2026-10-19T10:00:00Z';
const LATER = '2026-10-20T09:00:01Z';
const READY = condition();
const NOT_READY = condition({ status: 'False' });

describe('other pods with the address of a pod', () => {
  it.each<readonly [rule: string, other: Partial<Pod>, expected: string[]]>([
    ['one with the same', { podIPs: [IP] }, ['shop/other']],
    ['one that has the second as its first', { podIPs: ['fd00::7'] }, ['shop/other']],
    ['not one with another', { podIPs: ['10.1.0.8'] }, []],
    ['not one on the network of its node', { podIPs: [IP], hostNetwork: true }, []],
    ['not one that has ended', { podIPs: [IP], phase: 'Succeeded' }, []],
    ['not one that failed', { podIPs: [IP], phase: 'Failed' }, []],
    ['not one that is being deleted', { podIPs: [IP], deletionTimestamp: '2026-10-20T10:00:00Z' }, []],
    ['one that is not Ready', { podIPs: [IP], ready: undefined }, ['shop/other']],
  ])('are %s', (_, other, expected) => {
    expect(new AddressHolders(viewOf(A, podNamed('other', other))).besides(A)).toEqual(expected);
  });

  it.each<readonly [rule: string, other: Partial<Pod>, expected: string[]]>([
    ['one that is Ready, whenever it started', { ready: READY, startTime: EARLIER }, ['shop/other']],
    ['one that started later and is not Ready', { ready: NOT_READY, startTime: LATER }, ['shop/other']],
    ['not one that started earlier and is not Ready', { ready: NOT_READY, startTime: EARLIER }, []],
    ['not one that started in the same second and is not Ready', { ready: NOT_READY, startTime: A.startTime }, []],
    ['one that does not say when it started', { ready: NOT_READY, startTime: '' }, ['shop/other']],
    ['not one with another address', { podIPs: ['10.1.0.8'], startTime: LATER }, []],
  ])('have it by right, as its heirs: %s', (_, other, expected) => {
    const holders = new AddressHolders(viewOf(A, podNamed('other', { podIPs: [IP], ...other })));
    expect(holders.heirs(A)).toEqual(expected);
  });

  it('are none for a pod that shares the address of its node by right', () => {
    const host = podNamed('host', { podIPs: [IP], hostNetwork: true });
    expect(new AddressHolders(viewOf(A, host)).besides(host)).toEqual([]);
  });

  it('follow what changes', () => {
    const pods = viewOf(A);
    const holders = new AddressHolders(pods);
    const named = (name: string, resourceVersion: string, podIPs = [IP]) => podNamed(name, { podIPs, resourceVersion });
    pods.put(named('b', '101'));
    pods.put(named('c', '102'));
    expect(holders.besides(A)).toEqual(['shop/b', 'shop/c']);
    pods.put(named('b', '103', ['10.1.0.8']));
    expect(holders.besides(A)).toEqual(['shop/c']);
    pods.delete(named('c', '104'));
    expect(holders.besides(A)).toEqual([]);
    pods.delete({ ...A, resourceVersion: '105' });
    expect(holders.besides(named('b', '106'))).toEqual([]);
    pods.put({ ...A, uid: 'new', resourceVersion: '107' });
    expect(holders.besides(named('b', '108'))).toEqual(['shop/a']);
  });
});
