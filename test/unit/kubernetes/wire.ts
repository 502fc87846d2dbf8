/** Objects as the API server sends them, with much that Consular has no use for. */

export const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'orders-7d4b9c6f5-abcde',
    generateName: 'orders-7d4b9c6f5-',
    namespace: 'shop',
    uid: '5b3c2a10-0000-4000-8000-000000000001',
    resourceVersion: '123456',
    creationTimestamp: '2026-10-20T09:59:00Z',
    labels: { app: 'orders', 'pod-template-hash': '7d4b9c6f5' },
    annotations: {
      'consular.dev/service-name': 'orders',
      'kubectl.kubernetes.io/last-applied-configuration': '{}',
      'kubectl.kubernetes.io/default-container': 'app',
      'sidecar.istio.io/status': '{"initContainers":["istio-init","mesh"],"containers":null,"revision":"default"}',
    },
    ownerReferences: [
      { apiVersion: 'v1', kind: 'ConfigMap', name: 'other', uid: 'x' },
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'orders-7d4b9c6f5', uid: 'y', controller: true },
    ],
    managedFields: [{ manager: 'kubelet', operation: 'Update', fieldsV1: { 'f:status': {} } }],
  },
  spec: {
    nodeName: 'worker-1',
    containers: [
      {
        name: 'app',
        image: 'shop/orders:1',
        ports: [
          { name: 'http', containerPort: 8080, protocol: 'TCP' },
          { containerPort: 5353, protocol: 'UDP' },
        ],
        env: [
          { name: 'SERVICE_NAME', value: 'orders' },
          { name: 'POD_IP', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'status.podIP' } } },
        ],
      },
      { name: 'silent', image: 'silent:1', env: [{ name: 'LOG', value: 'info' }] },
      { name: 'exporter', image: 'exporter:1', ports: [{ name: 'metrics', containerPort: 9090 }] },
    ],
    initContainers: [
      { name: 'migrate', image: 'migrate:1', ports: [{ name: 'progress', containerPort: 9000 }] },
      { name: 'mesh', image: 'mesh:1', restartPolicy: 'Always', ports: [{ name: 'https', containerPort: 9443 }] },
      { name: 'wait', image: 'wait:1', restartPolicy: 'OnFailure', ports: [{ containerPort: 9001 }] },
    ],
  },
  status: {
    phase: 'Running',
    hostIP: '192.168.1.11',
    podIP: '10.1.0.7',
    podIPs: [{ ip: '10.1.0.7' }, { ip: 'fd00::7' }],
    startTime: '2026-10-20T09:00:00Z',
    conditions: [
      { type: 'Initialized', status: 'True', lastTransitionTime: '2026-10-20T09:59:10Z' },
      {
        type: 'Ready',
        status: 'False',
        reason: 'ContainersNotReady',
        message: 'containers with unready status: [app]',
        lastTransitionTime: '2026-10-20T10:00:00Z',
      },
    ],
  },
};

export const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    name: 'orders',
    namespace: 'shop',
    uid: 'uid-of-service',
    resourceVersion: '7',
    labels: { app: 'orders' },
  },
  spec: {
    type: 'ClusterIP',
    clusterIP: '10.96.0.10',
    clusterIPs: ['10.96.0.10', 'fd00:96::a'],
    selector: { app: 'orders' },
    ports: [
      { name: 'http', port: 80, protocol: 'TCP', targetPort: 'web', appProtocol: 'http' },
      { name: 'dns', port: 53, protocol: 'UDP', targetPort: 5353 },
    ],
  },
  status: { loadBalancer: {} },
};

export const endpointSlice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: 'orders-x1',
    namespace: 'shop',
    uid: 'uid-of-slice',
    resourceVersion: '8',
    labels: { 'kubernetes.io/service-name': 'orders' },
    ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: 'orders', uid: 'uid-of-service', controller: true }],
  },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP', appProtocol: 'http' }],
  endpoints: [
    {
      addresses: ['10.1.0.7'],
      conditions: { ready: false, serving: false, terminating: true },
      nodeName: 'worker-1',
      zone: 'eu-1a',
      targetRef: { kind: 'Pod', namespace: 'shop', name: 'orders-7d4b9c6f5-abcde', uid: 'uid-of-pod' },
    },
    { addresses: ['10.1.0.8'], conditions: {} },
  ],
};

export const endpoints = {
  apiVersion: 'v1',
  kind: 'Endpoints',
  metadata: {
    ...{ name: 'billing', namespace: 'default', uid: 'uid-of-endpoints', resourceVersion: '9' },
    ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: 'billing', uid: 'uid-of-service' }],
  },
  subsets: [
    {
      addresses: [{ ip: '10.20.0.1' }, { ip: '10.20.0.2', nodeName: 'x' }],
      notReadyAddresses: [{ ip: '10.20.0.3' }],
      ports: [{ name: 'main', port: 8080, protocol: 'TCP' }],
    },
  ],
};

export const node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: {
    name: 'worker-1',
    uid: 'uid-of-node',
    resourceVersion: '10',
    labels: { 'topology.kubernetes.io/zone': 'eu-1a', 'kubernetes.io/os': 'linux' },
    annotations: { 'node.alpha.kubernetes.io/ttl': '0' },
  },
  status: {
    addresses: [{ type: 'InternalIP', address: '192.168.1.11' }],
    conditions: [
      { type: 'MemoryPressure', status: 'False' },
      { type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown' },
    ],
    capacity: { cpu: '8' },
  },
};

export const workloadEntry = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'WorkloadEntry',
  metadata: {
    name: 'orders-10.20.0.1-8080',
    namespace: 'shop',
    uid: 'uid-of-entry',
    resourceVersion: '7',
    generation: 1,
    labels: { app: 'orders' },
    annotations: { 'consular.dev/consul-service': 'orders', 'example.com/other': 'x' },
    ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: 'orders', uid: 'uid-of-service' }],
  },
  spec: {
    address: '10.20.0.1',
    ports: { main: 8080 },
    labels: { app: 'orders', version: 'v1' },
    locality: 'eu/eu-1a',
    weight: 3,
    serviceAccount: 'orders-vm',
    network: 'vms',
  },
  status: { conditions: [{ type: 'Healthy', status: 'True' }] },
};
