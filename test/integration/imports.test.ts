import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { servicesIn } from '../rig/imports.ts';
import { counted, nextPodIP, openRig, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';

const imports = (name: string, port?: string) => ({
  'consular.dev/import': name,
  ...(port === undefined ? {} : { 'consular.dev/import-port': port }),
});

describe('a Service that takes instances of a Consul service in', () => {
  let rig: Rig;
  let daemon: Daemon;
  let services: ReturnType<typeof servicesIn>;
  let elsewhere: ReturnType<typeof servicesIn>;

  beforeAll(async () => {
    rig = await openRig();
    await rig.kubernetes.createNamespace(`${rig.namespace}-other`);
    services = servicesIn(rig.kubernetes, rig.namespace);
    elsewhere = servicesIn(rig.kubernetes, `${rig.namespace}-other`);
    daemon = await start();
  }, 60_000);
  afterAll(async () => {
    await rig.kubernetes.must('DELETE', `/api/v1/namespaces/${rig.namespace}-other/services`);
    await rig.close();
  }, 30_000);

  /** Nothing is mirrored but what says so, and imports need not be selected. */
  function start(): Promise<Daemon> {
    const { namespace } = rig;
    return rig.startDaemon({
      toKubernetes: {
        namespaces: [namespace],
        importNamespaces: [namespace],
        services: { include: ['mirrored-*'], exclude: [] },
        removalGrace: '0s',
      },
    });
  }

  const vm = (name: string, last: number, port = 8080, meta: Record<string, string> = {}) =>
    rig.consul.registerOnAgent({ id: `${name}-${last}-${port}`, name, address: `192.0.2.${last}`, port, meta });
  const untilEndpoints = (name: string, expected: string[]) =>
    untilEqual(`endpoints of ${name}`, () => services.endpoints(name), expected);
  const untilEvent = (name: string, reason: string, where = services) =>
    until(`Event ${reason} on ${name}`, async () => (await where.events(name)).includes(reason));

  it('has pods and virtual machines, under the name of its port, and is not changed itself', async () => {
    const { kubernetes, namespace, cluster } = rig;
    const ip = nextPodIP();
    await vm('orders', 40, 9098, { zone: 'zone-b' });
    const selector = { app: 'orders' };
    const created = await services.create('orders', imports('Orders'), { selector });
    await kubernetes.createPod(namespace, 'orders', { ip, labels: selector });
    await untilEndpoints('orders', ['+http=192.0.2.40:9098', `http=${ip}:8080`].sort());
    const service = await services.find('orders');
    const [slice, ...more] = await services.ourSlices('orders');
    expect(more).toEqual([]);
    expect(slice?.metadata).toMatchObject({
      labels: {
        'app.kubernetes.io/managed-by': 'consular',
        'consular.dev/cluster': cluster,
        'endpointslice.kubernetes.io/managed-by': 'consular.dev',
      },
      annotations: { 'consular.dev/imported-from': 'Orders' },
      ownerReferences: [{ kind: 'Service', name: 'orders', uid: service?.metadata.uid }],
    });
    expect(slice?.metadata.annotations).not.toHaveProperty('consular.dev/consul-service');
    expect(slice?.metadata.labels).not.toHaveProperty('service.kubernetes.io/headless');
    expect(slice).toMatchObject({
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 9098, protocol: 'TCP' }],
      endpoints: [
        { addresses: ['192.0.2.40'], conditions: { ready: true, serving: true, terminating: false }, zone: 'zone-b' },
      ],
    });
    expect(service).toEqual(created);
  });

  it('follows its instances: health, other ports, and those that come and go', async () => {
    await services.create('followed', imports('followed'));
    await untilEvent('followed', 'UnknownService');
    await vm('followed', 2);
    await untilEndpoints('followed', ['+http=192.0.2.2:8080']);
    await vm('followed', 3, 9090);
    await untilEndpoints('followed', ['+http=192.0.2.2:8080', '+http=192.0.2.3:9090']);
    await rig.consul.setHealth('followed-2-8080', 'fail');
    await untilEndpoints('followed', ['+http=192.0.2.3:9090']);
    await rig.consul.setHealth('followed-2-8080', 'warn');
    await untilEndpoints('followed', ['+http=192.0.2.2:8080', '+http=192.0.2.3:9090']);
    await rig.consul.deregisterFromAgent('followed-3-9090');
    await untilEndpoints('followed', ['+http=192.0.2.2:8080']);
    await rig.consul.deregisterFromAgent('followed-2-8080');
    await untilEndpoints('followed', []);
    await vm('followed', 4);
    await untilEndpoints('followed', ['+http=192.0.2.4:8080']);
  });

  it('leaves to its port what is asked for: by name, by number, the first, the only one, which has no name', async () => {
    await vm('ported', 5, 7000);
    const ports = [
      { name: 'web', port: 80, targetPort: 8080 },
      { name: 'admin', port: 8081, appProtocol: 'kubernetes.io/h2c' },
    ];
    await services.create('first', imports('ported'), { ports });
    await services.create('by-name', imports('ported', 'admin'), { ports });
    await services.create('by-number', imports('ported', '8081'), { ports });
    await services.create('only', imports('ported'), { ports: [{ port: 80 }] });
    await untilEndpoints('first', ['+web=192.0.2.5:7000']);
    await untilEndpoints('by-name', ['+admin=192.0.2.5:7000']);
    await untilEndpoints('by-number', ['+admin=192.0.2.5:7000']);
    await untilEndpoints('only', ['+=192.0.2.5:7000']);
    expect((await services.ourSlices('by-name'))[0]?.ports?.[0]?.appProtocol).toBe('kubernetes.io/h2c');
    await services.annotate('by-name', { 'consular.dev/import-port': 'web' });
    await untilEndpoints('by-name', ['+web=192.0.2.5:7000']);
    await services.patch('first', { spec: { ports: [{ name: 'renamed', port: 80 }] } });
    await untilEndpoints('first', ['+renamed=192.0.2.5:7000']);
  });

  it('may be headless, which its slices say', async () => {
    await vm('headless', 6);
    await services.create('headless', imports('headless'), { clusterIP: 'None' });
    await untilEndpoints('headless', ['+http=192.0.2.6:8080']);
    const [slice] = await services.ourSlices('headless');
    expect(slice?.metadata.labels).toMatchObject({ 'service.kubernetes.io/headless': '' });
    await services.patchSlice(slice?.metadata.name ?? '', {
      metadata: { labels: { 'service.kubernetes.io/headless': null } },
    });
    await until('a slice with the label, and no other', async () => {
      const slices = await services.ourSlices('headless');
      return slices.length === 1 && 'service.kubernetes.io/headless' in (slices[0]?.metadata.labels ?? {});
    });
    await untilEndpoints('headless', ['+http=192.0.2.6:8080']);
  });

  it('has no address and port twice: not that of a pod that registers itself, and not that of a slice by hand', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await services.create('twice', imports('twice'), { selector: { app: 'twice' } });
    await kubernetes.createPod(namespace, 'twice', { ip, labels: { app: 'twice' } });
    await untilEndpoints('twice', [`http=${ip}:8080`]);
    await consul.registerOnAgent({ id: 'twice-self', name: 'twice', address: ip, port: 8080 });
    await vm('twice', 7);
    await untilEndpoints('twice', ['+http=192.0.2.7:8080', `http=${ip}:8080`].sort());
    await services.createSlice('twice-by-hand', 'twice', ['192.0.2.7'], 8080);
    await untilEndpoints('twice', ['http=192.0.2.7:8080', `http=${ip}:8080`].sort());
    await services.removeSlice('twice-by-hand');
    await untilEndpoints('twice', ['+http=192.0.2.7:8080', `http=${ip}:8080`].sort());
    // Kubernetes knows better than the pod's own registration whether it is ready.
    await kubernetes.setReady(namespace, 'twice', false);
    await until('the pod not to be ready', async () =>
      (await services.slices('twice')).some(({ endpoints }) =>
        (endpoints ?? []).some(({ addresses, conditions }) => addresses[0] === ip && conditions.ready === false),
      ),
    );
    await untilIdle(daemon);
    expect(await services.endpoints('twice')).toEqual(['+http=192.0.2.7:8080', `http=${ip}:8080`].sort());
  });

  it('may publish its pods in Consul at the same time, and no instance goes round', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await vm('both', 8);
    const both = { ...imports('both'), 'consular.dev/service-name': 'both' };
    await services.create('both', both, { selector: { app: 'both' } });
    await kubernetes.createPod(namespace, 'both', { ip, labels: { app: 'both' } });
    await untilEqual(
      'both in Consul',
      () => consul.summary('both'),
      [`${ip}:8080 passing`, '192.0.2.8:8080 passing'].sort(),
    );
    await untilEndpoints('both', ['+http=192.0.2.8:8080', `http=${ip}:8080`].sort());
    await vm('both', 9);
    await untilEndpoints('both', ['+http=192.0.2.8:8080', '+http=192.0.2.9:8080', `http=${ip}:8080`].sort());
    await untilIdle(daemon);
    const ours = (await consul.instances('both')).filter(({ Service }) => Service.Meta['managed-by'] === 'consular');
    expect(ours.map(({ Service }) => Service.Address)).toEqual([ip]);
    // Not even as an address that belongs to no pod.
    expect(await services.events('both')).not.toContain('NoPod');
  });

  it('loses them when the annotation goes, gets others when it changes, and keeps what is not of Consular', async () => {
    await vm('before', 10);
    await vm('after', 11);
    await services.create('changing', imports('before'));
    await services.createSlice('changing-by-hand', 'changing', ['192.0.2.99'], 8080);
    await untilEndpoints('changing', ['+http=192.0.2.10:8080', 'http=192.0.2.99:8080']);
    await services.annotate('changing', imports('after'));
    await untilEndpoints('changing', ['+http=192.0.2.11:8080', 'http=192.0.2.99:8080']);
    expect((await services.ourSlices('changing'))[0]?.metadata.annotations).toEqual({
      'consular.dev/consul-index': expect.stringMatching(/^\d+@[0-9a-f-]{36}$/),
      'consular.dev/imported-from': 'after',
    });
    await services.annotate('changing', { 'consular.dev/import': null });
    await untilEndpoints('changing', ['http=192.0.2.99:8080']);
    expect(await services.ourSlices('changing')).toEqual([]);
    await services.annotate('changing', imports('before'));
    await untilEndpoints('changing', ['+http=192.0.2.10:8080', 'http=192.0.2.99:8080']);
  });

  it('keeps what it has while it names a Consul service that is not there, and says so', async () => {
    await vm('spelt', 20);
    await services.create('spelt', imports('spelt'));
    await untilEndpoints('spelt', ['+http=192.0.2.20:8080']);
    await services.annotate('spelt', imports('splet'));
    await untilEvent('spelt', 'UnknownService');
    await untilIdle(daemon);
    expect(await services.endpoints('spelt')).toEqual(['+http=192.0.2.20:8080']);
    await services.annotate('spelt', imports('Spelt'));
    await vm('spelt', 21);
    await untilEndpoints('spelt', ['+http=192.0.2.20:8080', '+http=192.0.2.21:8080']);
    // It was no typo: the other one comes later.
    await services.annotate('spelt', imports('spelt-later'));
    await untilIdle(daemon);
    expect(await services.endpoints('spelt')).toEqual(['+http=192.0.2.20:8080', '+http=192.0.2.21:8080']);
    await vm('spelt-later', 22);
    await untilEndpoints('spelt', ['+http=192.0.2.22:8080']);
  });

  it('takes its slices along when it is deleted, and gets them anew when it is made again', async () => {
    await vm('deleted', 12);
    await services.create('deleted', imports('deleted'));
    await untilEndpoints('deleted', ['+http=192.0.2.12:8080']);
    await services.remove('deleted');
    await untilEqual('no slices', () => services.slices('deleted'), []);
    await services.create('deleted', imports('deleted'));
    await untilEndpoints('deleted', ['+http=192.0.2.12:8080']);
    await services.remove('deleted');
    await services.create('deleted', imports('deleted'));
    const { metadata } = (await services.find('deleted')) ?? {};
    await until('slices of the new one, and no other', async () => {
      const slices = await services.slices('deleted');
      const owners = slices.flatMap(({ metadata }) => metadata.ownerReferences as { uid: string }[]);
      return slices.length === 1 && owners.every(({ uid }) => uid === metadata?.uid);
    });
    await untilIdle(daemon);
  });

  it('is told what is wrong, and what is there stays when that is a mistake', async () => {
    await vm('wrong', 13);
    await services.create('wrong', imports('wrong'));
    await untilEndpoints('wrong', ['+http=192.0.2.13:8080']);
    await services.annotate('wrong', imports('wrong', 'htpt'));
    await untilEvent('wrong', 'InvalidPort');
    await vm('wrong', 14);
    await untilIdle(daemon);
    expect(await services.endpoints('wrong')).toEqual(['+http=192.0.2.13:8080']);
    await services.annotate('wrong', imports('wrong', 'http'));
    await untilEndpoints('wrong', ['+http=192.0.2.13:8080', '+http=192.0.2.14:8080']);
    await services.annotate('wrong', { 'consular.dev/imports': 'x' });
    await untilEvent('wrong', 'InvalidAnnotation');
    await services.annotate('wrong', { ...imports('consul'), 'consular.dev/imports': null });
    await untilEvent('wrong', 'ImportDenied');
    await untilEndpoints('wrong', []);
  });

  it('is refused what it may not have, and warned about what has less effect', async () => {
    await vm('local', 15);
    await rig.consul.registerOnAgent({ id: 'local-odd', name: 'local', address: '127.0.0.1', port: 80 });
    await elsewhere.create('unlisted', imports('local'));
    await services.create('external', imports('local'), {
      type: 'ExternalName',
      externalName: 'example.test',
      ports: undefined,
    });
    await services.create('local', imports('local'), {
      internalTrafficPolicy: 'Local',
      trafficDistribution: 'PreferClose',
    });
    await untilEndpoints('local', ['+http=192.0.2.15:8080']);
    await untilEvent('local', 'TrafficPolicy');
    await untilEvent('local', 'InstanceRefused');
    await untilEvent('unlisted', 'ImportDenied', elsewhere);
    await untilEvent('external', 'ImportDenied');
    expect(await elsewhere.slices('unlisted')).toEqual([]);
    expect(await services.slices('external')).toEqual([]);
  });

  it('gets its slices back as they were when somebody edits or deletes them', async () => {
    await vm('drifting', 16);
    await services.create('drifting', imports('drifting'));
    await untilEndpoints('drifting', ['+http=192.0.2.16:8080']);
    const [slice] = await services.ourSlices('drifting');
    const name = slice?.metadata.name ?? '';
    await services.patchSlice(name, {
      metadata: { annotations: { 'consular.dev/imported-from': null } },
      endpoints: [{ addresses: ['192.0.2.98'] }],
    });
    await untilEndpoints('drifting', ['+http=192.0.2.16:8080']);
    expect((await services.ourSlices('drifting'))[0]?.metadata.annotations).toEqual({
      'consular.dev/consul-index': expect.stringMatching(/^\d+@[0-9a-f-]{36}$/),
      'consular.dev/imported-from': 'drifting',
    });
    await services.removeSlice(name);
    await untilEndpoints('drifting', ['+http=192.0.2.16:8080']);
    await services.patchSlice(name, { metadata: { labels: { 'kubernetes.io/service-name': 'orders' } } });
    await untilEndpoints('drifting', ['+http=192.0.2.16:8080']);
    await until('nothing of it on the other', async () =>
      (await services.endpoints('orders')).every((endpoint) => !endpoint.includes('192.0.2.16')),
    );
  });

  it('may have the name that the mirrored Service would take, which is no conflict', async () => {
    await services.create('mirrored-own', imports('mirrored-own'));
    await services.create('mirrored-foreign', {});
    await vm('mirrored-own', 17);
    await vm('mirrored-foreign', 18);
    await untilEndpoints('mirrored-own', ['+http=192.0.2.17:8080']);
    await untilEvent('mirrored-foreign', 'NameConflict');
    await untilIdle(daemon);
    expect(await services.events('mirrored-own')).not.toContain('NameConflict');
    await services.annotate('mirrored-foreign', imports('mirrored-foreign'));
    await untilEndpoints('mirrored-foreign', ['+http=192.0.2.18:8080']);
  });

  it('may have been a mirrored Service, which becomes that of pods with the same ClusterIP', async () => {
    const { kubernetes, namespace } = rig;
    const ip = nextPodIP();
    await vm('mirrored-moved', 19);
    await untilEndpoints('mirrored-moved', ['+alias=192.0.2.19:8080', '+main=192.0.2.19:8080']);
    const clusterIP = ((await services.find('mirrored-moved'))?.spec as { clusterIP: string }).clusterIP;
    await services.patch('mirrored-moved', {
      metadata: {
        labels: { 'app.kubernetes.io/managed-by': null, 'consular.dev/cluster': null },
        annotations: {
          ...imports('mirrored-moved'),
          'consular.dev/consul-service': null,
          'consul.hashicorp.com/service-sync': null,
        },
      },
    });
    // The import is for one port: as long as there is another, the slices of the mirrored Service stay, and follow.
    const both = (last: number) => ['alias', 'main', 'main'].map((port) => `+${port}=192.0.2.${last}:8080`);
    await untilEndpoints('mirrored-moved', both(19));
    await vm('mirrored-moved', 23);
    await untilEndpoints('mirrored-moved', [...both(19), ...both(23)].sort());
    await rig.consul.deregisterFromAgent('mirrored-moved-23-8080');
    await untilEndpoints('mirrored-moved', both(19));
    await untilIdle(daemon);
    expect(await services.endpoints('mirrored-moved')).toEqual(both(19));
    await services.patch('mirrored-moved', {
      spec: { selector: { app: 'moved' }, ports: [{ name: 'main', port: 80, targetPort: 8080 }] },
    });
    await kubernetes.createPod(namespace, 'moved', { ip, labels: { app: 'moved' } });
    await untilEndpoints('mirrored-moved', ['+main=192.0.2.19:8080', `main=${ip}:8080`].sort());
    expect(((await services.find('mirrored-moved'))?.spec as { clusterIP: string }).clusterIP).toBe(clusterIP);
    await rig.consul.deregisterFromAgent('mirrored-moved-19-8080');
    await untilEndpoints('mirrored-moved', [`main=${ip}:8080`]);
    expect(await services.events('mirrored-moved')).not.toContain('NameConflict');
  });

  it('is rid of the slices of a mirrored Service once others have its second port', async () => {
    await vm('mirrored-second', 24);
    await untilEndpoints('mirrored-second', ['+alias=192.0.2.24:8080', '+main=192.0.2.24:8080']);
    await services.createSlice('second-by-hand', 'mirrored-second', [], 8080);
    await services.patch('mirrored-second', {
      metadata: {
        labels: { 'app.kubernetes.io/managed-by': null, 'consular.dev/cluster': null },
        annotations: { ...imports('mirrored-second'), 'consular.dev/consul-service': null },
      },
    });
    const both = ['+alias=192.0.2.24:8080', '+main=192.0.2.24:8080', '+main=192.0.2.24:8080'];
    await untilEndpoints('mirrored-second', both);
    await untilIdle(daemon);
    expect(await services.endpoints('mirrored-second')).toEqual(both);
    // An update of a slice of somebody else's, which is the last thing to happen.
    await services.patchSlice('second-by-hand', {
      ports: [{ name: 'alias', port: 8080, protocol: 'TCP' }],
      endpoints: [{ addresses: ['192.0.2.24'] }],
    });
    await untilEndpoints('mirrored-second', ['+main=192.0.2.24:8080', 'alias=192.0.2.24:8080']);
  });

  it('costs no write when Consular restarts, and is counted', async () => {
    await untilIdle(daemon);
    await daemon.stop();
    const slices = () => rig.kubernetes.list(`/apis/discovery.k8s.io/v1/namespaces/${rig.namespace}/endpointslices`);
    const before = await slices();
    daemon = await start();
    await untilIdle(daemon);
    expect(await slices()).toEqual(before);
    expect(await counted(daemon.metrics.kubernetesWrites)).toEqual([]);
    const status = (await (await fetch(`http://127.0.0.1:${daemon.port}/status`)).json()) as {
      toKubernetes: { imports: number };
    };
    const { values } = await daemon.metrics.imports.get();
    expect(values.map(({ value }) => value)).toEqual([status.toKubernetes.imports]);
    expect(status.toKubernetes.imports).toBeGreaterThan(10);
  });
});
