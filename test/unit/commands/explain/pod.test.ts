import { describe, expect, it } from '@jest/globals';
import type { Explanation } from '../../../../src/commands/explain/explanation.ts';
import { explainPod } from '../../../../src/commands/explain/pod.ts';
import type { Pod } from '../../../../src/kubernetes/objects.ts';
import {
  GATE,
  annotations,
  condition,
  container,
  endpoint,
  instance,
  service,
  slice,
  strings,
} from '../../builders.ts';
import { observed, registrationOf, WORKER_1 } from '../../to-consul/instances.ts';
import { podNamed, registered } from '../../to-consul/planning.ts';
import { worldOf, type WorldGiven } from './world.ts';

async function explain(given: WorldGiven, key = 'shop/a'): Promise<Explanation | undefined> {
  const { config, world } = await worldOf({ toKubernetes: { enabled: false }, ...given });
  if (!world.toConsul) throw new Error('expected the direction to Consul to be on');
  return explainPod(config, world.owner, world.toConsul, key);
}

const ofPod = (overrides: Partial<Pod>, given: WorldGiven = {}) =>
  explain({ pods: [podNamed('a', overrides)], ...given });
const facts = (explanation?: Explanation) => explanation?.found.map(({ what, value }) => `${what}: ${value}`);
const changes = (explanation?: Explanation) =>
  explanation?.changes.map(({ action, note }) => `${action} ${note}`.trim());

/** The instance of pod shop/a in Consul, as it was registered with this. */
const inConsul = (overrides: Parameters<typeof registrationOf>[1] = {}, checkIndex = 22) =>
  observed(registrationOf('a', overrides), { podKey: 'shop/a', podUid: 'uid-of-a', checkIndex });

const behind = (...names: string[]) =>
  slice({
    endpoints: names.map((name) => endpoint('10.1.0.7', { target: { kind: 'Pod', namespace: 'shop', name } })),
  });

it('a name that the token may not write is rejected with the rule that is missing, and nothing would be done', async () => {
  const explanation = await ofPod({}, { denied: ['orders'] });
  expect(explanation?.changes).toEqual([]);
  expect(explanation?.rejections).toEqual([
    {
      object: 'Pod shop/a',
      reason: 'ConsulRefused',
      message:
        'Consul\'s ACLs refuse it: the token may not write service orders: add `service "orders" { policy = "write" }` to its policy',
    },
  ]);
});

describe('what is found of a pod', () => {
  it.each<[string, Partial<Pod>, string[]]>([
    ['phase', { phase: '' }, ['phase: (none)']],
    ['node', { nodeName: '', hostIP: '' }, ['node: (none)']],
    ['address of its node', { hostIP: '' }, ['node: worker-1 (no hostIP)']],
    ['IP', { podIPs: [] }, ['IPs: (none)']],
    [
      'Ready condition',
      { ready: undefined },
      ['Ready: (no such condition)', 'readiness: Pod is not Ready: no Ready condition yet'],
    ],
    ['time of its Ready condition', { ready: condition({ lastTransitionTime: '' }) }, ['Ready: True']],
  ])('has a word for a missing %s', async (_, overrides, lines) => {
    expect(facts(await ofPod(overrides))).toEqual(expect.arrayContaining(lines));
  });

  it('names what only some pods have', async () => {
    const explanation = await ofPod({
      hostNetwork: true,
      deletionTimestamp: '2026-10-20T10:00:00Z',
      readinessGates: ['example.com/warm', GATE],
      conditions: new Map([['example.com/warm', 'False']]),
      containers: [container({ ports: [{ name: '', port: 53, protocol: 'UDP' }] })],
    });
    expect(facts(explanation)).toEqual(
      expect.arrayContaining([
        'hostNetwork: true',
        'deletion: 2026-10-20T10:00:00Z',
        'readiness gate: example.com/warm: False',
        `readiness gate: ${GATE}: (no condition)`,
        'port: 53/UDP of container app',
      ]),
    );
  });

  it('says which port is the default, of which container and why, and what it thinks of each container', async () => {
    const port = (name: string, number: number) => [{ name, port: number, protocol: 'TCP' as const }];
    const containers = [
      container({ name: 'linkerd-proxy', ports: port('linkerd-admin', 4191) }),
      container({ name: 'app', ports: port('', 8080) }),
      container({ name: 'metrics', ports: port('', 9100), isSidecar: true }),
    ];
    expect(facts(await ofPod({ containers }))).toEqual(
      expect.arrayContaining([
        'port: 4191/TCP linkerd-admin of container linkerd-proxy (put into the pod by a mesh)',
        'port: 9100/TCP of container metrics (a native sidecar)',
        'default port: 8080, of container app: it is the first container with a TCP port, without those that a mesh put into the pod: "linkerd-proxy"',
      ]),
    );
    const chosen = annotations({ 'service-name': 'orders', 'service-port': '8080' });
    expect(facts(await ofPod({ annotations: chosen, containers }))?.join()).not.toContain('default port');
  });

  it('is nothing where neither system knows it', async () => {
    expect(await explain({})).toBeUndefined();
  });

  it('is what it left in Consul when it is gone', async () => {
    expect(await explain({ observed: [inConsul()] })).toMatchObject({
      exists: false,
      found: [{ what: 'pod', value: 'Kubernetes has no pod of that name' }],
      settings: [],
      decision: { rule: 'there is no such pod', notes: [] },
      desired: [],
      observed: [{ id: 'prod.shop.a:orders:8080', origin: 'ours, for Pod shop/a' }],
      changes: [
        {
          action: 'unproven',
          note: 'after a direct read that does not find what it was registered for, as the pod is gone',
        },
      ],
    });
  });
});

describe('the settings of a pod', () => {
  const old = (text: Readonly<Record<string, string>>): Pod =>
    podNamed('a', {
      annotations: annotations(text),
      containers: [container({ env: [{ name: 'SERVICE_NAME', value: 'old', fieldPath: undefined }] })],
    });
  const lines = (explanation?: Explanation) =>
    explanation?.settings.map(({ source, key, note }) => `${source}: ${key} ${note}`.trim());

  it("have registrator's variables only where they are switched on, and what wins over them", async () => {
    const variable = 'Pod shop/a, container app: SERVICE_NAME';
    expect(lines(await explain({ pods: [old({})] }))).toEqual([]);
    expect(lines(await explain({ pods: [old({})], toConsul: { registrator: true } }))).toEqual([variable]);
    expect(lines(await explain({ pods: [old({ 'service-name': 'new' })], toConsul: { registrator: true } }))).toEqual([
      'Pod shop/a: consular.dev/service-name',
      `${variable} not read: annotations of the pod name a service`,
    ]);
  });

  it('have those of the Services over it, with what each of them asks for', async () => {
    const services = [
      service({ annotations: annotations({ 'service-sync': 'true', 'service-tags': 'blue' }) }),
      service({ name: 'silent' }),
    ];
    const slices = [
      behind('a'),
      slice({ ...behind('a'), name: 'silent-1', labels: strings({ 'kubernetes.io/service-name': 'silent' }) }),
    ];
    const explanation = await explain({ pods: [podNamed('a', { annotations: strings() })], services, slices });
    expect(lines(explanation)).toEqual([
      'Service shop/orders: consular.dev/service-sync',
      'Service shop/orders: consular.dev/service-tags',
    ]);
    expect(explanation?.decision.notes).toEqual([
      'Service shop/orders asks for its pods',
      'Service shop/silent is over the pod and asks for nothing',
    ]);
    expect(explanation?.desired).toMatchObject([{ service: 'orders', tags: ['blue'] }]);
  });
});

describe('what becomes of a pod', () => {
  it("is nothing on a Consul node that is somebody else's", async () => {
    const explanation = await ofPod({}, { refusedNodes: [WORKER_1] });
    expect(explanation?.decision.notes).toEqual([`Consul node ${WORKER_1} is not Consular's to write to`]);
    expect(explanation?.rejections).toMatchObject([{ object: 'Pod shop/a', reason: 'NodeConflict' }]);
    expect(changes(explanation)).toEqual([]);
  });

  it('stays as it is as long as what is wanted instead is broken', async () => {
    const pods = [podNamed('a', {}, { 'service-weight': 'x' })];
    expect(changes(await explain({ pods, observed: [inConsul()] }))).toEqual([
      'held it stays as long as what is wanted instead is broken or not known yet',
    ]);
  });

  it('shows an instance that lost its check, and what comes back with it', async () => {
    const explanation = await ofPod({}, { observed: [inConsul({}, 0)] });
    expect(explanation?.observed).toMatchObject([{ status: 'without its check' }]);
    expect(explanation?.changes[0]?.differences).toContainEqual({
      field: 'check.status',
      desired: 'passing',
      observed: '(none)',
    });
  });

  it.each<[string, object, string, string]>([
    ['room in the namespace', { maxInstances: 1 }, 'shop/b', 'QuotaExceeded'],
    ['a name', { default: 'deny' }, 'web/c', 'PolicyDenied'],
  ])('depends on the pods before it where they take %s', async (_, policy, last, reason) => {
    const pods = [podNamed('a'), podNamed('b'), podNamed('c', { namespace: 'web' })];
    const given = { pods, toConsul: { policy } };
    expect(await explain(given)).toMatchObject({ changes: [{ action: 'create' }], rejections: [] });
    expect(await explain(given, last)).toMatchObject({ changes: [], rejections: [{ reason }] });
  });

  it('is read from Consul first where others have the name', async () => {
    const foreign = [instance({ id: 'by-itself', service: 'orders', address: '10.1.0.7' })];
    expect(await ofPod({}, { foreign })).toMatchObject({ changes: [], rejections: [{ reason: 'Duplicate' }] });
  });
});

it('a pod that is not Ready and is retained, because its service would be empty, is told so', async () => {
  const pods = Array.from({ length: 21 }, (_, i) => podNamed(`p${i}`, { podIPs: [`10.1.0.${i}`] }));
  const there = registered({ pods });
  const lost = pods.map((pod) => ({ ...pod, ready: condition({ status: 'False' }) }));
  const explanation = await explain({ pods: lost, observed: there }, 'shop/p0');
  expect(changes(explanation)).toEqual([
    'update',
    'retained its pod is not Ready: much was lost at once, and orders would be empty',
  ]);
  const fewer = await explain({ pods: lost.slice(1), observed: there.slice(1) }, 'shop/p1');
  expect(changes(fewer)).toEqual(['remove Pod is not Ready since 2026-10-20T10:00:00Z: its condition Ready is False']);
});

describe('the readiness gate of a pod', () => {
  const gated: Partial<Pod> = {
    readinessGates: [GATE],
    ready: condition({ status: 'False' }),
    conditions: new Map([['ContainersReady', 'True']]),
  };
  const notes = async (overrides: Partial<Pod>, readinessGate: boolean) =>
    (await ofPod({ ...gated, ...overrides }, { toConsul: { readinessGate } }))?.decision.notes;

  it('is said not to be served where it is switched off: such a pod never becomes Ready', async () => {
    expect(await notes({}, false)).toEqual([`readiness gate ${GATE} is not served: toConsul.readinessGate is off`]);
  });

  it.each<[string, Partial<Pod>, string[]]>([
    ['nothing while the pod is not written yet', {}, []],
    [
      'that it opens where nobody asks for anything',
      { annotations: strings() },
      [`readiness gate ${GATE} would be set to True: Nobody asks for a registration in Consul`],
    ],
    ['nothing when it is open already', { conditions: new Map([[GATE, 'True']]) }, []],
  ])('says %s', async (_, overrides, expected) => {
    expect(await notes(overrides, true)).toEqual(expected);
  });
});
