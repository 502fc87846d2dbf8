import { nextPodIP, type KubernetesApi } from './kubernetes.ts';

/** Objects with something in every field that Consular reads, next to much that it does not, and such with nothing in them. */
export async function createRichObjects(
  kubernetes: KubernetesApi,
  namespace: string,
  labels: Record<string, string>,
): Promise<void> {
  const metadata = (name: string, more: object = {}) => ({ metadata: { name, labels, ...more } });
  const core = `/api/v1/namespaces/${namespace}`;
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  const annotations = {
    'consular.dev/service-name': 'örders-€-😀',
    'consular.dev/service-tags': 'a,b',
    'example.com/large': 'x'.repeat(200_000),
    'kubectl.kubernetes.io/default-container': 'talker',
    'sidecar.istio.io/status': '{"initContainers":["istio-init","istio-proxy"],"containers":["silent"],"revision":"x"}',
  };

  await kubernetes.must('POST', `${core}/pods`, {
    ...metadata('everything', {
      annotations,
      labels: { ...labels, 'pod-template-hash': '7d4b9c6f5', app: 'orders' },
      finalizers: ['consular.dev/test'],
      ownerReferences: [
        { apiVersion: 'v1', kind: 'ConfigMap', name: 'other', uid: 'x' },
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'orders-7d4b9c6f5', uid: 'y', controller: true },
      ],
    }),
    spec: {
      nodeName: 'node-1',
      hostNetwork: true,
      readinessGates: [{ conditionType: 'example.com/ready' }, { conditionType: 'example.com/warm' }],
      containers: [
        {
          name: 'app',
          image: 'shop/orders:1',
          ports: [
            { name: 'http', containerPort: 8080, hostPort: 8080 },
            { name: 'dns', containerPort: 5353, hostPort: 5353, protocol: 'UDP' },
            { containerPort: 9999, hostPort: 9999, protocol: 'SCTP' },
          ],
          env: [
            { name: 'SERVICE_NAME', value: 'orders' },
            { name: 'SERVICE_EMPTY' },
            { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            { name: 'SECRET', valueFrom: { secretKeyRef: { name: 'secret', key: 'key' } } },
          ],
          livenessProbe: { httpGet: { path: '/', port: 'http' } },
          resources: { limits: { memory: '64Mi' } },
        },
        { name: 'silent', image: 'silent:1', env: [{ name: 'LOG', value: 'info' }] },
        { name: 'talker', image: 'talker:1', env: [{ name: 'SERVICE_TAGS', value: 'x' }] },
      ],
      initContainers: [
        { name: 'migrate', image: 'migrate:1', ports: [{ containerPort: 7000, hostPort: 7000 }] },
        {
          name: 'istio-proxy',
          image: 'proxy:1',
          restartPolicy: 'Always',
          ports: [{ name: 'metrics', containerPort: 15090, hostPort: 15090 }],
          env: [{ name: 'SERVICE_EMPTY', value: '' }],
        },
      ],
    },
  });
  const lastTransitionTime = '2026-10-20T10:00:00Z';
  const condition = (type: string, status: string, more: object = {}) => ({
    type,
    status,
    lastTransitionTime,
    ...more,
  });
  const ip = nextPodIP();
  await kubernetes.must('PATCH', `${core}/pods/everything/status`, {
    status: {
      phase: 'Running',
      hostIP: '192.0.2.11',
      hostIPs: [{ ip: '192.0.2.11' }, { ip: '2001:db8::b' }],
      podIP: ip,
      podIPs: [{ ip }, { ip: '2001:db8::7' }],
      conditions: [
        condition('Initialized', 'True'),
        condition('Ready', 'False', { reason: 'ContainersNotReady', message: 'containers with unready status: [äpp]' }),
        { ...condition('example.com/ready', 'Unknown'), lastProbeTime: lastTransitionTime },
      ],
    },
  });
  // With its finalizer it stays, and has a deletionTimestamp.
  await kubernetes.deletePod(namespace, 'everything');

  await kubernetes.must('POST', `${core}/pods`, {
    ...metadata('bare'),
    spec: { containers: [{ name: 'app', image: 'app' }] },
  });
  await kubernetes.must('POST', `${core}/pods`, {
    ...metadata('untimed'),
    spec: { nodeName: 'node-2', containers: [{ name: 'app', image: 'app', ports: [{ containerPort: 80 }] }] },
  });
  await kubernetes.must('PATCH', `${core}/pods/untimed/status`, {
    status: { phase: 'Pending', conditions: [{ type: 'Ready', status: 'True' }] },
  });

  const service = (name: string, spec: object, more: object = {}) =>
    kubernetes.must('POST', `${core}/services`, { ...metadata(name, more), spec });
  await service(
    'everything',
    {
      selector: { app: 'orders' },
      ipFamilyPolicy: 'PreferDualStack',
      internalTrafficPolicy: 'Local',
      trafficDistribution: 'PreferClose',
      ports: [
        { name: 'http', port: 80, targetPort: 'web', appProtocol: 'kubernetes.io/h2c' },
        { name: 'dns', port: 53, targetPort: 5353, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53 },
        { name: 'sctp', port: 9, protocol: 'SCTP' },
      ],
    },
    { annotations },
  );
  await service('headless', { clusterIP: 'None', selector: { app: 'orders' } });
  await service('selectorless', { type: 'NodePort', ports: [{ port: 1234 }] });
  await service('elsewhere', { type: 'ExternalName', externalName: 'example.com' });

  const { metadata: owner } = await kubernetes.must('GET', `${core}/services/selectorless`);
  await kubernetes.must('POST', slices, {
    ...metadata('everything', {
      labels: { ...labels, 'kubernetes.io/service-name': 'selectorless' },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: owner.name, uid: owner.uid, controller: true }],
    }),
    addressType: 'IPv6',
    endpoints: [
      {
        addresses: ['2001:db8::1', '2001:db8::2'],
        conditions: { ready: false, serving: true, terminating: true },
        hostname: 'one',
        nodeName: 'node-1',
        zone: 'eu-1a',
        hints: { forZones: [{ name: 'eu-1a' }] },
        targetRef: { kind: 'Pod', namespace, name: 'everything', uid: 'x' },
      },
      { addresses: ['2001:db8::3'], conditions: { ready: true }, deprecatedTopology: { rack: '7' } },
      { addresses: ['2001:db8::4'], conditions: {} },
      { addresses: ['2001:db8::5'] },
    ],
    ports: [
      { name: 'http', port: 8080, protocol: 'TCP', appProtocol: 'http' },
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'all' },
    ],
  });
  await kubernetes.must('POST', slices, { ...metadata('bare'), addressType: 'FQDN', endpoints: null, ports: null });
  await kubernetes.must('POST', slices, {
    ...metadata('nameless'),
    addressType: 'IPv4',
    endpoints: [],
    ports: [{ port: 1 }],
  });

  await kubernetes.must('POST', `${core}/endpoints`, {
    ...metadata('addresses', { labels: { ...labels, 'endpointslice.kubernetes.io/skip-mirror': 'true' } }),
    subsets: [
      {
        addresses: [
          { ip: '192.0.2.1', nodeName: 'node-1' },
          { ip: '192.0.2.2', hostname: 'two' },
        ],
        notReadyAddresses: [{ ip: '192.0.2.3' }],
        ports: [
          { name: 'a', port: 80, appProtocol: 'http' },
          { name: 'b', port: 53, protocol: 'UDP' },
        ],
      },
      { addresses: [{ ip: '2001:db8::9' }], ports: [{ port: 81, protocol: 'SCTP' }] },
      { addresses: [{ ip: '192.0.2.4' }] },
    ],
  });
  await kubernetes.must('POST', `${core}/endpoints`, metadata('none'));

  await kubernetes.must('POST', '/api/v1/nodes', {
    ...metadata(`${namespace}-node`, {
      annotations: { ...annotations, 'node.alpha.kubernetes.io/ttl': '0' },
      labels: { ...labels, 'topology.kubernetes.io/zone': 'eu-1a', 'kubernetes.io/os': 'linux' },
    }),
    spec: { podCIDR: '10.1.0.0/24', providerID: 'none://one', taints: [{ key: 'a', effect: 'NoSchedule' }] },
  });
  await kubernetes.must('PATCH', `/api/v1/nodes/${namespace}-node/status`, {
    status: {
      capacity: { cpu: '4', pods: '110' },
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime }],
      addresses: [
        { type: 'Hostname', address: 'one' },
        { type: 'ExternalIP', address: '198.51.100.7' },
        { type: 'InternalIP', address: '192.0.2.12' },
        { type: 'InternalIP', address: '2001:db8::c' },
      ],
      nodeInfo: {
        ...{
          machineID: 'x',
          systemUUID: 'x',
          bootID: 'x',
          kernelVersion: '6',
          osImage: 'Linux',
          architecture: 'amd64',
        },
        ...{ containerRuntimeVersion: 'none', kubeletVersion: 'v1', kubeProxyVersion: 'v1', operatingSystem: 'linux' },
      },
      daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      images: [{ names: ['app'], sizeBytes: 1 }],
    },
  });
  await kubernetes.must('POST', '/api/v1/nodes', metadata(`${namespace}-addressless`));
}
