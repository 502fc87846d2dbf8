import { describe, expect, it } from '@jest/globals';
import { workloadOf, zoneOf } from '../../../src/kubernetes/objects.ts';
import { createResources, pathOf, workloadEntryKind } from '../../../src/kubernetes/resources.ts';
import { container, pod, strings } from '../builders.ts';
import * as wire from './wire.ts';

const keep = {
  annotation: (key: string) => key.startsWith('consular.dev/'),
  variable: (name: string) => name.startsWith('SERVICE_'),
};
const resources = createResources(keep);
const workloadEntries = workloadEntryKind(keep);

describe('a pod of the API server', () => {
  const decoded = resources.pods.decode(wire.pod);

  it('is trimmed to what Consular uses', () => {
    expect(decoded).toEqual({
      namespace: 'shop',
      name: 'orders-7d4b9c6f5-abcde',
      uid: '5b3c2a10-0000-4000-8000-000000000001',
      resourceVersion: '123456',
      deletionTimestamp: '',
      labels: strings({ 'pod-template-hash': '7d4b9c6f5' }),
      annotations: strings({ 'consular.dev/service-name': 'orders' }),
      nodeName: 'worker-1',
      hostIP: '192.168.1.11',
      hostNetwork: false,
      phase: 'Running',
      podIPs: ['10.1.0.7', 'fd00::7'],
      startTime: '2026-10-20T09:00:00Z',
      owner: { kind: 'ReplicaSet', name: 'orders-7d4b9c6f5' },
      ready: {
        status: 'False',
        reason: 'ContainersNotReady',
        message: 'containers with unready status: [app]',
        lastTransitionTime: '2026-10-20T10:00:00Z',
      },
      readinessGates: [],
      conditions: new Map(),
      containers: [
        container({
          name: 'app',
          image: 'shop/orders:1',
          isDefault: true,
          ports: [
            { name: 'http', port: 8080, protocol: 'TCP' },
            { name: '', port: 5353, protocol: 'UDP' },
          ],
          env: [
            { name: 'SERVICE_NAME', value: 'orders', fieldPath: undefined },
            { name: 'POD_IP', value: '', fieldPath: 'status.podIP' },
          ],
        }),
        container({ name: 'silent', image: 'silent:1', ports: [] }),
        container({ name: 'exporter', image: 'exporter:1', ports: [{ name: 'metrics', port: 9090, protocol: 'TCP' }] }),
        container({
          name: 'mesh',
          image: 'mesh:1',
          isSidecar: true,
          isIstios: true,
          ports: [{ name: 'https', port: 9443, protocol: 'TCP' }],
        }),
      ],
    });
  });

  it('keeps all labels when it has readiness gates, because they say who will ask for it', () => {
    const spec = { ...wire.pod.spec, readinessGates: [{ conditionType: 'lb/ready' }] };
    expect(resources.pods.decode({ ...wire.pod, spec }).labels).toEqual(strings(wire.pod.metadata.labels));
  });

  it.each([
    ['{', []],
    ['null', []],
    ['[]', []],
    ['{"containers":"app"}', []],
    ['{"containers":["app",1,null],"initContainers":["__proto__"]}', ['app']],
    ['[['.repeat(50_000), []],
  ])("has from Istio's status %.60j the containers %j", (status, names) => {
    const metadata = { ...wire.pod.metadata, annotations: { 'sidecar.istio.io/status': status } };
    const { containers, annotations } = resources.pods.decode({ ...wire.pod, metadata });
    expect(containers.filter(({ isIstios }) => isIstios).map(({ name }) => name)).toEqual(names);
    expect(annotations).toEqual(strings());
  });

  it('shares its containers with the other pods of its workload, also when a mesh puts its proxy first', () => {
    const proxy = { name: 'linkerd-proxy', image: 'proxy:1', ports: [{ containerPort: 4143 }] };
    const read = (image: string) => {
      const spec = { containers: [proxy, { name: 'app', image, ports: [{ containerPort: 8080 }] }] };
      return resources.pods.decode({ ...wire.pod, spec }).containers;
    };
    const orders = read('orders:1');
    expect(read('billing:1')).not.toEqual(orders);
    expect(read('orders:1')).toBe(orders);
  });

  it('comes from its ReplicaSet, and so from its Deployment', () => {
    expect(workloadOf(decoded)).toBe('Deployment/orders');
  });
});

describe('a Service of the API server', () => {
  it('is trimmed to what Consular uses', () => {
    expect(resources.services.decode(wire.service)).toMatchObject({
      namespace: 'shop',
      labels: strings({ app: 'orders' }),
      annotations: strings(),
      type: 'ClusterIP',
      clusterIPs: ['10.96.0.10', 'fd00:96::a'],
      selector: strings({ app: 'orders' }),
      ports: [
        { name: 'http', port: 80, protocol: 'TCP', targetPort: 'web', appProtocol: 'http' },
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: '5353', appProtocol: '' },
      ],
    });
  });

  it.each([
    [{ clusterIP: 'None' }, ['None']],
    [{ clusterIP: '10.96.0.1' }, ['10.96.0.1']],
    [{}, []],
  ])('has its address from %j', (spec, clusterIPs) => {
    expect(resources.services.decode({ ...wire.service, spec }).clusterIPs).toEqual(clusterIPs);
  });

  it.each([[undefined], [null], [{}]])('has no selector when that is %j', (selector) => {
    expect(resources.services.decode({ ...wire.service, spec: { selector } }).selector.size).toBe(0);
  });
});

describe('an EndpointSlice of the API server', () => {
  it('is trimmed to what Consular uses', () => {
    expect(resources.endpointSlices.decode(wire.endpointSlice)).toMatchObject({
      addressType: 'IPv4',
      ownerUid: 'uid-of-service',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP', appProtocol: 'http' }],
      endpoints: [
        {
          address: '10.1.0.7',
          ready: false,
          zone: 'eu-1a',
          target: { kind: 'Pod', namespace: 'shop', name: 'orders-7d4b9c6f5-abcde' },
        },
        { address: '10.1.0.8', ready: true, zone: '', target: undefined },
      ],
    });
  });
});

describe('Endpoints of the API server', () => {
  it('are trimmed to what Consular uses', () => {
    const { subsets, ownerUid } = resources.endpoints.decode(wire.endpoints);
    expect(ownerUid).toBe('uid-of-service');
    expect(subsets).toEqual([
      {
        addresses: ['10.20.0.1', '10.20.0.2'],
        ports: [{ name: 'main', port: 8080, protocol: 'TCP', appProtocol: '' }],
      },
    ]);
  });
});

describe('a WorkloadEntry of the API server', () => {
  const at = (spec: unknown) => workloadEntries.at('v1').decode({ ...wire.workloadEntry, spec });

  it('is trimmed to what Consular uses', () => {
    expect(workloadEntries.at('v1').decode(wire.workloadEntry)).toEqual({
      namespace: 'shop',
      name: 'orders-10.20.0.1-8080',
      uid: 'uid-of-entry',
      resourceVersion: '7',
      deletionTimestamp: '',
      labels: strings({ app: 'orders' }),
      annotations: strings({ 'consular.dev/consul-service': 'orders' }),
      address: '10.20.0.1',
      ports: new Map([['main', 8080]]),
      workloadLabels: strings({ app: 'orders', version: 'v1' }),
      locality: 'eu/eu-1a',
      weight: 3,
      serviceAccount: 'orders-vm',
      ownerUid: 'uid-of-service',
    });
  });

  it.each([
    [undefined],
    [null],
    [{ ports: null, labels: [], weight: '3', address: 7 }],
    [{ ports: { main: '8080' }, labels: { a: 1 } }],
  ])('is empty where its spec is %j', (spec) => {
    expect(at(spec)).toMatchObject({
      ...{ address: '', locality: '', weight: undefined, serviceAccount: '' },
      ports: new Map(),
      workloadLabels: new Map(),
    });
  });

  it('is at the version that it was found in', () => {
    const paths = ['v1', 'v1beta1'].map((version) => pathOf(workloadEntries.at(version), 'shop', 'x'));
    expect(paths).toEqual([
      '/apis/networking.istio.io/v1/namespaces/shop/workloadentries/x',
      '/apis/networking.istio.io/v1beta1/namespaces/shop/workloadentries/x',
    ]);
  });
});

describe('a Node of the API server', () => {
  it('has a zone, an internal address, whether it is Ready, and no namespace', () => {
    const node = resources.nodes.decode(wire.node);
    expect(node).toMatchObject({
      namespace: '',
      name: 'worker-1',
      labels: new Map([['topology.kubernetes.io/zone', 'eu-1a']]),
      internalIP: '192.168.1.11',
      ready: 'Unknown',
    });
    expect(zoneOf(node)).toBe('eu-1a');
    expect(zoneOf(undefined)).toBe('');
  });
});

const metadata = { name: 'x', uid: 'u' };
const emptyPod = pod({
  namespace: '',
  name: 'x',
  uid: 'u',
  resourceVersion: '',
  labels: strings(),
  nodeName: '',
  hostIP: '',
  phase: '',
  podIPs: [],
  startTime: '',
  owner: undefined,
  ready: undefined,
  containers: [],
});

describe('an object with little in it, or the wrong things', () => {
  it.each<[string, object]>([
    ['nothing but a name', { metadata }],
    ['null everywhere', { metadata: { ...metadata, labels: null, ownerReferences: null }, spec: null, status: null }],
    ['a list for a spec', { metadata, spec: [], status: 'x' }],
    [
      'ill-typed fields',
      {
        metadata: {
          ...metadata,
          namespace: 7,
          resourceVersion: 12,
          labels: ['x'],
          annotations: 'x',
          ownerReferences: {},
        },
        spec: { nodeName: {}, hostNetwork: 'true', containers: 'x' },
        status: { hostIP: 1, phase: null, podIP: [], podIPs: {}, conditions: { type: 'Ready' } },
      },
    ],
    [
      'ill-typed entries of lists',
      {
        metadata: { ...metadata, ownerReferences: [null, 'x', { controller: 'true' }] },
        spec: { containers: [null, 7, {}, { ports: [null, 'x', {}, { containerPort: '8080' }] }] },
        status: { podIPs: [null, 'x', {}, { ip: 7 }], conditions: [null, 'Ready', { type: 'Initialized' }] },
      },
    ],
    [
      'labels that are no strings',
      { metadata: { ...metadata, labels: { 'pod-template-hash': 7 }, annotations: { 'consular.dev/x': {} } } },
    ],
  ])('a pod with %s reads as empty', (_, raw) => {
    expect(resources.pods.decode(raw)).toEqual(emptyPod);
  });

  it.each([
    ['nothing', undefined, 'found nothing'],
    ['null', null, 'found null'],
    ['a list', [], 'found an array'],
    ['text', 'pod', 'found "pod"'],
    ['no metadata', {}, 'expected a name and a uid'],
    ['no uid', { metadata: { name: 'x' } }, 'expected a name and a uid'],
    ['no name', { metadata: { uid: 'u' } }, 'expected a name and a uid'],
    ['a name that is no text', { metadata: { uid: 'u', name: 7 } }, 'expected a name and a uid'],
  ])('%s is no object at all', (_, raw, message) => {
    for (const resource of Object.values(resources)) {
      expect(() => resource.decode(raw)).toThrow(TypeError);
      expect(() => resource.decode(raw)).toThrow(message);
      expect(() => resource.decode(raw)).toThrow(`read ${resource.kind}`);
    }
  });

  it('a key like __proto__ is data', () => {
    const raw: unknown = JSON.parse(
      '{"metadata":{"name":"x","uid":"u","__proto__":{"namespace":"evil"},"labels":{"__proto__":"x"}},"__proto__":{"spec":{"type":"ClusterIP"}}}',
    );
    const service = resources.services.decode(raw);
    expect(service.namespace).toBe('');
    expect(service.type).toBe('');
    expect([...service.labels]).toEqual([['__proto__', 'x']]);
  });

  it.each([
    ['a port that means all ports', { ports: [{ name: 'all' }] }],
    ['an endpoint without an address', { endpoints: [{ addresses: [] }, {}, null] }],
    ['null lists, as an empty slice has', { ports: null, endpoints: null }],
  ])('%s in a slice is left out', (_, fields) => {
    expect(resources.endpointSlices.decode({ metadata, ...fields })).toMatchObject({ ports: [], endpoints: [] });
  });

  it.each([
    [undefined, 'TCP'],
    ['TCP', 'TCP'],
    ['UDP', 'UDP'],
    ['SCTP', 'SCTP'],
    ['tcp', 'TCP'],
    [17, 'TCP'],
  ])('the protocol %j is %s', (protocol, expected) => {
    const { ports } = resources.services.decode({ metadata, spec: { ports: [{ port: 1, protocol }] } });
    expect(ports.map(({ protocol }) => protocol)).toEqual([expected]);
  });
});

describe('workloadOf', () => {
  it.each([
    ['a Deployment', 'ReplicaSet', 'orders-7d4b9c6f5', '7d4b9c6f5', 'Deployment/orders'],
    ['a ReplicaSet of its own', 'ReplicaSet', 'orders', '', 'ReplicaSet/orders'],
    ['a ReplicaSet whose name has another ending', 'ReplicaSet', 'orders-abc', '7d4b9c6f5', 'ReplicaSet/orders-abc'],
    ['a StatefulSet', 'StatefulSet', 'db-1', '1', 'StatefulSet/db-1'],
  ])('%s', (_, kind, name, hash, workload) => {
    const labels = hash === '' ? strings() : strings({ 'pod-template-hash': hash });
    expect(workloadOf(pod({ owner: { kind, name }, labels }))).toBe(workload);
  });

  it('nobody owns the pod', () => {
    expect(workloadOf(pod({ owner: undefined }))).toBe('');
  });
});

describe('pathOf', () => {
  it.each([
    [pathOf(resources.pods), '/api/v1/pods'],
    [pathOf(resources.nodes, '', 'worker-1'), '/api/v1/nodes/worker-1'],
    [pathOf(resources.services, 'shop', 'orders'), '/api/v1/namespaces/shop/services/orders'],
    [pathOf(resources.endpointSlices, 'shop'), '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices'],
    [pathOf(resources.services, 'a/b', 'c?d=e'), '/api/v1/namespaces/a%2Fb/services/c%3Fd%3De'],
  ])('%s', (path, expected) => {
    expect(path).toBe(expected);
  });
});
