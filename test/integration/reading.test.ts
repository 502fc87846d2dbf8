import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { Agent } from 'undici';
import { createKubernetesClient, type KubernetesClient } from '../../src/kubernetes/client.ts';
import { ACCEPT } from '../../src/kubernetes/encoding/formats.ts';
import { KubernetesError } from '../../src/kubernetes/errors.ts';
import { objectKey, type KubernetesObject, type Node } from '../../src/kubernetes/objects.ts';
import { Reflector } from '../../src/kubernetes/reflector.ts';
import { createResources, pathOf, type Resource } from '../../src/kubernetes/resources.ts';
import type { View } from '../../src/kubernetes/view.ts';
import { createLog } from '../../src/observability/log.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { startKubernetes } from '../control-plane/index.ts';
import { startApiProxy, type ApiProxy, type Faults } from '../rig/api-proxy.ts';
import { openRig, until, type Rig } from '../rig/index.ts';
import { KubernetesApi } from '../rig/kubernetes.ts';
import { readKubeconfig, type Kubeconfig } from '../rig/manifests.ts';
import { createRichObjects } from '../rig/rich-objects.ts';
import { openWire } from '../rig/wire.ts';

const resources = createResources({
  annotation: (key) => key.startsWith('consular.dev/'),
  variable: (name) => name.startsWith('SERVICE_'),
});
const KINDS = Object.values(resources) as Resource<KubernetesObject>[];
/** What a server without streaming lists says to one. */
const withoutStreamingLists = (query: URLSearchParams) => (query.has('sendInitialEvents') ? 422 : undefined);

let rig: Rig;
let target: Kubeconfig;
let labels: Record<string, string>;
const toClose: (() => Promise<void>)[] = [];

beforeAll(async () => {
  rig = await openRig();
  target = readKubeconfig(rig.kubeconfig);
  labels = { 'consular-test': rig.cluster };
  const { kubernetes, namespace } = rig;
  await createRichObjects(kubernetes, namespace, labels);
  await kubernetes.must('PATCH', `/api/v1/namespaces/${namespace}`, { metadata: { labels } });
  await kubernetes.must('PATCH', '/apis/networking.k8s.io/v1/servicecidrs/kubernetes', { metadata: { labels } });
}, 60_000);
afterEach(async () => {
  for (const close of toClose.splice(0)) await close();
});
afterAll(() => rig.close(), 30_000);

/** A client of a server; the content types of the answers are remembered. */
function clientOf({ server, ca, token }: Kubeconfig): { client: KubernetesClient; answered: Set<string> } {
  const dispatcher = new Agent({ connect: { ca } });
  const client = createKubernetesClient(
    {
      server,
      authenticate: () => Promise.resolve({ dispatcher, headers: { authorization: `Bearer ${token}` } }),
      close: () => dispatcher.destroy(),
    },
    'consular/test',
  );
  toClose.push(() => client.close());
  const answered = new Set<string>();
  const noted = <A extends { readonly contentType: string }>(answer: A): A => {
    answered.add(answer.contentType);
    return answer;
  };
  return {
    client: {
      ...client,
      read: async (request) => noted(await client.read(request)),
      stream: async (request) => noted(await client.stream(request)),
    },
    answered,
  };
}

interface Reading<T extends KubernetesObject> {
  readonly view: View<T>;
  readonly answered: ReadonlySet<string>;
  readonly records: readonly Record<string, unknown>[];
}

/** Follows the objects of one kind that belong to this test. */
async function follow<T extends KubernetesObject>(resource: Resource<T>, server = target): Promise<Reading<T>> {
  const { client, answered } = clientOf(server);
  const records: Record<string, unknown>[] = [];
  const stream = new Writable({
    write(line: Buffer, _, done) {
      records.push(JSON.parse(line.toString()) as Record<string, unknown>);
      done();
    },
  });
  const stop = new AbortController();
  const { synced } = new Reflector({
    client,
    resource,
    labelSelector: `consular-test=${rig.cluster}`,
    log: createLog({ level: 'debug', format: 'json', stream }),
    metrics: createMetrics(),
    signal: stop.signal,
  });
  toClose.unshift(() => Promise.resolve(stop.abort()));
  return { view: await synced, answered, records };
}

const through = ({ server }: ApiProxy): Kubeconfig => ({ ...target, server });

async function openProxy(faults: Faults): Promise<ApiProxy> {
  const proxy = await startApiProxy(target, faults);
  toClose.push(() => proxy.close());
  return proxy;
}

const contentOf = <T extends KubernetesObject>({ view }: { view: View<T> }): T[] =>
  [...view.values()].sort((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1));
const inJson = <T extends KubernetesObject>(resource: Resource<T>): Resource<T> => ({
  ...resource,
  hasProtobuf: false,
});

/** Waits until all views have the same versions, and these pass the test; the objects of each view. */
async function settled<T extends KubernetesObject>(
  readings: readonly Reading<T>[],
  isExpected: (objects: readonly T[]) => boolean,
): Promise<T[][]> {
  const versions = (objects: readonly T[]) => objects.map((o) => `${objectKey(o)}@${o.resourceVersion}`).join();
  return until('views of the same versions', () => {
    const contents = readings.map(contentOf);
    const isSame = new Set(contents.map(versions)).size === 1 && contents.every(isExpected);
    return Promise.resolve(isSame && contents);
  });
}

describe.each(KINDS.map((resource) => [resource.kind, resource] as const))('%s', (_, resource) => {
  it('is the same object in protobuf and in JSON: in lists, in streams and in events', async () => {
    const { kubernetes, namespace } = rig;
    const paging = await openProxy({ refuse: withoutStreamingLists, pageSize: 2 });
    const protobuf = await Promise.all([follow(resource), follow(resource, through(paging))]);
    const json = await Promise.all([follow(inJson(resource)), follow(inJson(resource), through(paging))]);
    const readings = [...protobuf, ...json];
    const expectSame = ([expected, ...others]: KubernetesObject[][]) => {
      for (const other of others) expect(other).toEqual(expected);
    };
    expectSame(await settled(readings, (objects) => objects.length > 0));

    // Every object again, as an event.
    const before = protobuf.map(contentOf)[0] ?? [];
    const pathOfOne = ({ namespace, name }: KubernetesObject) => pathOf(resource, namespace, name);
    for (const object of before)
      await kubernetes.must('PATCH', pathOfOne(object), { metadata: { annotations: { 'consular.dev/seen': 'yes' } } });
    const areSeen = (objects: readonly KubernetesObject[]) =>
      objects.every(({ annotations }) => annotations.get('consular.dev/seen') === 'yes');
    const seen = await settled(readings, areSeen);
    expectSame(seen);
    expect(seen[0]).toHaveLength(before.length);

    if (resource.kind !== 'Namespace') {
      const isCluster = ['Node', 'ServiceCIDR'].includes(resource.kind);
      const created = { metadata: { name: `${rig.cluster}-late`, labels }, ...minimal(resource.kind) };
      const { metadata } = await kubernetes.must('POST', pathOf(resource, isCluster ? '' : namespace), created);
      expectSame(await settled(readings, (objects) => objects.length === before.length + 1));
      await kubernetes.must('DELETE', pathOf(resource, isCluster ? '' : namespace, metadata.name), {
        gracePeriodSeconds: 0,
      });
      await settled(readings, (objects) => objects.length === before.length);
      for (const { view } of readings) expect(view.sawDeletion(metadata.uid ?? '')).toBe(true);
    }

    expect(protobuf.map(({ answered }) => [...answered].sort())).toEqual([
      ['application/vnd.kubernetes.protobuf;stream=watch'],
      ['application/vnd.kubernetes.protobuf', 'application/vnd.kubernetes.protobuf;stream=watch'],
    ]);
    expect(json.map(({ answered }) => [...answered])).toEqual([['application/json'], ['application/json']]);
    for (const { records } of readings) expect(records.filter(({ level }) => level === 'warn')).toEqual([]);
  });
});

function minimal(kind: string): object {
  if (kind === 'Pod') return { spec: { containers: [{ name: 'app', image: 'app' }] } };
  if (kind === 'Service') return { spec: { ports: [{ port: 80 }] } };
  // Within the range that there is: a Service that gets an address of it meanwhile does not hold it.
  if (kind === 'ServiceCIDR') return { spec: { cidrs: ['10.96.255.0/28'] } };
  return kind === 'EndpointSlice' ? { addressType: 'IPv4', endpoints: [] } : {};
}

describe('what was read', () => {
  const find = async <T extends KubernetesObject>(resource: Resource<T>, name: string): Promise<T | undefined> =>
    contentOf(await follow(resource)).find((object) => object.name === name);

  it('is what was written: a pod', async () => {
    const pod = await find(resources.pods, 'everything');
    const { metadata } = await rig.kubernetes.must('GET', `/api/v1/namespaces/${rig.namespace}/pods/everything`);
    expect(pod).toMatchObject({
      uid: metadata.uid,
      deletionTimestamp: metadata.deletionTimestamp,
      // All of them, because it has readiness gates.
      labels: new Map(Object.entries(metadata.labels ?? {})),
      nodeName: 'node-1',
      hostIP: '192.0.2.11',
      hostNetwork: true,
      phase: 'Running',
      owner: { kind: 'ReplicaSet', name: 'orders-7d4b9c6f5' },
      ready: {
        status: 'False',
        reason: 'ContainersNotReady',
        message: 'containers with unready status: [äpp]',
        lastTransitionTime: '2026-10-20T10:00:00Z',
      },
      readinessGates: ['example.com/ready', 'example.com/warm'],
      containers: [
        {
          name: 'app',
          image: 'shop/orders:1',
          isSidecar: false,
          isDefault: false,
          isIstios: false,
          ports: [
            { name: 'http', port: 8080, protocol: 'TCP' },
            { name: 'dns', port: 5353, protocol: 'UDP' },
            { name: '', port: 9999, protocol: 'SCTP' },
          ],
          env: [
            { name: 'SERVICE_NAME', value: 'orders', fieldPath: undefined },
            { name: 'SERVICE_EMPTY', value: '', fieldPath: undefined },
            { name: 'POD_IP', value: '', fieldPath: 'status.podIP' },
            { name: 'SECRET', value: '', fieldPath: '' },
          ],
        },
        { name: 'silent', isIstios: true, ports: [], env: [] },
        {
          name: 'talker',
          isDefault: true,
          isIstios: false,
          env: [{ name: 'SERVICE_TAGS', value: 'x', fieldPath: undefined }],
        },
        {
          name: 'istio-proxy',
          isSidecar: true,
          isDefault: false,
          isIstios: true,
          ports: [{ name: 'metrics', port: 15090, protocol: 'TCP' }],
        },
      ],
    });
    expect(pod?.podIPs).toEqual([expect.stringMatching(/^10\.244\./), '2001:db8::7']);
    expect(pod?.conditions.get('example.com/ready')).toBe('Unknown');
    expect(pod?.annotations.get('consular.dev/service-name')).toBe('örders-€-😀');
    expect(pod?.annotations.has('example.com/large')).toBe(false);
    expect((await find(resources.pods, 'untimed'))?.ready?.lastTransitionTime).toBe('');
  });

  it('is what was written: a Service and its addresses', async () => {
    const { spec } = await rig.kubernetes.must('GET', `/api/v1/namespaces/${rig.namespace}/services/everything`);
    const { selector } = spec as { selector: Record<string, string> };
    expect(await find(resources.services, 'everything')).toMatchObject({
      selector: new Map(Object.entries(selector)),
      internalTrafficPolicy: 'Local',
      trafficDistribution: 'PreferClose',
      ports: [
        { name: 'http', port: 80, protocol: 'TCP', targetPort: 'web', appProtocol: 'kubernetes.io/h2c' },
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: '5353', appProtocol: '' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: '53', appProtocol: '' },
        { name: 'sctp', port: 9, protocol: 'SCTP', targetPort: '9', appProtocol: '' },
      ],
    });
    expect(await find(resources.services, 'headless')).toMatchObject({ clusterIPs: ['None'], ports: [] });
    expect(await find(resources.services, 'selectorless')).toMatchObject({ type: 'NodePort', selector: new Map() });
    expect(await find(resources.services, 'elsewhere')).toMatchObject({ type: 'ExternalName', clusterIPs: [] });
    const service = await find(resources.services, 'selectorless');
    expect(await find(resources.endpointSlices, 'everything')).toMatchObject({
      addressType: 'IPv6',
      ownerUid: service?.uid,
      ports: [
        { name: 'http', port: 8080, protocol: 'TCP', appProtocol: 'http' },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
      endpoints: [
        {
          address: '2001:db8::1',
          ready: false,
          zone: 'eu-1a',
          target: { kind: 'Pod', namespace: rig.namespace, name: 'everything' },
        },
        { address: '2001:db8::3', ready: true, zone: '', target: undefined },
        { address: '2001:db8::4', ready: true },
        { address: '2001:db8::5', ready: true },
      ],
    });
    expect(await find(resources.endpointSlices, 'bare')).toMatchObject({ ports: [], endpoints: [], ownerUid: '' });
    const endpoints = await find(resources.endpoints, 'addresses');
    expect(endpoints?.subsets.flatMap(({ addresses }) => addresses).sort()).toEqual(
      ['192.0.2.1', '192.0.2.2', '192.0.2.4', '2001:db8::9'].sort(),
    );
    expect(
      endpoints?.subsets.flatMap(({ ports }) => ports.map(({ port, protocol }) => `${port}/${protocol}`)).sort(),
    ).toEqual(['53/UDP', '80/TCP', '81/SCTP']);
  });

  it('is what was written: the ranges of ClusterIPs', async () => {
    expect(await find(resources.serviceCIDRs, 'kubernetes')).toMatchObject({ cidrs: ['10.96.0.0/16'] });
  });

  it('is what was written: nodes and namespaces', async () => {
    const node = await find(resources.nodes, `${rig.namespace}-node`);
    expect(node?.labels).toEqual(new Map([['topology.kubernetes.io/zone', 'eu-1a']]));
    expect(node?.internalIP).toBe('192.0.2.12');
    expect(node?.ready).toBe('True');
    expect(await find(resources.nodes, `${rig.namespace}-addressless`)).toMatchObject({ internalIP: '', ready: '' });
    expect((await find(resources.namespaces, rig.namespace))?.labels.get('consular-test')).toBe(rig.cluster);
  });
});

describe('a server that does not speak protobuf', () => {
  const expected = async () => contentOf(await follow(resources.services));

  it.each<[string, Faults, string[]]>([
    [
      'and answers in JSON is followed in JSON from then on',
      { refuse: withoutStreamingLists, accept: () => 'application/json' },
      [ACCEPT.protobufWatch, ACCEPT.protobuf, ACCEPT.json],
    ],
    [
      'and says 406 is followed in JSON from then on',
      { refuse: (_, accept) => (accept.includes('protobuf') ? 406 : undefined) },
      [ACCEPT.protobufWatch, ACCEPT.json],
    ],
  ])('%s', async (_, faults, asked) => {
    const proxy = await openProxy(faults);
    const reading = await follow(resources.services, through(proxy));
    expect(contentOf(reading)).toEqual(await expected());
    await until('the watch', () => Promise.resolve(proxy.asked.length >= asked.length));
    expect(proxy.asked).toEqual(asked);
    expect([...reading.answered]).toEqual(['application/json']);
    expect(reading.records.filter(({ level }) => level === 'warn')).toEqual([]);
  });
});

describe('B29: a watch with an event that the API server does not send', () => {
  /** Said once, as soon as the view is complete; queries are those of the watches. */
  async function openLiar(...lies: object[]) {
    const queries: URLSearchParams[] = [];
    const proxy = await openProxy({
      refuse: (query) => void (query.has('watch') && queries.push(query)),
      insert: (piece) =>
        piece.includes('k8s.io/initial-events-end') && piece.at(-1) === 10
          ? lies
              .splice(0)
              .map((lie) => `${JSON.stringify(lie)}\n`)
              .join('')
          : undefined,
    });
    return { proxy, queries, lies };
  }
  const error = (status: object) => ({ type: 'ERROR', object: { kind: 'Status', apiVersion: 'v1', ...status } });
  const bookmark = (metadata: object) => ({ type: 'BOOKMARK', object: { kind: 'Node', apiVersion: 'v1', metadata } });
  /** What is still heard after the event: a change that nobody here made before. */
  async function untilHeard({ view }: Reading<Node>, name: string): Promise<void> {
    await rig.kubernetes.createNode(`${rig.cluster}-${name}`, labels);
    await until(`Node ${name}`, () => Promise.resolve(view.get(`${rig.cluster}-${name}`)));
  }
  const relists = ({ records }: Reading<Node>) => records.filter(({ message }) => message === 'read completely').length;

  it.each([
    ['an ERROR with a code that nobody knows', { code: 299, reason: 'Odd', message: 'something new' }, '299 Odd'],
    ['an ERROR without a code', {}, 'answered 0'],
    ['an ERROR with a code that is no number', { code: 'many', reason: 'Odd' }, '0 Odd'],
  ])('%s is a failure: nothing is lost, and the watch is resumed where it was', async (what, status, says) => {
    const { proxy, queries, lies } = await openLiar(error(status));
    const reading = await follow(inJson(resources.nodes), through(proxy));
    const before = contentOf(reading);
    expect(before.length).toBeGreaterThan(0);
    await until('the second watch', () => Promise.resolve(queries.length > 1));
    expect(lies).toEqual([]);
    expect(reading.records.filter(({ level }) => level === 'warn')).toEqual([
      expect.objectContaining({
        message: 'watch failed, will resume',
        error: expect.stringContaining(says) as unknown,
      }),
    ]);
    expect(contentOf(reading)).toEqual(before);
    expect(Number(queries[1]?.get('resourceVersion'))).toBeGreaterThan(0);
    await untilHeard(reading, what.replaceAll(/\W/g, '').toLowerCase());
    expect(relists(reading)).toBe(1);
  });

  it('a BOOKMARK without a version moves nothing: the next watch begins where the last event was', async () => {
    const { proxy, queries, lies } = await openLiar(bookmark({}), bookmark({ resourceVersion: 7 }), {
      type: 'BOOKMARK',
      object: {},
    });
    const reading = await follow(inJson(resources.nodes), through(proxy));
    await untilHeard(reading, 'bookmarked');
    const seen = Number(reading.view.get(`${rig.cluster}-bookmarked`)?.resourceVersion);
    expect(lies).toEqual([]);
    expect(reading.records.filter(({ level }) => level === 'warn')).toEqual([]);
    proxy.cut();
    await until('the second watch', () => Promise.resolve(queries.length > 1));
    // Others may have moved it on since.
    expect(Number(queries[1]?.get('resourceVersion'))).toBeGreaterThanOrEqual(seen);
    await untilHeard(reading, 'resumed');
    expect(relists(reading)).toBe(1);
  });
});

describe('a watch in protobuf', () => {
  it('that is cut in the middle of a frame, again and again, still reads everything', async () => {
    const cuts = [3, 1000];
    const proxy = await openProxy({ cutAfter: (query) => (query.has('watch') ? cuts.shift() : undefined) });
    const reading = await follow(resources.services, through(proxy));
    expect(cuts).toEqual([]);
    expect(contentOf(reading)).toEqual(contentOf(await follow(resources.services)));
    expect([...reading.answered]).toEqual(['application/vnd.kubernetes.protobuf;stream=watch']);
  });

  it('with an object that cannot be read loses only that, until it comes again', async () => {
    // The field that is the uid gets a wire type that does not exist, in the first object that has one.
    const uid = Buffer.from([(5 << 3) | 2, 36]);
    let isSpoilt = false;
    const proxy = await openProxy({
      spoil(piece) {
        const at = isSpoilt ? -1 : piece.indexOf(uid);
        if (at >= 0) isSpoilt = piece.writeUInt8((5 << 3) | 7, at) > 0;
      },
    });
    const reading = await follow(resources.services, through(proxy));
    const whole = await follow(resources.services);
    const missing = contentOf(whole).filter((service) => reading.view.get(objectKey(service)) === undefined);
    expect(missing).toHaveLength(1);
    expect(reading.records.filter(({ level }) => level === 'warn')).toEqual([
      expect.objectContaining({
        message: 'object cannot be read, left as it was',
        error: expect.stringMatching(/read protobuf at byte \d+: expected wire type 2, found 7/) as unknown,
      }),
    ]);
    for (const service of missing)
      await rig.kubernetes.must('PATCH', pathOf(resources.services, service.namespace, service.name), {
        metadata: { annotations: { 'consular.dev/again': 'yes' } },
      });
    const [one, other] = await settled([reading, whole], (services) => services.length === whole.view.size);
    expect(one).toEqual(other);
  });

  it.each<[string, Faults]>([
    ['a stream', {}],
    ['pages', { refuse: withoutStreamingLists, pageSize: 2 }],
  ])(
    'with an object that cannot be read any more keeps it as it was, when all is read again in %s too',
    async (how, faults) => {
      const { kubernetes, namespace } = rig;
      const name = `spoilt-in-${how.replace(/\W/g, '-')}`;
      const path = pathOf(resources.services, namespace, name);
      // Two that are like each other: at least one of them is in one piece of an answer.
      const ports = [80, 81].map((port) => ({ name: `${name}-${port}`, port }));
      await kubernetes.must('POST', pathOf(resources.services, namespace), {
        metadata: { name, labels },
        spec: { ports },
      });
      const portName = Buffer.from([(1 << 3) | 2, name.length + 3, ...Buffer.from(name)]);
      let isSpoilt = false;
      let isExpired = false;
      const proxy = await openProxy({
        ...faults,
        refuse(query, accept) {
          const isResumed = query.has('watch') && !query.has('sendInitialEvents');
          if (!isExpired || !isResumed) return faults.refuse?.(query, accept);
          isExpired = false;
          return 410;
        },
        spoil(piece) {
          for (let at = 0; isSpoilt && (at = piece.indexOf(portName, at)) >= 0; at++)
            piece.writeUInt8((1 << 3) | 7, at);
        },
      });
      const reading = await follow(resources.services, through(proxy));
      const key = objectKey({ namespace, name });
      const before = reading.view.get(key);
      expect(before?.ports).toHaveLength(2);
      const told: unknown[] = [];
      reading.view.subscribe((before, after) => {
        if (before?.name === name || after?.name === name) told.push(after?.annotations);
      });
      const unread = () => reading.records.filter(({ message }) => message === 'object cannot be read, left as it was');
      const annotate = (annotations: object) => kubernetes.must('PATCH', path, { metadata: { annotations } });

      isSpoilt = true;
      await annotate({ 'consular.dev/seen': 'no' });
      await until('an event that cannot be read', () => Promise.resolve(unread().length === 1));
      expect(reading.view.get(key)).toBe(before);

      isExpired = true;
      proxy.cut();
      const lists = () => reading.records.filter(({ message }) => message === 'read completely');
      await until('everything again', () => Promise.resolve(lists().length === 2));
      expect(unread()).toHaveLength(2);
      expect(reading.view.get(key)).toBe(before);
      expect(told).toEqual([]);

      isSpoilt = false;
      await annotate({ 'consular.dev/seen': 'yes' });
      const [one, other] = await settled(
        [reading, await follow(resources.services)],
        (services) => services.length > 0,
      );
      expect(one).toEqual(other);
      expect(told).toEqual([new Map([['consular.dev/seen', 'yes']])]);
    },
  );

  it('B52: in pages that are longer than a page can be is given up', async () => {
    // Once: an answer comes in as many pieces as the network makes of it, and each would be that long.
    const long = [' '.repeat(129 * 1024 * 1024)];
    const proxy = await openProxy({ accept: () => ACCEPT.json, insert: () => long.pop() });
    const { client } = clientOf(through(proxy));
    const read = client.read({
      purpose: { verb: 'list', kind: 'Service', object: '' },
      path: pathOf(resources.services),
      query: { limit: '500' },
    });
    await expect(read).rejects.toMatchObject({
      message: 'list Service',
      cause: { message: 'expected an answer of at most 128 MiB, found a longer one' },
    });
  });

  it('that is refused says why, in protobuf too', async () => {
    const { client } = clientOf(target);
    const refused = client.stream({
      purpose: { verb: 'watch', kind: 'Pod', object: '' },
      path: pathOf(resources.pods),
      query: { watch: '1', labelSelector: '((' },
      accept: ACCEPT.protobufWatch,
    });
    await expect(refused).rejects.toBeInstanceOf(KubernetesError);
    await expect(refused).rejects.toThrow("watch Pod: the API server answered 400 BadRequest: found '('");
  });

  it('from a version that is too old ends with a 410, and everything is read again', async () => {
    const plane = await startKubernetes();
    toClose.push(() => plane.stop());
    const kubernetes = new KubernetesApi(plane.server, plane.caFile, plane.adminToken);
    toClose.push(() => kubernetes.close());
    await kubernetes.createNode('old', labels);
    const folder = await mkdtemp(join(tmpdir(), 'consular-reading-'));
    const wire = await openWire(plane.kubeconfig, folder);
    toClose.unshift(async () => {
      wire.close();
      await rm(folder, { recursive: true });
    });
    const reading = await follow(resources.nodes, readKubeconfig(wire.kubeconfig));
    // Other kinds move the version on, and an API server that starts remembers nothing from before. The watch breaks when it
    // has started: where it was away everything is read again without a 410.
    wire.freeze();
    await kubernetes.createNamespace('later');
    await plane.stopApiServer();
    await plane.startApiServer();
    await kubernetes.createNode('new', labels);
    wire.thaw();
    await until('the new node', () => Promise.resolve(reading.view.get('new') !== undefined));
    expect(contentOf(reading).map(({ name }) => name)).toEqual(['new', 'old']);
    expect(reading.records.filter(({ message }) => message === 'read completely')).toHaveLength(2);
    // The look before the watch is resumed is a list, unless everything is to be read again anyway.
    const answered = [...reading.answered];
    expect(answered).toContain('application/vnd.kubernetes.protobuf;stream=watch');
    expect(answered.filter((type) => !type.startsWith('application/vnd.kubernetes.protobuf'))).toEqual([]);
  });
});
