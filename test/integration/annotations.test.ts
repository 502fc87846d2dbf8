import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { counted, nextPodIP, openRig, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';

const named = (name: string) => ({ 'consular.dev/service-name': name });
const WEB_AND_ADMIN = [
  { name: 'web', containerPort: 8080 },
  { name: 'admin', containerPort: 9000 },
];
const MIRRORING_IS_OFF = { toKubernetes: { enabled: false } };

const untilEvent = ({ kubernetes, namespace }: Rig, pod: string, reason: string) =>
  until(`the Event ${reason} about ${pod}`, async () =>
    (await kubernetes.eventsAbout(namespace, pod)).find((event) => event.reason === reason),
  );

describe('annotations for one port', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await openRig();
    await rig.startDaemon(MIRRORING_IS_OFF);
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  it('give one pod several services, by the names and the numbers of its ports', async () => {
    const { kubernetes, consul, namespace, cluster } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'several', {
      ip,
      ports: WEB_AND_ADMIN,
      annotations: {
        ...named('several'),
        'consular.dev/service-tags': 'all',
        'consular.dev/service-meta-team': 'a',
        'consular.dev/service-name.admin': 'several-admin',
        'consular.dev/service-tags.admin': 'internal',
        'consular.dev/service-meta-scope.admin': 'ops',
        'consular.dev/service-name.9100': 'several-metrics',
      },
    });
    await untilEqual('the first port', () => consul.summary('several'), [`${ip}:8080 passing`]);
    await untilEqual('a port by name', () => consul.summary('several-admin'), [`${ip}:9000 passing`]);
    await untilEqual('a port by number', () => consul.summary('several-metrics'), [`${ip}:9100 passing`]);
    const [web] = await consul.instances('several');
    const [admin] = await consul.instances('several-admin');
    expect(web?.Service.Tags).toEqual(['all']);
    expect(web?.Service.Meta).not.toHaveProperty('scope');
    expect(admin?.Service.ID).toBe(`${cluster}.${namespace}.several:several-admin:9000`);
    expect(admin?.Service.Tags).toEqual(['internal']);
    expect(admin?.Service.Meta).toMatchObject({ team: 'a', scope: 'ops' });
  });

  it('rename, add and remove one service of a pod, and leave its others', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    const admin = 'consular.dev/service-name.admin';
    await kubernetes.createPod(namespace, 'renamed', {
      ip,
      ports: WEB_AND_ADMIN,
      annotations: { ...named('stable'), [admin]: 'before' },
    });
    await untilEqual('the service of the port', () => consul.summary('before'), [`${ip}:9000 passing`]);
    const stable = async () => (await consul.instances('stable')).map(({ Service }) => Service.ModifyIndex);
    const untouched = await stable();
    await kubernetes.annotate(namespace, 'renamed', { [admin]: 'after' });
    await untilEqual('the new name', () => consul.summary('after'), [`${ip}:9000 passing`]);
    await untilEqual('the old name', () => consul.summary('before'), []);
    await kubernetes.annotate(namespace, 'renamed', { [admin]: null });
    await untilEqual('the removed name', () => consul.summary('after'), []);
    expect(await stable()).toEqual(untouched);
    await kubernetes.annotate(namespace, 'renamed', { 'consular.dev/service-name': null });
    await untilEqual('the last name', () => consul.summary('stable'), []);
  });

  it('need no name for the pod as a whole', async () => {
    const ip = nextPodIP();
    await rig.kubernetes.createPod(rig.namespace, 'only-port', {
      ip,
      ports: WEB_AND_ADMIN,
      annotations: { 'consular.dev/service-name.admin': 'only-admin' },
    });
    await untilEqual('the port', () => rig.consul.summary('only-admin'), [`${ip}:9000 passing`]);
  });

  it("are accepted with consul-k8s' prefix, and ours wins port by port", async () => {
    const ip = nextPodIP();
    await rig.kubernetes.createPod(rig.namespace, 'alias', {
      ip,
      ports: WEB_AND_ADMIN,
      annotations: {
        'consul.hashicorp.com/service-name.web': 'alias-web',
        'consul.hashicorp.com/service-name.admin': 'alias-theirs',
        'consular.dev/service-name.admin': 'alias-ours',
      },
    });
    await untilEqual('the alias', () => rig.consul.summary('alias-web'), [`${ip}:8080 passing`]);
    await untilEqual('ours', () => rig.consul.summary('alias-ours'), [`${ip}:9000 passing`]);
    expect(await rig.consul.summary('alias-theirs')).toEqual([]);
  });

  it('register a UDP port beside the TCP port of the same number', async () => {
    const { kubernetes, consul, namespace, cluster } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'resolver', {
      ip,
      ports: [
        { name: 'dns', containerPort: 53, protocol: 'UDP' },
        { name: 'dns-tcp', containerPort: 53 },
      ],
      annotations: { 'consular.dev/service-name.dns': 'resolver', 'consular.dev/service-name.dns-tcp': 'resolver' },
    });
    const ids = async () => (await consul.instances('resolver')).map(({ Service }) => Service.ID).sort();
    const id = `${cluster}.${namespace}.resolver:resolver:53`;
    await untilEqual('both', ids, [id, `${id}:udp`]);
    expect(await consul.summary('resolver')).toEqual([`${ip}:53 passing`, `${ip}:53 passing`]);
    await kubernetes.annotate(namespace, 'resolver', { 'consular.dev/service-name.dns': null });
    await untilEqual('the TCP port', ids, [id]);
  });

  it('of a Service register its pods once for each of its ports, by name and number', async () => {
    const { kubernetes, consul, namespace } = rig;
    await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
      metadata: {
        name: 'shop',
        annotations: {
          'consular.dev/service-name.api': 'shop-api',
          'consular.dev/service-name.9000': 'shop-admin',
          'consular.dev/service-tags.9000': 'internal',
        },
      },
      spec: {
        selector: { app: 'shop' },
        ports: [
          { name: 'api', port: 80, targetPort: 'web' },
          { name: 'manage', port: 9000, targetPort: 'admin' },
          { name: 'other', port: 7000, targetPort: 7000 },
        ],
      },
    });
    const ips = [nextPodIP(), nextPodIP()];
    for (const [i, ip] of ips.entries())
      await kubernetes.createPod(namespace, `shop-${i}`, { ip, labels: { app: 'shop' }, ports: WEB_AND_ADMIN });
    const at = (port: number) => ips.map((ip) => `${ip}:${port} passing`).sort();
    await untilEqual('the port by name', () => consul.summary('shop-api'), at(8080));
    await untilEqual('the port by number', () => consul.summary('shop-admin'), at(9000));
    expect((await consul.instances('shop-admin'))[0]?.Service.Tags).toEqual(['internal']);
    await kubernetes.must('PATCH', `/api/v1/namespaces/${namespace}/services/shop`, {
      metadata: { annotations: { 'consular.dev/service-name.9000': 'shop-ops' } },
    });
    await untilEqual('the new name', () => consul.summary('shop-ops'), at(9000));
    await untilEqual('the old name', () => consul.summary('shop-admin'), []);
    expect(await consul.summary('shop-api')).toEqual(at(8080));
  });

  it('are rejected for a port that is none, which takes nothing away', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'typo', { ip, annotations: named('typo') });
    await untilEqual('registered', () => consul.summary('typo'), [`${ip}:8080 passing`]);
    await kubernetes.annotate(namespace, 'typo', { 'consular.dev/service-name.amdin': 'typo-admin' });
    const { note } = await untilEvent(rig, 'typo', 'InvalidPort');
    expect(note).toContain(
      'annotation "consular.dev/service-name.amdin": expected the name or number of a port of the pod after the dot, found "amdin"',
    );
    expect(await consul.summary('typo')).toEqual([`${ip}:8080 passing`]);
  });
});

describe('annotations as people write them', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await openRig();
    await rig.startDaemon(MIRRORING_IS_OFF);
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  it('may end in a line break, as YAML ends a block', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'block', {
      ip,
      ready: false,
      ports: WEB_AND_ADMIN,
      annotations: {
        ...named('block\n'),
        'consular.dev/service-port': 'admin\n',
        'consular.dev/service-tags': 'a,\nb\n',
        'consular.dev/service-weight': '7\n',
        'consular.dev/not-ready': 'critical\n',
        'consular.dev/service-meta-team': 'shop\n',
      },
    });
    await untilEqual('the pod', () => consul.summary('block'), [`${ip}:9000 critical`]);
    const [instance] = await consul.instances('block');
    expect(instance?.Service).toMatchObject({ Tags: ['a', 'b'], Weights: { Passing: 7 }, Meta: { team: 'shop' } });
  });

  it('with a dot in a key of meta are told what is behind the dot, and that Consul has no such keys', async () => {
    const { kubernetes, namespace } = rig;
    const annotations = { ...named('dotted'), 'consular.dev/service-meta-management.port': '9053' };
    await kubernetes.createPod(namespace, 'dotted', { annotations });
    const { note } = await untilEvent(rig, 'dotted', 'InvalidPort');
    expect(note).toContain(
      'annotation "consular.dev/service-meta-management.port": expected the name or number of a port',
    );
    expect(note).toContain('keys of meta have no dots in Consul');
  });

  it('say the same of TLS in tags, where an older Spring looks, and in meta, where a newer one does', async () => {
    const { kubernetes, consul, namespace } = rig;
    const tagged = { ...named('tls'), 'consular.dev/service-tags': 'secure=true' };
    const contradicted = { ...tagged, ...named('tls-not'), 'consular.dev/service-meta-secure': 'false' };
    await kubernetes.createPod(namespace, 'tls', { annotations: tagged });
    await kubernetes.createPod(namespace, 'tls-not', { annotations: contradicted });
    const secure = async (name: string) => (await consul.instances(name)).map(({ Service }) => Service.Meta.secure);
    await untilEqual('by the tag', () => secure('tls'), ['true']);
    await untilEqual('by the annotation', () => secure('tls-not'), ['false']);
  });
});

describe('the address of a pod', () => {
  const v4 = nextPodIP();
  const v6 = 'fd00:10:244::17';
  const onlyV6 = 'fd00:10:244::18';
  const cases = [
    { addressFamily: 'pod', dual: `${v6}:8080 passing`, single: `${onlyV6}:8080 passing` },
    { addressFamily: 'IPv4', dual: `${v4}:8080 passing`, single: undefined },
    { addressFamily: 'IPv6', dual: `${v6}:8080 passing`, single: `${onlyV6}:8080 passing` },
  ];

  it.each(cases)('is of the wanted family: $addressFamily', async ({ addressFamily, dual, single }) => {
    const rig = await openRig();
    const { kubernetes, consul, namespace } = rig;
    try {
      await rig.startDaemon({ ...MIRRORING_IS_OFF, toConsul: { addressFamily } });
      await kubernetes.createPod(namespace, 'dual', { ips: [v6, v4], annotations: named('dual') });
      await kubernetes.createPod(namespace, 'single', { ips: [onlyV6], annotations: named('single') });
      await untilEqual('the dual-stack pod', () => consul.summary('dual'), [dual]);
      if (single) return await untilEqual('the pod with IPv6 only', () => consul.summary('single'), [single]);
      const { note } = await untilEvent(rig, 'single', 'InvalidAddress');
      expect(note).toContain(`expected an IPv4 address (toConsul.addressFamily), found ${onlyV6}`);
      expect(await consul.summary('single')).toEqual([]);
    } finally {
      await rig.close();
    }
  });

  it("is its node's for a pod with hostNetwork, which is registered only where that is switched on", async () => {
    const rig = await openRig();
    const { kubernetes, consul, namespace } = rig;
    const host = { hostNetwork: true, ip: '192.0.2.11', hostIP: '192.0.2.11' };
    try {
      const daemon = await rig.startDaemon(MIRRORING_IS_OFF);
      await kubernetes.createPod(namespace, 'host', { ...host, annotations: named('host') });
      const { note } = await untilEvent(rig, 'host', 'HostNetwork');
      expect(note).toContain('not registered unless toConsul.hostNetwork is on');
      expect(await consul.summary('host')).toEqual([]);
      await daemon.stop();
      await rig.startDaemon({ ...MIRRORING_IS_OFF, toConsul: { hostNetwork: true } });
      await untilEqual('registered', () => consul.summary('host'), ['192.0.2.11:8080 passing']);
    } finally {
      await rig.close();
    }
  });
});

describe("registrator's variables", () => {
  it('register a pod where they are switched on, and annotations with a name win', async () => {
    const rig = await openRig();
    const { kubernetes, consul, namespace } = rig;
    const env = [
      { name: 'SERVICE_NAME', value: 'legacy' },
      { name: 'SERVICE_TAGS', value: 'old,blue' },
      { name: 'SERVICE_VERSION', value: '7' },
    ];
    try {
      await kubernetes.createPod(namespace, 'plain', { ip: '10.245.0.1', env });
      await kubernetes.createPod(namespace, 'annotated', { ip: '10.245.0.2', env, annotations: named('modern') });
      const off = await rig.startDaemon(MIRRORING_IS_OFF);
      await untilEqual('the annotated pod', () => consul.summary('modern'), ['10.245.0.2:8080 passing']);
      expect(await consul.summary('legacy')).toEqual([]);
      await off.stop();
      await rig.startDaemon({ ...MIRRORING_IS_OFF, toConsul: { registrator: true } });
      await untilEqual('the variables', () => consul.summary('legacy'), ['10.245.0.1:8080 passing']);
      const [instance] = await consul.instances('legacy');
      expect(instance?.Service.Tags).toEqual(['old', 'blue']);
      expect(instance?.Service.Meta).toMatchObject({ version: '7', 'k8s-pod': 'plain' });
      expect(instance?.Checks[0]?.Notes).toMatch(/because of registrator's variables of container app$/);
      await kubernetes.annotate(namespace, 'plain', named('modern'));
      await untilEqual('both', () => consul.summary('modern'), ['10.245.0.1:8080 passing', '10.245.0.2:8080 passing']);
      await untilEqual('the old name', () => consul.summary('legacy'), []);
      await kubernetes.annotate(namespace, 'plain', { 'consular.dev/service-name': null });
      await untilEqual('the variables again', () => consul.summary('legacy'), ['10.245.0.1:8080 passing']);
    } finally {
      await rig.close();
    }
  });

  it('that are empty are none: nothing is told, and nothing is kept out', async () => {
    const rig = await openRig();
    const { kubernetes, consul, namespace } = rig;
    const container = (name: string, containerPort: number, env: object[]) => {
      return { name, image: `shop/${name}:1`, ports: [{ containerPort }], env };
    };
    const empty = (name: string) => ({ name, value: '' });
    try {
      await kubernetes.createPod(namespace, 'empty', {
        ip: '10.245.0.9',
        containers: [
          container('web', 8080, [
            { name: 'SERVICE_NAME', value: 'named' },
            empty('SERVICE_TAGS'),
            empty('SERVICE_ID'),
          ]),
          container('unnamed', 9090, [empty('SERVICE_NAME')]),
        ],
      });
      const toConsul = { registrator: true, registratorExplicit: false, namespaces: { include: [namespace] } };
      const daemon = await rig.startDaemon({ ...MIRRORING_IS_OFF, toConsul });
      await untilEqual('the named port', () => consul.summary('named'), ['10.245.0.9:8080 passing']);
      await untilEqual('the other', () => consul.summary('unnamed'), ['10.245.0.9:9090 passing']);
      await untilIdle(daemon);
      expect((await consul.instances('named'))[0]?.Service.Tags).toEqual([]);
      expect(daemon.records.filter(({ message }) => message === 'without effect' || message === 'rejected')).toEqual(
        [],
      );
    } finally {
      await rig.close();
    }
  });

  it('that have no effect are told, once for a workload, and the pods are registered without them', async () => {
    const rig = await openRig();
    const { kubernetes, consul, namespace } = rig;
    const env = [
      { name: 'SERVICE_NAME', value: 'lacking' },
      { name: 'SERVICE_TAGS', valueFrom: { configMapKeyRef: { name: 'tags', key: 'all' } } },
    ];
    /** A pod of a version of Deployment `lacking`. The ReplicaSet exists, or Kubernetes would collect the pod. */
    async function createOwned(name: string, hash: string): Promise<void> {
      const labels = { app: 'lacking', 'pod-template-hash': hash };
      const template = { metadata: { labels }, spec: { containers: [{ name: 'app', image: 'app' }] } };
      const { metadata } = await kubernetes.must('POST', `/apis/apps/v1/namespaces/${namespace}/replicasets`, {
        metadata: { name: `lacking-${hash}`, labels },
        spec: { replicas: 1, selector: { matchLabels: labels }, template },
      });
      const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: metadata.name, uid: metadata.uid };
      await kubernetes.createPod(namespace, name, { env, labels, ownerReferences: [{ ...owner, controller: true }] });
    }
    try {
      const daemon = await rig.startDaemon({ ...MIRRORING_IS_OFF, toConsul: { registrator: true } });
      await createOwned('first', '7d4b9c6f5');
      const { note } = await untilEvent(rig, 'first', 'VariableIgnored');
      expect(note).toContain('Without effect in Consul: container "app": "SERVICE_TAGS": expected a value in the Pod');
      await createOwned('second', '6c8d7f9b4');
      await until('both', async () => (await consul.summary('lacking')).length === 2);
      const told = daemon.records.filter(({ message }) => message === 'without effect');
      expect(told).toEqual([expect.objectContaining({ level: 'warn', object: `${namespace}/first` })]);
      expect((await consul.instances('lacking')).map(({ Service }) => Service.Tags)).toEqual([[], []]);
      expect(await counted(daemon.metrics.rejections)).toEqual([]);
    } finally {
      await rig.close();
    }
  });
});
