import { describe, expect, it } from '@jest/globals';
import type { Pod } from '../../../../src/kubernetes/objects.ts';
import { NodeAddresses } from '../../../../src/to-consul/plan/node-addresses.ts';
import { node, pod } from '../../builders.ts';
import { viewOf } from '../../to-kubernetes/views.ts';

const on = (name: string, hostIP: string, overrides: Partial<Pod> = {}) =>
  pod({ name, uid: `uid-of-${name}`, nodeName: 'worker-1', hostIP, ...overrides });

describe('the address of a Consul node', () => {
  it.each<[string, Pod[], string, string]>([
    ['is the hostIP that all pods have', [on('a', '10.0.0.1'), on('b', '10.0.0.1')], '10.0.0.9', '10.0.0.1'],
    ['is the InternalIP where pods disagree', [on('a', '10.0.0.1'), on('b', '10.0.0.2')], '10.0.0.9', '10.0.0.9'],
    [
      'is the smallest where pods disagree and the Node has none',
      [on('a', '10.0.0.2'), on('b', '10.0.0.1')],
      '',
      '10.0.0.1',
    ],
    ['is the InternalIP where no pod has any', [on('a', '')], '10.0.0.9', '10.0.0.9'],
    ['is that of those that have any', [on('a', ''), on('b', '10.0.0.1')], '10.0.0.9', '10.0.0.1'],
    [
      'is the smallest IP of the pods where nobody else knows',
      [on('a', '', { podIPs: ['10.1.0.8', '10.1.0.1'] }), on('b', '', { podIPs: ['10.1.0.7'] })],
      '',
      '10.1.0.7',
    ],
    [
      'is not the IP of a pod where another pod has a hostIP',
      [on('a', '', { podIPs: ['10.0.0.0'] }), on('b', '10.0.0.1')],
      '',
      '10.0.0.1',
    ],
    ['is not known where nobody knows', [on('a', '', { podIPs: [] })], '', ''],
    [
      'is not that of pods that have ended',
      [on('a', '10.0.0.1', { phase: 'Failed' }), on('b', '10.0.0.2')],
      '',
      '10.0.0.2',
    ],
    ['is not that of pods elsewhere', [on('a', '10.0.0.1', { nodeName: 'worker-2' })], '', ''],
  ])('%s', (_, pods, internalIP, expected) => {
    const addresses = new NodeAddresses(viewOf(...pods), viewOf(node({ name: 'worker-1', internalIP })));
    expect(addresses.of('worker-1')).toBe(expected);
  });

  it('follows the pods: those that come, get another hostIP, end and go', () => {
    const pods = viewOf(on('a', '10.0.0.1'), on('b', '10.0.0.1'));
    const addresses = new NodeAddresses(pods, viewOf(node({ name: 'worker-1', internalIP: '10.0.0.9' })));
    const step = (name: string, hostIP: string, version: string, phase = 'Running') => {
      pods.put(on(name, hostIP, { resourceVersion: version, phase }));
      return addresses.of('worker-1');
    };
    expect(step('a', '10.0.0.2', '111')).toBe('10.0.0.9');
    expect(step('b', '10.0.0.2', '112')).toBe('10.0.0.2');
    expect(step('c', '10.0.0.3', '113')).toBe('10.0.0.9');
    expect(step('c', '10.0.0.3', '114', 'Succeeded')).toBe('10.0.0.2');
    pods.delete(on('a', '10.0.0.2'));
    expect(addresses.of('worker-1')).toBe('10.0.0.2');
    pods.delete(on('b', '10.0.0.2'));
    expect(addresses.of('worker-1')).toBe('10.0.0.9');
  });

  it('follows the IPs of the pods of a virtual kubelet', () => {
    const at = (name: string, ip: string, version: string) => on(name, '', { podIPs: [ip], resourceVersion: version });
    const pods = viewOf(at('a', '10.1.0.5', '100'));
    const addresses = new NodeAddresses(pods, viewOf(node({ name: 'worker-1', internalIP: '' })));
    expect(addresses.of('worker-1')).toBe('10.1.0.5');
    pods.put(at('b', '10.1.0.3', '101'));
    pods.put(at('c', '10.1.0.4', '102'));
    expect(addresses.of('worker-1')).toBe('10.1.0.3');
    pods.drop(at('b', '10.1.0.3', '103'));
    expect(addresses.of('worker-1')).toBe('10.1.0.4');
    pods.put(at('c', '10.1.0.9', '104'));
    expect(addresses.of('worker-1')).toBe('10.1.0.5');
    pods.put(on('a', '10.0.0.1', { podIPs: ['10.1.0.5'], resourceVersion: '105' }));
    expect(addresses.of('worker-1')).toBe('10.0.0.1');
  });
});
