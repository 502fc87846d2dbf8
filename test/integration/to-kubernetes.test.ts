import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { nextPodIP, openRig, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

describe('services of Consul in Kubernetes', () => {
  let rig: Rig;
  let daemon: Daemon;
  let mirrored: Mirrored;

  beforeAll(async () => {
    rig = await openRig();
    mirrored = new Mirrored(rig);
    daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s' } });
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  it('tells in the log of each object that came, changed and left, with the reason', async () => {
    const { consul, namespace } = rig;
    for (const host of [1, 2])
      await consul.registerOnAgent({ id: `told-${host}`, name: 'told', address: `192.0.2.9${host}`, port: 80 });
    await untilEqual('both', () => mirrored.addresses('told'), ['192.0.2.91:80', '192.0.2.92:80']);
    await consul.setHealth('told-1', 'fail');
    await untilEqual('one', () => mirrored.addresses('told'), ['192.0.2.92:80']);
    for (const host of [1, 2]) await consul.deregisterFromAgent(`told-${host}`);
    const records = () =>
      daemon.records
        .filter(({ level, service }) => level === 'info' && service === 'told')
        .map(({ message, kind, object, reason }) => `${message} ${String(kind)} ${String(object)}: ${String(reason)}`);
    const service = `Service ${namespace}/told`;
    await untilEqual(
      'the end of the Service',
      () => Promise.resolve(records().find((record) => record.startsWith(`deleted ${service}`))),
      `deleted ${service}: Consul has no instance of it any more`,
    );
    expect(records()[0]).toBe(`created ${service}: Consul has instances for it`);
    expect(records()).toContainEqual(
      expect.stringMatching(/^updated EndpointSlice .*: 192.0.2.91 left: its instance is critical$/),
    );
  });

  it('has a Consul service as a selectorless Service with slices and Endpoints', async () => {
    const { consul, cluster } = rig;
    await consul.registerOnAgent({
      id: 'sc1-9098',
      name: 'sc1',
      address: '192.0.2.21',
      port: 9098,
      meta: { secure: 'false', zone: 'zone-b' },
    });
    await untilEqual('slices', () => mirrored.addresses('sc1'), ['192.0.2.21:9098']);
    await untilEqual('Endpoints', () => mirrored.legacyAddresses('sc1'), ['192.0.2.21:9098']);
    const service = await mirrored.service('sc1');
    expect(service?.metadata).toMatchObject({
      labels: { 'app.kubernetes.io/managed-by': 'consular', 'consular.dev/cluster': cluster },
      annotations: { 'consular.dev/consul-service': 'sc1', 'consul.hashicorp.com/service-sync': 'false' },
    });
    expect(service?.spec).toMatchObject({
      type: 'ClusterIP',
      ports: [
        { name: 'main', port: 80, protocol: 'TCP', targetPort: 'main', appProtocol: 'http' },
        { name: 'alias', port: 9098, protocol: 'TCP', targetPort: 'alias', appProtocol: 'http' },
      ],
    });
    expect(service?.spec.selector).toBeUndefined();
    expect(service?.spec.clusterIP).toMatch(/^10\.96\./);
    const [slice] = await mirrored.slices('sc1');
    expect(slice?.metadata).toMatchObject({
      labels: { 'endpointslice.kubernetes.io/managed-by': 'consular.dev' },
      ownerReferences: [{ kind: 'Service', name: 'sc1', uid: service?.metadata.uid }],
    });
    expect(slice).toMatchObject({
      addressType: 'IPv4',
      ports: [
        { name: 'main', port: 9098, protocol: 'TCP', appProtocol: 'http' },
        { name: 'alias', port: 9098, protocol: 'TCP', appProtocol: 'http' },
      ],
      endpoints: [
        { addresses: ['192.0.2.21'], conditions: { ready: true, serving: true, terminating: false }, zone: 'zone-b' },
      ],
    });
    expect((await mirrored.endpoints('sc1'))?.metadata.labels).toMatchObject({
      'endpointslice.kubernetes.io/skip-mirror': 'true',
    });
  });

  it('follows instances on other ports, and health, and keeps the ports of the Service', async () => {
    const { consul } = rig;
    const before = await mirrored.service('sc1');
    for (const port of [9099, 9100])
      await consul.registerOnAgent({ id: `sc1-${port}`, name: 'sc1', address: '192.0.2.21', port });
    await untilEqual('three ports', () => mirrored.addresses('sc1'), [
      '192.0.2.21:9098',
      '192.0.2.21:9099',
      '192.0.2.21:9100',
    ]);
    await untilEqual('Endpoints with three ports', () => mirrored.legacyAddresses('sc1'), [
      '192.0.2.21:9098',
      '192.0.2.21:9099',
      '192.0.2.21:9100',
    ]);
    await consul.setHealth('sc1-9099', 'fail');
    await untilEqual('without the critical', () => mirrored.addresses('sc1'), ['192.0.2.21:9098', '192.0.2.21:9100']);
    await consul.setHealth('sc1-9099', 'warn');
    await untilEqual('a warning is ready', () => mirrored.addresses('sc1'), [
      '192.0.2.21:9098',
      '192.0.2.21:9099',
      '192.0.2.21:9100',
    ]);
    await consul.deregisterFromAgent('sc1-9098');
    await untilEqual('without the deregistered', () => mirrored.addresses('sc1'), [
      '192.0.2.21:9099',
      '192.0.2.21:9100',
    ]);
    const after = await mirrored.service('sc1');
    expect(after?.spec).toEqual(before?.spec);
  });

  it('keeps the Service, with no endpoints, of a service that is critical everywhere', async () => {
    const { consul } = rig;
    await consul.registerOnAgent({ id: 'sick-1', name: 'sick', address: '192.0.2.22', port: 80 });
    await untilEqual('healthy', () => mirrored.addresses('sick'), ['192.0.2.22:80']);
    await consul.setHealth('sick-1', 'fail');
    await untilEqual('no slices', () => mirrored.addresses('sick'), []);
    await untilEqual('no Endpoints', () => mirrored.legacyAddresses('sick'), []);
    expect((await mirrored.service('sick'))?.spec.ports).toHaveLength(1);
  });

  it('goes when the service goes, and takes nothing else along', async () => {
    const { consul } = rig;
    await consul.registerOnAgent({ id: 'short-1', name: 'short', address: '192.0.2.23', port: 8000 });
    await until('the mirror', () => mirrored.endpoints('short'));
    await consul.deregisterFromAgent('short-1');
    await until('no Service', async () => (await mirrored.service('short')) === undefined);
    expect(await mirrored.slices('short')).toEqual([]);
    expect(await mirrored.endpoints('short')).toBeUndefined();
    expect(await mirrored.service('sc1')).toBeDefined();
  });

  it('gives names that share a label to one service each', async () => {
    const { kubernetes, consul, namespace } = rig;
    await consul.registerOnAgent({ id: 'exact', name: 'my-app', address: '192.0.2.24', port: 80 });
    await until('the exact name', () => mirrored.service('my-app'));
    await consul.registerOnAgent({ id: 'like', name: 'my_app', address: '192.0.2.25', port: 80 });
    const other = await until('the other', async () => {
      const services = await kubernetes.list(`/api/v1/namespaces/${namespace}/services`);
      return services.find(({ metadata }) => metadata.annotations?.['consular.dev/consul-service'] === 'my_app');
    });
    expect(other.metadata.name).toMatch(/^my-app-[0-9a-f]{8}$/);
    await untilEqual('its endpoint', () => mirrored.addresses(other.metadata.name), ['192.0.2.25:80']);
    expect(await mirrored.addresses('my-app')).toEqual(['192.0.2.24:80']);
  });

  it('leaves out instances that no endpoint can be, and tells about them', async () => {
    const { kubernetes, consul, namespace } = rig;
    await consul.registerOnAgent({ id: 'mixed-1', name: 'mixed', address: '127.0.0.1', port: 80 });
    await consul.registerOnAgent({ id: 'mixed-2', name: 'mixed', address: 'vm.example.test', port: 80 });
    await consul.registerOnAgent({ id: 'mixed-3', name: 'mixed', address: '192.0.2.26', port: 80 });
    await untilEqual('the good one', () => mirrored.addresses('mixed'), ['192.0.2.26:80']);
    await until('an Event', async () => {
      const events = await kubernetes.list(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
      return events.some(
        ({ regarding, note }) => (regarding as { name: string }).name === 'mixed' && String(note).includes('loopback'),
      );
    });
  });

  it('mirrors only what lives outside: nothing of ours, nothing of consul-k8s, and the foreign half of a mixed service', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'both', { ip, annotations: { 'consular.dev/service-name': 'both' } });
    await kubernetes.createPod(namespace, 'only', { annotations: { 'consular.dev/service-name': 'only-pods' } });
    await consul.must('PUT', '/catalog/register', {
      Node: 'k8s-sync',
      Address: '127.0.0.1',
      Service: {
        ID: 'x',
        Service: 'synced',
        Address: '10.9.9.9',
        Port: 80,
        Tags: ['k8s'],
        Meta: { 'external-source': 'kubernetes' },
      },
    });
    await consul.registerOnAgent({ id: 'both-vm', name: 'both', address: '192.0.2.27', port: 8080 });
    // A pod that registers itself as well, at the address that we registered already.
    await consul.registerOnAgent({ id: 'both-self', name: 'both', address: ip, port: 8080 });
    await untilEqual('the virtual machine only', () => mirrored.addresses('both'), ['192.0.2.27:8080']);
    await until('the pod in Consul', async () => (await consul.summary('only-pods')).length === 1);
    await untilIdle(daemon);
    for (const name of ['only-pods', 'synced', 'consul']) expect(await mirrored.service(name)).toBeUndefined();
    expect(await consul.serviceNames()).not.toContain('sc1-main');
    const fromMirror = (await consul.instances('both')).filter(
      ({ Service }) => Service.Meta['managed-by'] === 'consular',
    );
    expect(fromMirror.map(({ Service }) => Service.Address)).toEqual([ip]);
  });

  it('restores objects of its own that somebody edits or deletes', async () => {
    const { kubernetes, consul, namespace } = rig;
    await consul.registerOnAgent({ id: 'fixed-1', name: 'fixed', address: '192.0.2.28', port: 8080 });
    await untilEqual('mirrored', () => mirrored.legacyAddresses('fixed'), ['192.0.2.28:8080']);
    const [slice] = await mirrored.slices('fixed');
    await kubernetes.must(
      'DELETE',
      `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices/${slice?.metadata.name ?? ''}`,
    );
    await kubernetes.must('PATCH', mirrored.path('services', 'fixed'), {
      spec: { ports: [{ name: 'main', port: 81, protocol: 'TCP' }] },
    });
    await untilEqual('the slice', () => mirrored.addresses('fixed'), ['192.0.2.28:8080']);
    await until('the port', async () => JSON.stringify((await mirrored.service('fixed'))?.spec).includes('"port":80,'));
    await kubernetes.must('DELETE', mirrored.path('services', 'fixed'));
    await until('the Service', () => mirrored.service('fixed'));
    await untilEqual('and its endpoints', () => mirrored.addresses('fixed'), ['192.0.2.28:8080']);
    await untilEqual('and its Endpoints', () => mirrored.legacyAddresses('fixed'), ['192.0.2.28:8080']);
  });

  it('keeps its Service when somebody makes a copy of it, also over a restart', async () => {
    const { kubernetes, consul, namespace } = rig;
    await consul.registerOnAgent({ id: 'copied-1', name: 'copied', address: '192.0.2.31', port: 8080 });
    const original = await until('the mirror', () => mirrored.service('copied'));
    await untilEqual('its endpoint', () => mirrored.addresses('copied'), ['192.0.2.31:8080']);
    const { labels, annotations } = original.metadata;
    await daemon.stop();
    const spec = { ports: original.spec.ports };
    // In the order of names before the original.
    await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: 'a-copy', labels, annotations },
      spec,
    });
    daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s' } });
    await consul.registerOnAgent({ id: 'copied-2', name: 'copied', address: '192.0.2.32', port: 8080 });
    await untilEqual('both', () => mirrored.addresses('copied'), ['192.0.2.31:8080', '192.0.2.32:8080']);
    expect((await mirrored.service('copied'))?.metadata.uid).toBe(original.metadata.uid);
    await kubernetes.must('DELETE', mirrored.path('services', 'a-copy'));
  });

  it('drops a dead endpoint although another write of the service is refused', async () => {
    const { kubernetes, consul } = rig;
    for (const port of [8080, 8081])
      await consul.registerOnAgent({ id: `part-${port}`, name: 'part', address: '192.0.2.35', port });
    await untilEqual('mirrored', () => mirrored.addresses('part'), ['192.0.2.35:8080', '192.0.2.35:8081']);
    // Somebody makes v1 Endpoints of that name their own: ours cannot be written any more.
    await until('Endpoints', async () => (await mirrored.legacyAddresses('part')).length === 2);
    await kubernetes.must('PATCH', mirrored.path('endpoints', 'part'), {
      metadata: { labels: { 'app.kubernetes.io/managed-by': null } },
    });
    await consul.deregisterFromAgent('part-8080');
    await untilEqual('the other one', () => mirrored.addresses('part'), ['192.0.2.35:8081']);
  });

  it('puts its annotation back on a Service of its own', async () => {
    const { kubernetes, consul } = rig;
    await consul.registerOnAgent({ id: 'noted-1', name: 'noted', address: '192.0.2.36', port: 8080 });
    await untilEqual('mirrored', () => mirrored.legacyAddresses('noted'), ['192.0.2.36:8080']);
    const key = 'consular.dev/consul-service';
    await kubernetes.must('PATCH', mirrored.path('services', 'noted'), { metadata: { annotations: { [key]: null } } });
    await until(
      'the annotation',
      async () => (await mirrored.service('noted'))?.metadata.annotations?.[key] === 'noted',
    );
    expect(await mirrored.addresses('noted')).toEqual(['192.0.2.36:8080']);
  });

  it('knows a Service that was let go while no instance was healthy, also over a restart', async () => {
    const { kubernetes, consul } = rig;
    await consul.registerOnAgent({ id: 'ailing-1', name: 'ailing', address: '192.0.2.37', port: 8080 });
    await untilEqual('mirrored', () => mirrored.legacyAddresses('ailing'), ['192.0.2.37:8080']);
    await consul.setHealth('ailing-1', 'fail');
    await untilEqual('no slices', async () => (await mirrored.slices('ailing')).length, 0);
    await untilEqual('no addresses', () => mirrored.legacyAddresses('ailing'), []);
    await kubernetes.must('PATCH', mirrored.path('services', 'ailing'), {
      metadata: { labels: { 'app.kubernetes.io/managed-by': null } },
    });
    const letGo = await mirrored.service('ailing');
    await daemon.stop();
    daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s' } });
    await consul.setHealth('ailing-1', 'pass');
    await untilEqual('healthy again', () => mirrored.addresses('ailing'), ['192.0.2.37:8080']);
    await untilEqual('healthy, to readers of Endpoints too', () => mirrored.legacyAddresses('ailing'), [
      '192.0.2.37:8080',
    ]);
    await consul.deregisterFromAgent('ailing-1');
    await untilEqual('what was ours of it', async () => (await mirrored.slices('ailing')).length, 0);
    await until('no Endpoints', async () => (await mirrored.endpoints('ailing')) === undefined);
    expect(await mirrored.service('ailing')).toEqual(letGo);
  });

  it('lets a Service go whose label is taken away, and keeps its endpoints right until the service goes', async () => {
    const { kubernetes, consul, namespace } = rig;
    await consul.registerOnAgent({ id: 'freed-1', name: 'freed', address: '192.0.2.33', port: 8080 });
    await untilEqual('mirrored', () => mirrored.legacyAddresses('freed'), ['192.0.2.33:8080']);
    await kubernetes.must('PATCH', mirrored.path('services', 'freed'), {
      metadata: { labels: { 'app.kubernetes.io/managed-by': null } },
    });
    await consul.registerOnAgent({ id: 'freed-2', name: 'freed', address: '192.0.2.34', port: 8080 });
    await untilEqual('followed', () => mirrored.addresses('freed'), ['192.0.2.33:8080', '192.0.2.34:8080']);
    for (const id of ['freed-1', 'freed-2']) await consul.setHealth(id, 'fail');
    await untilEqual('none healthy', () => mirrored.addresses('freed'), []);
    for (const id of ['freed-1', 'freed-2']) await consul.setHealth(id, 'pass');
    await untilEqual('healthy again', () => mirrored.addresses('freed'), ['192.0.2.33:8080', '192.0.2.34:8080']);
    // Its owner gives it pods: from here on the v1 Endpoints are those of Kubernetes' own controller.
    await kubernetes.must('PATCH', mirrored.path('services', 'freed'), { spec: { selector: { app: 'freed' } } });
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'freed', {
      ip,
      labels: { app: 'freed' },
      ports: [
        { name: 'main', containerPort: 8080 },
        { name: 'alias', containerPort: 8081 },
      ],
    });
    // Which of its two ports comes first is the controller's business.
    const hosts = (list: string[]) => [...new Set(list.map((address) => address.split(':')[0] ?? ''))].sort();
    const both = [ip, '192.0.2.33', '192.0.2.34'].sort();
    await untilEqual('both sides', async () => hosts(await mirrored.addresses('freed')), both);
    await untilEqual('v1 Endpoints', async () => hosts(await mirrored.legacyAddresses('freed')), [ip]);
    const owned = await mirrored.service('freed');
    await consul.deregisterFromAgent('freed-1');
    await consul.deregisterFromAgent('freed-2');
    await untilEqual('the pod only', async () => hosts(await mirrored.addresses('freed')), [ip]);
    expect(hosts(await mirrored.legacyAddresses('freed'))).toEqual([ip]);
    expect(await mirrored.service('freed')).toEqual(owned);
  });

  it('reports services beyond the limit and creates them when there is room', async () => {
    await daemon.stop();
    const { kubernetes, consul, namespace } = rig;
    const ours = 'labelSelector=app.kubernetes.io/managed-by%3Dconsular';
    const owned = (await kubernetes.list(`/api/v1/namespaces/${namespace}/services?${ours}`)).length;
    daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s', maxServices: owned } });
    await consul.registerOnAgent({ id: 'extra-1', name: 'extra', address: '192.0.2.29', port: 80 });
    await until('the report', () =>
      Promise.resolve(
        daemon.records.some(({ reason, object }) => reason === 'TooManyServices' && String(object).startsWith('extra')),
      ),
    );
    expect(await mirrored.service('extra')).toBeUndefined();
    await consul.deregisterFromAgent('fixed-1');
    await until('the waiting service', () => mirrored.service('extra'));
  });
});

describe('more services than long polls', () => {
  it('are followed all the same: health by the lists of checks, instances by sweeps', async () => {
    const rig = await openRig();
    const { kubernetes, consul, namespace } = rig;
    const mirrored = new Mirrored(rig);
    try {
      const names = Array.from({ length: 120 }, (_, i) => `many-${String(i).padStart(3, '0')}`);
      const register = (name: string, port: number) =>
        consul.registerOnAgent({ id: `${name}-${port}`, name, address: '192.0.2.30', port });
      await Promise.all(names.map((name) => register(name, 8000)));
      const daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s' } });
      const services = () => kubernetes.list(`/api/v1/namespaces/${namespace}/services`);
      await until('all mirrored', async () => (await services()).length === names.length);
      await untilIdle(daemon);
      // Whichever of them have a long poll: each is told of a critical check and of another instance.
      await Promise.all(names.map((name) => consul.setHealth(`${name}-8000`, 'fail')));
      for (const name of names)
        await untilEqual(`${name} without its critical instance`, () => mirrored.addresses(name), []);
      await Promise.all(names.map((name) => register(name, 8001)));
      for (const name of names)
        await untilEqual(`${name} with its new instance`, () => mirrored.addresses(name), ['192.0.2.30:8001']);
      await Promise.all(names.map((name) => consul.deregisterFromAgent(`${name}-8001`)));
      for (const name of names) await untilEqual(`${name} without it`, () => mirrored.addresses(name), []);
      expect(await services()).toHaveLength(names.length);
    } finally {
      await rig.close();
    }
  });
});
