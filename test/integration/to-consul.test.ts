import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { nextPodIP, openRig, statusOf, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';

const named = (name: string) => ({ 'consular.dev/service-name': name });

describe('pods in Consul', () => {
  let rig: Rig;
  let daemon: Daemon;

  beforeAll(async () => {
    rig = await openRig();
    await rig.kubernetes.createNode(`${rig.cluster}-node`, { 'topology.kubernetes.io/zone': 'zone-a' });
    daemon = await rig.startDaemon();
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  it('tells in the log of each instance that came, changed and left, with the reason', async () => {
    const { kubernetes, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'told-1', { ip, annotations: named('told') });
    const records = () =>
      daemon.records
        .filter(({ level, service }) => level === 'info' && service === 'told')
        .map(({ message, address, reason }) => `${message} ${String(address)}: ${String(reason)}`);
    const untilTold = (count: number) => until(`${count} records`, () => Promise.resolve(records().length >= count));
    await untilTold(1);
    await kubernetes.annotate(namespace, 'told-1', { 'consular.dev/service-tags': 'new' });
    await untilTold(2);
    await kubernetes.setReady(namespace, 'told-1', false);
    await untilTold(3);
    await kubernetes.setReady(namespace, 'told-1', true);
    await untilTold(4);
    await kubernetes.deletePod(namespace, 'told-1');
    await untilTold(5);
    const at = `${ip}:8080`;
    expect(records()).toEqual([
      expect.stringMatching(`^registered ${at}: Pod is Ready`),
      `changed ${at}: tags [] -> ["new"]`,
      expect.stringMatching(`^deregistered ${at}: Pod is not Ready`),
      expect.stringMatching(`^registered ${at}: Pod is Ready`),
      expect.stringMatching(`^deregistered ${at}: the pod is (gone|being deleted)`),
    ]);
  });

  it('has an annotated Ready pod, with its own IP, on the node that stands for its Kubernetes node', async () => {
    const { kubernetes, consul, namespace, cluster } = rig;
    const ip = nextPodIP();
    const node = `${cluster}-node`;
    const pod = await kubernetes.createPod(namespace, 'orders-1', {
      ip,
      node,
      hostIP: '192.0.2.77',
      annotations: {
        ...named('orders'),
        'consular.dev/service-tags': 'blue, v1',
        'consular.dev/service-meta-version': '1.2',
        'consular.dev/service-weight': '5',
      },
    });
    const [row] = await until('the instance', async () => {
      const rows = await consul.instances('orders');
      return rows.length === 1 && rows;
    });
    expect(row?.Node).toMatchObject({
      Node: `k8s-${cluster}--${node}`,
      Address: '192.0.2.77',
      Meta: {
        'managed-by': 'consular',
        'k8s-cluster': cluster,
        'external-source': 'kubernetes',
        'external-node': 'true',
        'external-probe': 'false',
      },
    });
    expect(row?.Service).toMatchObject({
      ID: `${cluster}.${namespace}.orders-1:orders:8080`,
      Address: ip,
      Port: 8080,
      Tags: ['blue', 'v1'],
      Weights: { Passing: 5, Warning: 5 },
      Meta: {
        'external-source': 'kubernetes',
        'managed-by': 'consular',
        'k8s-cluster': cluster,
        'k8s-namespace': namespace,
        'k8s-pod': 'orders-1',
        'k8s-pod-uid': pod.metadata.uid,
        'k8s-node': node,
        secure: 'false',
        zone: 'zone-a',
        version: '1.2',
      },
    });
    expect(row?.Checks).toEqual([
      expect.objectContaining({
        CheckID: row?.Service.ID,
        Name: 'Kubernetes readiness',
        Type: 'kubernetes',
        Status: 'passing',
      }),
    ]);
    expect(row?.Checks[0]?.Output).toMatch(/^Pod is Ready since \d{4}-/);
  });

  it("accepts consul-k8s' annotation prefix, and prefers its own", async () => {
    const ip = nextPodIP();
    await rig.kubernetes.createPod(rig.namespace, 'alias', {
      ip,
      annotations: {
        'consul.hashicorp.com/service-name': 'aliased',
        'consul.hashicorp.com/service-tags': 'a',
        'consular.dev/service-tags': 'b',
      },
    });
    await untilEqual('the instance', () => rig.consul.summary('aliased'), [`${ip}:8080 passing`]);
    expect((await rig.consul.instances('aliased'))[0]?.Service.Tags).toEqual(['b']);
  });

  it('loses a pod that is no longer Ready, and has it again', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'flip', { ip, annotations: named('flip') });
    await untilEqual('registered', () => consul.summary('flip'), [`${ip}:8080 passing`]);
    await kubernetes.setReady(namespace, 'flip', false);
    await untilEqual('deregistered', () => consul.summary('flip'), []);
    await kubernetes.setReady(namespace, 'flip', true);
    await untilEqual('registered again', () => consul.summary('flip'), [`${ip}:8080 passing`]);
  });

  it('keeps a pod that is not Ready as critical, with the reason, where its annotation says so', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'kept', {
      ip,
      annotations: { ...named('kept'), 'consular.dev/not-ready': 'critical' },
    });
    await untilEqual('registered', () => consul.summary('kept'), [`${ip}:8080 passing`]);
    await kubernetes.setReady(namespace, 'kept', false);
    await untilEqual('critical', () => consul.summary('kept'), [`${ip}:8080 critical`]);
    expect((await consul.instances('kept'))[0]?.Checks[0]?.Output).toContain(
      'ContainersNotReady: containers with unready status: [app]',
    );
  });

  it('loses a pod that is deleted, finished, or no longer annotated, and leaves its neighbours', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ips = [nextPodIP(), nextPodIP(), nextPodIP(), nextPodIP()];
    for (const [i, ip] of ips.entries())
      await kubernetes.createPod(namespace, `gone-${i}`, { ip, annotations: named('gone') });
    const passing = (...which: number[]) => which.map((i) => `${ips[i] ?? ''}:8080 passing`).sort();
    await untilEqual('all four', () => consul.summary('gone'), passing(0, 1, 2, 3));
    await kubernetes.deletePod(namespace, 'gone-0');
    await untilEqual('without the deleted', () => consul.summary('gone'), passing(1, 2, 3));
    await kubernetes.annotate(namespace, 'gone-1', { 'consular.dev/service-name': null });
    await untilEqual('without the one that lost its annotation', () => consul.summary('gone'), passing(2, 3));
    await kubernetes.must('PATCH', `/api/v1/namespaces/${namespace}/pods/gone-2/status`, {
      status: { phase: 'Succeeded' },
    });
    await untilEqual('without the finished', () => consul.summary('gone'), passing(3));
  });

  it('is out at deletionTimestamp, long before the pod is gone', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'draining', { ip, annotations: named('draining') });
    await untilEqual('registered', () => consul.summary('draining'), [`${ip}:8080 passing`]);
    await kubernetes.must('DELETE', `/api/v1/namespaces/${namespace}/pods/draining`, { gracePeriodSeconds: 600 });
    await untilEqual('deregistered', () => consul.summary('draining'), []);
    expect(
      (await kubernetes.find(`/api/v1/namespaces/${namespace}/pods/draining`))?.metadata.deletionTimestamp,
    ).toBeDefined();
  });

  it('follows a changed name, and a pod that comes back under the same name on another node', async () => {
    const { kubernetes, consul, namespace, cluster } = rig;
    await kubernetes.createPod(namespace, 'moving', { ip: nextPodIP(), node: 'node-1', annotations: named('moving') });
    await until('registered', async () => (await consul.summary('moving')).length === 1);
    await kubernetes.annotate(namespace, 'moving', named('moved'));
    await untilEqual('old name gone', () => consul.summary('moving'), []);
    await until('new name there', async () => (await consul.summary('moved')).length === 1);
    await kubernetes.deletePod(namespace, 'moving');
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'moving', {
      ip,
      node: 'node-2',
      hostIP: '192.0.2.12',
      annotations: named('moved'),
    });
    await untilEqual('the new pod', () => consul.summary('moved'), [`${ip}:8080 passing`]);
    expect((await consul.instances('moved'))[0]?.Node.Node).toBe(`k8s-${cluster}--node-2`);
  });

  it('has the endpoints of an annotated Service, under the annotations of the Service, ports by name', async () => {
    const { kubernetes, consul, namespace } = rig;
    await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
      metadata: {
        name: 'billing',
        annotations: {
          'consular.dev/service-name': 'billing-api',
          'consular.dev/service-port': 'api',
          'consular.dev/service-tags': 'svc',
        },
      },
      spec: {
        selector: { app: 'billing' },
        ports: [
          { name: 'admin', port: 9000, targetPort: 9000 },
          { name: 'api', port: 80, targetPort: 'web' },
        ],
      },
    });
    const ips = [nextPodIP(), nextPodIP()];
    for (const [i, ip] of ips.entries())
      await kubernetes.createPod(namespace, `billing-${i}`, {
        ip,
        labels: { app: 'billing' },
        ports: [{ name: 'web', containerPort: 8443 + i }],
        ...(i === 1 ? { annotations: { 'consular.dev/service-tags': 'pod' } } : {}),
      });
    await untilEqual(
      'both pods',
      () => consul.summary('billing-api'),
      [`${ips[0] ?? ''}:8443 passing`, `${ips[1] ?? ''}:8444 passing`].sort(),
    );
    const rows = await consul.instances('billing-api');
    expect(rows.map(({ Service }) => Service.Tags.join()).sort()).toEqual(['pod', 'svc']);
    expect(rows[0]?.Service.Meta['k8s-service']).toBe('billing');
    await kubernetes.must('DELETE', `/api/v1/namespaces/${namespace}/services/billing`);
    await untilEqual('nothing after the Service', () => consul.summary('billing-api'), []);
  });

  it('rejects what it cannot honour with an Event, touches no neighbour, and takes nothing live away for it', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'tidy', { ip, annotations: named('tidy') });
    await kubernetes.createPod(namespace, 'untidy', {
      annotations: { ...named('tidy'), 'consular.dev/service-port': 'nope' },
    });
    await untilEqual('the neighbour', () => consul.summary('tidy'), [`${ip}:8080 passing`]);
    const note = await until('the Event', async () => {
      const events = await kubernetes.list(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
      return events.find(({ regarding }) => (regarding as { name: string }).name === 'untidy')?.note as
        string | undefined;
    });
    expect(note).toContain('expected a port number or the name of a container port, found "nope"');
    await kubernetes.annotate(namespace, 'tidy', { 'consular.dev/service-weight': 'heavy' });
    await until('the second Event', async () => {
      const events = await kubernetes.list(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
      return events.some(({ regarding }) => (regarding as { name: string }).name === 'tidy');
    });
    expect(await consul.summary('tidy')).toEqual([`${ip}:8080 passing`]);
  });

  it('holds an instance whose input is broken only at an IP that its pod has', async () => {
    const { kubernetes, consul, namespace } = rig;
    const [left, ip] = [nextPodIP(), nextPodIP()];
    const weight = 'consular.dev/service-weight';
    await kubernetes.createPod(namespace, 'wanders', { ip: left, annotations: named('wanders') });
    await untilEqual('registered', () => consul.summary('wanders'), [`${left}:8080 passing`]);
    await kubernetes.annotate(namespace, 'wanders', { [weight]: 'none' });
    await until('the Event', async () => (await kubernetes.eventsAbout(namespace, 'wanders')).length > 0);
    expect(await consul.summary('wanders')).toEqual([`${left}:8080 passing`]);
    await kubernetes.setPodStatus(namespace, 'wanders', { ip });
    await untilEqual('its old IP gone', () => consul.summary('wanders'), []);
    await kubernetes.annotate(namespace, 'wanders', { [weight]: null });
    await untilEqual('its new IP', () => consul.summary('wanders'), [`${ip}:8080 passing`]);
  });

  it('takes another spelling of a name as a change of the instance, as Consul does', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'spelled', { ip, annotations: named('Spelled') });
    await untilEqual('registered', () => consul.summary('spelled'), [`${ip}:8080 passing`]);
    await kubernetes.annotate(namespace, 'spelled', named('spelled'));
    await until('the new spelling', async () => (await consul.instances('spelled'))[0]?.Service.Service === 'spelled');
    expect(await consul.summary('spelled')).toEqual([`${ip}:8080 passing`]);
    await kubernetes.deletePod(namespace, 'spelled');
    await untilEqual('gone', () => consul.summary('spelled'), []);
  });

  it('ignores namespaces that are not selected', async () => {
    const { kubernetes, consul } = rig;
    const other = `${rig.cluster}-other`;
    await kubernetes.createNamespace(other);
    await kubernetes.createPod(other, 'stranger', { annotations: named('stranger') });
    await kubernetes.createPod(rig.namespace, 'witness', { annotations: named('witness') });
    await until('the selected one', async () => (await consul.summary('witness')).length === 1);
    expect(await consul.summary('stranger')).toEqual([]);
  });
});

describe('the address of a Consul node', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await openRig();
    await rig.startDaemon({ toKubernetes: { enabled: false } });
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  const addressOf = async (service: string) => [
    ...new Set((await rig.consul.instances(service)).map(({ Node }) => Node.Address)),
  ];

  it('follows the hostIP of the pods on it', async () => {
    const { kubernetes, namespace, cluster } = rig;
    const node = `${cluster}-moving`;
    await kubernetes.createNode(node);
    const pods = ['moving-0', 'moving-1'].map((name) => ({ name, ip: nextPodIP() }));
    const create = ({ name, ip }: { name: string; ip: string }) =>
      kubernetes.createPod(namespace, name, { ip, node, hostIP: '192.0.2.81', annotations: named('moving') });
    await Promise.all(pods.map(create));
    await untilEqual('both pods', async () => (await rig.consul.summary('moving')).length, 2);
    expect(await addressOf('moving')).toEqual(['192.0.2.81']);
    for (const { name, ip } of pods) await kubernetes.setPodStatus(namespace, name, { ip, hostIP: '192.0.2.82' });
    await untilEqual('the new address', () => addressOf('moving'), ['192.0.2.82']);
  });

  it('is the InternalIP of the Kubernetes node where its pods have no hostIP, and follows that', async () => {
    const { kubernetes, namespace, cluster } = rig;
    const node = `${cluster}-virtual`;
    await kubernetes.createNode(node);
    const internal = (address: string) => kubernetes.setNodeAddresses(node, [{ type: 'InternalIP', address }]);
    await internal('192.0.2.83');
    await kubernetes.createPod(namespace, 'virtual', { node, hostIP: '', annotations: named('virtual') });
    await untilEqual('the InternalIP', () => addressOf('virtual'), ['192.0.2.83']);
    await internal('192.0.2.84');
    await untilEqual('the new InternalIP', () => addressOf('virtual'), ['192.0.2.84']);
  });
});

describe('an address that belongs to no pod', () => {
  it('is told with an Event, and counts no longer when its slice goes', async () => {
    const rig = await openRig();
    const { kubernetes, namespace } = rig;
    try {
      const daemon = await rig.startDaemon();
      const rejected = async () => (await statusOf(daemon)).toConsul?.rejected;
      const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
      await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
        metadata: { name: 'loose', annotations: named('loose') },
        spec: { ports: [{ port: 80 }] },
      });
      await kubernetes.must('POST', slices, {
        metadata: { name: 'loose-1', labels: { 'kubernetes.io/service-name': 'loose' } },
        addressType: 'IPv4',
        ports: [{ name: '', port: 80 }],
        endpoints: [{ addresses: ['192.0.2.77'] }],
      });
      await untilEqual('the rejection', rejected, 1);
      const told = await until('the Event', async () => {
        const events = await kubernetes.eventsAbout(namespace, 'loose');
        return events.find(({ reason }) => reason === 'NoPod');
      });
      expect(told.note).toContain('192.0.2.77');
      await kubernetes.must('DELETE', `${slices}/loose-1`);
      await untilEqual('no rejection', rejected, 0);
    } finally {
      await rig.close();
    }
  });
});

describe('a restart', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await openRig();
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  it('writes nothing when nothing changed, and removes nothing when it stops', async () => {
    const { kubernetes, consul, namespace } = rig;
    for (let i = 0; i < 30; i++)
      await kubernetes.createPod(namespace, `p-${i}`, { node: `node-${i % 3}`, annotations: named(`s-${i % 5}`) });
    await consul.registerOnAgent({ id: 'vm-1', name: 'vm', address: '192.0.2.50', port: 9098 });
    const first = await rig.startDaemon();
    await until(
      'all registered',
      async () => (await Promise.all([0, 1, 2, 3, 4].map((i) => consul.summary(`s-${i}`)))).flat().length === 30,
    );
    const mirrored = `/api/v1/namespaces/${namespace}/services/vm`;
    await until('the mirror', () => kubernetes.find(mirrored));
    await untilIdle(first);
    await first.stop();
    const before = { catalog: await consul.catalogIndex(), objects: await versions(rig) };
    const second = await rig.startDaemon();
    await untilIdle(second);
    await second.stop();
    expect({ catalog: await consul.catalogIndex(), objects: await versions(rig) }).toEqual(before);
  });

  it('deregisters what went while it was away, after a direct read', async () => {
    const { kubernetes, consul, namespace } = rig;
    await kubernetes.deletePod(namespace, 'p-0');
    const daemon = await rig.startDaemon();
    await until(
      'p-0 gone',
      async () => !(await consul.instances('s-0')).some(({ Service }) => Service.Meta['k8s-pod'] === 'p-0'),
    );
    expect(
      daemon.records.find(({ message }) => message === 'instance without its object, deregistering'),
    ).toMatchObject({ pod: `${namespace}/p-0`, missing: 'Pod' });
    expect(await consul.summary('s-0')).toHaveLength(5);
  });
});

describe('a Service that went while nobody looked', () => {
  it('takes all of its pods out of Consul, each after a direct read', async () => {
    const rig = await openRig();
    const { kubernetes, consul, namespace } = rig;
    try {
      const PODS = 200;
      await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
        metadata: { name: 'large', annotations: named('large') },
        spec: { selector: { app: 'large' }, ports: [{ port: 80, targetPort: 8080 }] },
      });
      await Promise.all(
        Array.from({ length: PODS }, (_, i) =>
          kubernetes.createPod(namespace, `large-${i}`, { labels: { app: 'large' } }),
        ),
      );
      const first = await rig.startDaemon();
      await until('all registered', async () => (await consul.summary('large')).length === PODS);
      await first.stop();
      await kubernetes.must('DELETE', `/api/v1/namespaces/${namespace}/services/large`);
      await rig.startDaemon();
      await untilEqual('none registered', () => consul.summary('large'), []);
    } finally {
      await rig.close();
    }
  });
});

async function versions({ kubernetes, namespace }: Rig): Promise<string[]> {
  const paths = [
    `/api/v1/namespaces/${namespace}/services`,
    `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
    `/api/v1/namespaces/${namespace}/endpoints`,
  ];
  const lists = await Promise.all(paths.map((path) => kubernetes.list(path)));
  return lists
    .flat()
    .map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion ?? ''}`)
    .sort();
}
