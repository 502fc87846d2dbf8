import { describe, expect, it } from '@jest/globals';
import type { EndpointPort, EndpointSlice } from '../../../src/kubernetes/objects.ts';
import { subscribe } from '../../../src/to-consul/subscriptions.ts';
import { GATE, annotations, marked, node, pod, service, slice, strings } from '../builders.ts';
import { planning, podNamed, type PlanningGiven } from './planning.ts';

const A = podNamed('a');
const B = podNamed('b', { podIPs: ['10.1.0.8'] });
const ASKING = service({ annotations: annotations({ 'service-name': 'orders' }) });
const NODE = node();

const targeting = (...names: readonly string[]) =>
  slice({
    endpoints: names.flatMap((name) =>
      slice().endpoints.map((endpoint) => ({ ...endpoint, target: { kind: 'Pod', namespace: '', name } })),
    ),
  });

const withPort = (said: Partial<EndpointPort>): Partial<EndpointSlice> => ({
  ports: slice().ports.map((port) => ({ ...port, ...said })),
});
const SAID_OF_ALL: readonly [string, Partial<EndpointSlice>][] = [
  ['the Service', { labels: strings({ 'kubernetes.io/service-name': 'another' }) }],
  ['the owner', { labels: marked() }],
  ['the address family', { addressType: 'IPv6' }],
  ['the number of ports', { ports: [] }],
  ['the name of a port', withPort({ name: 'other' })],
  ['a port', withPort({ port: 9999 })],
  ['the protocol of a port', withPort({ protocol: 'UDP' })],
  ['the application protocol of a port', withPort({ appProtocol: 'https' })],
];

type Views = ReturnType<typeof planning>['views'];

/** The pods that are looked at for what changes. */
function lookedAt(given: PlanningGiven, change: (views: Views) => void): { pods: string[]; forgotten: string[] } {
  const { views, index } = planning(given);
  const pods: string[] = [];
  const forgotten: string[] = [];
  subscribe(views, index, {
    enqueue: (keys) => pods.push(...keys),
    addressChanged: (keys) => pods.push(...keys.map((key) => `address of ${key}`)),
    reportService: () => undefined,
    forget: ({ uid }) => forgotten.push(uid),
  });
  change(views);
  return { pods: [...new Set(pods)].sort(), forgotten };
}

describe('pods are looked at', () => {
  const shut = pod({ name: 'shut', labels: strings({ app: 'orders' }), readinessGates: [GATE] });
  const open = { ...shut, name: 'open', conditions: strings({ [GATE]: 'True' }) };

  it.each<[string, PlanningGiven, (views: Views) => void, string[]]>([
    ['when they come', {}, ({ pods }) => pods.put(A), ['shop/a']],
    ['when they go', { pods: [A, B] }, ({ pods }) => pods.delete({ ...A, resourceVersion: '101' }), ['shop/a']],
    [
      'when a Service over them changes',
      { services: [ASKING], slices: [targeting('a', 'b')] },
      ({ services }) => services.put({ ...ASKING, resourceVersion: '101' }),
      ['shop/a', 'shop/b'],
    ],
    [
      'when a Service over them goes',
      { services: [ASKING], slices: [targeting('a')] },
      ({ services }) => services.delete({ ...ASKING, resourceVersion: '101' }),
      ['shop/a'],
    ],
    [
      'when a Service changes for which they wait with a shut gate',
      { pods: [shut, open], config: { readinessGate: true } },
      ({ services }) => services.put(ASKING),
      ['shop/shut'],
    ],
    [
      'when a slice changes: those of before and of now',
      { slices: [targeting('a')] },
      ({ endpointSlices }) => endpointSlices.put({ ...targeting('b'), resourceVersion: '101' }),
      ['shop/a', 'shop/b'],
    ],
    [
      'when a slice changes: not those that it targets as before',
      { slices: [targeting('a', 'b')] },
      ({ endpointSlices }) => endpointSlices.put({ ...targeting('b', 'c'), resourceVersion: '101' }),
      ['shop/a', 'shop/c'],
    ],
    [
      'not when a slice says of an endpoint what its pod says itself',
      { slices: [targeting('a')] },
      ({ endpointSlices }) => {
        const endpoints = targeting('a').endpoints.map((endpoint) => ({ ...endpoint, ready: false, zone: 'eu-1' }));
        endpointSlices.put({ ...targeting('a'), endpoints, resourceVersion: '101' });
      },
      [],
    ],
    ...SAID_OF_ALL.map(([what, said]): [string, PlanningGiven, (views: Views) => void, string[]] => [
      `when ${what} of their slice changes: all of them`,
      { slices: [targeting('a', 'b')] },
      ({ endpointSlices }) => endpointSlices.put({ ...targeting('b', 'a'), ...said, resourceVersion: '101' }),
      ['shop/a', 'shop/b'],
    ]),
    [
      'not for a slice of ours',
      {},
      ({ endpointSlices }) => endpointSlices.put({ ...targeting('a'), labels: marked() }),
      [],
    ],
    [
      'when their node gets another address',
      { pods: [A, podNamed('c', { nodeName: 'worker-2' })] },
      ({ nodes }) => nodes.put({ ...NODE, internalIP: '192.168.1.99', resourceVersion: '11' }),
      ['shop/a'],
    ],
    [
      'when their node gets another zone',
      { pods: [A] },
      ({ nodes }) =>
        nodes.put({ ...NODE, labels: strings({ 'topology.kubernetes.io/zone': 'eu-1' }), resourceVersion: '11' }),
      ['shop/a'],
    ],
    [
      'when their node gets Unknown',
      { pods: [A] },
      ({ nodes }) => nodes.put({ ...NODE, ready: 'Unknown', resourceVersion: '11' }),
      ['shop/a'],
    ],
    [
      'not when their node is not Ready, which says nothing of them',
      { pods: [A] },
      ({ nodes }) => nodes.put({ ...NODE, ready: 'False', resourceVersion: '11' }),
      [],
    ],
    [
      'when another pod gets their address',
      { pods: [A] },
      ({ pods }) => pods.put(podNamed('heir', { podIPs: A.podIPs })),
      ['address of shop/a', 'shop/heir'],
    ],
    [
      'when another pod has their address no more',
      { pods: [A, podNamed('heir', { podIPs: A.podIPs })] },
      ({ pods }) => pods.put(podNamed('heir', { podIPs: ['10.1.0.99'], resourceVersion: '101' })),
      ['address of shop/a', 'shop/heir'],
    ],
    [
      'when their node goes',
      { pods: [A] },
      ({ nodes }) => nodes.delete({ ...NODE, resourceVersion: '11' }),
      ['shop/a'],
    ],
    [
      'not for anything else about their node',
      { pods: [A] },
      ({ nodes }) => nodes.put({ ...NODE, labels: strings({ other: 'label' }), resourceVersion: '11' }),
      [],
    ],
  ])('%s', (_, given, change, expected) => {
    expect(lookedAt(given, change).pods).toEqual(expected);
  });

  it('and forgotten when they are gone, or others have their name', () => {
    const { forgotten } = lookedAt({ pods: [A, B] }, ({ pods }) => {
      pods.put({ ...A, resourceVersion: '101' });
      pods.put({ ...A, uid: 'uid-of-another', resourceVersion: '102' });
      pods.delete({ ...B, resourceVersion: '103' });
    });
    expect(forgotten).toEqual(['uid-of-a', 'uid-of-b']);
  });
});
