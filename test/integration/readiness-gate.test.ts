import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  nextPodIP,
  openRig,
  until,
  untilEqual,
  untilIdle,
  type Daemon,
  type PodOptions,
  type Rig,
} from '../rig/index.ts';

const GATE = 'consular.dev/registered';
const OTHER_GATE = 'example.com/load-balancer';
const named = (name: string) => ({ 'consular.dev/service-name': name });

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

/** A pod whose containers are ready, and which is not Ready because nobody has opened its gates. */
const gated = (options: PodOptions): PodOptions => ({
  readinessGates: [GATE],
  conditions: { ContainersReady: true },
  ready: false,
  ...options,
});

async function podOf({ kubernetes, namespace }: Rig, name: string) {
  const pod = await kubernetes.find(`/api/v1/namespaces/${namespace}/pods/${name}`);
  const conditions = (pod?.status as { conditions?: Condition[] } | undefined)?.conditions ?? [];
  return {
    version: pod?.metadata.resourceVersion,
    types: conditions.map(({ type }) => type).sort(),
    gate: conditions.find(({ type }) => type === GATE),
  };
}

const untilGate = (rig: Rig, name: string, status: 'True' | 'False') =>
  until(`the gate of ${name} to be ${status}`, async () => {
    const { gate } = await podOf(rig, name);
    return gate?.status === status && gate;
  });

/** A pod without a gate on the same node, changed after everything else: what the daemon wanted to do before, it has done. */
async function untilPassed(rig: Rig, daemon: Daemon, tag: string): Promise<void> {
  const name = `witness-${tag}`;
  await rig.kubernetes.createPod(rig.namespace, name, { annotations: named(name) });
  await until(name, async () => (await rig.consul.summary(name)).length === 1);
  await untilIdle(daemon);
}

describe('the readiness gate', () => {
  let rig: Rig;
  let daemon: Daemon;

  beforeAll(async () => {
    rig = await openRig();
    daemon = await rig.startDaemon({ toConsul: { readinessGate: true }, toKubernetes: { enabled: false } });
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  it('opens for a pod that lacks nothing else, once the pod is in Consul, and leaves its other conditions', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'plain', gated({ ip, annotations: named('plain') }));
    const gate = await untilGate(rig, 'plain', 'True');
    expect(gate).toMatchObject({ reason: 'Registered', message: 'Registered in Consul' });
    expect(Date.parse(gate.lastTransitionTime)).not.toBeNaN();
    expect(await consul.summary('plain')).toEqual([`${ip}:8080 passing`]);
    expect((await podOf(rig, 'plain')).types).toEqual(['ContainersReady', 'Ready', GATE].sort());
  });

  it('stays shut while another gate is, and registers the pod when that opens', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(
      namespace,
      'two-gates',
      gated({ ip, annotations: named('two-gates'), readinessGates: [GATE, OTHER_GATE] }),
    );
    await untilPassed(rig, daemon, 'two-gates');
    expect((await podOf(rig, 'two-gates')).gate).toBeUndefined();
    expect(await consul.summary('two-gates')).toEqual([]);
    await kubernetes.setConditions(namespace, 'two-gates', { [OTHER_GATE]: true });
    await untilGate(rig, 'two-gates', 'True');
    expect(await consul.summary('two-gates')).toEqual([`${ip}:8080 passing`]);
  });

  it('stays shut while the containers are not ready', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(
      namespace,
      'starting',
      gated({ ip, annotations: named('starting'), conditions: { ContainersReady: false } }),
    );
    await untilPassed(rig, daemon, 'starting');
    expect((await podOf(rig, 'starting')).gate).toBeUndefined();
    expect(await consul.summary('starting')).toEqual([]);
    await kubernetes.setConditions(namespace, 'starting', { ContainersReady: true });
    await untilGate(rig, 'starting', 'True');
    expect(await consul.summary('starting')).toEqual([`${ip}:8080 passing`]);
  });

  it('says why it stays shut for wrong annotations, and opens when they are mended', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    const wrong = { ...named('mended'), 'consular.dev/service-weight': 'heavy' };
    await kubernetes.createPod(namespace, 'mended', gated({ ip, annotations: wrong }));
    const shut = await untilGate(rig, 'mended', 'False');
    expect(shut).toMatchObject({ reason: 'InvalidAnnotation' });
    expect(shut.message).toContain('service-weight": expected a number from 1 to 65535, found "heavy"');
    expect(await consul.summary('mended')).toEqual([]);
    await kubernetes.annotate(namespace, 'mended', { 'consular.dev/service-weight': '3' });
    await untilGate(rig, 'mended', 'True');
    expect(await consul.summary('mended')).toEqual([`${ip}:8080 passing`]);
  });

  it('says the next reason when another one follows the first', async () => {
    const { kubernetes, namespace } = rig;
    const wrong = { ...named('wrong'), 'consular.dev/service-weight': 'heavy' };
    await kubernetes.createPod(namespace, 'wrong', gated({ annotations: wrong }));
    await untilGate(rig, 'wrong', 'False');
    await kubernetes.annotate(namespace, 'wrong', { 'consular.dev/service-weight': 'light' });
    await until('the next reason', async () => (await podOf(rig, 'wrong')).gate?.message.includes('"light"'));
    await kubernetes.annotate(namespace, 'wrong', { 'consular.dev/service-weight': 'heavy' });
    await until('the first reason', async () => (await podOf(rig, 'wrong')).gate?.message.includes('"heavy"'));
  });

  it('opens at once for a pod that nobody wants in Consul', async () => {
    await rig.kubernetes.createPod(rig.namespace, 'private', gated({}));
    expect(await untilGate(rig, 'private', 'True')).toMatchObject({ reason: 'NothingToDo' });
  });

  describe('of a pod that only a Service asks for', () => {
    /** The endpoints controllers leave out pods on a node that does not exist: slices that come late, as long as wanted. */
    const lost = (rig: Rig, name: string) => `${rig.cluster}-${name}`;

    async function createAskedFor({ kubernetes, namespace }: Rig, name: string, ip: string): Promise<void> {
      await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
        metadata: { name, annotations: named(name) },
        spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] },
      });
      await kubernetes.createPod(
        namespace,
        name,
        gated({ ip, node: lost(rig, name), labels: { app: name, tier: 'web' } }),
      );
    }

    it('stays shut until an EndpointSlice has the pod, says for what it waits, and opens when it is registered', async () => {
      const { kubernetes, consul } = rig;
      const ip = nextPodIP();
      await createAskedFor(rig, 'late-slice', ip);
      const shut = await untilGate(rig, 'late-slice', 'False');
      expect(shut).toMatchObject({ reason: 'NoEndpointSlice' });
      expect(shut.message).toContain('late-slice asks for the pod');
      await untilPassed(rig, daemon, 'late-slice-shut');
      expect(await consul.summary('late-slice')).toEqual([]);
      await kubernetes.createNode(lost(rig, 'late-slice'));
      expect(await untilGate(rig, 'late-slice', 'True')).toMatchObject({ reason: 'Registered' });
      expect(await consul.summary('late-slice')).toEqual([`${ip}:8080 passing`]);
    });

    it.each<[string, object]>([
      ['does not ask any more', { metadata: { annotations: { 'consular.dev/service-name': null } } }],
      ['does not select it any more', { spec: { selector: { app: 'other' } } }],
    ])('opens when that Service %s', async (what, change) => {
      const { kubernetes, namespace } = rig;
      const name = what.replaceAll(' ', '-');
      await createAskedFor(rig, name, nextPodIP());
      await untilGate(rig, name, 'False');
      await kubernetes.must('PATCH', `/api/v1/namespaces/${namespace}/services/${name}`, change);
      expect(await untilGate(rig, name, 'True')).toMatchObject({ reason: 'NothingToDo' });
    });

    it('opens when that Service goes', async () => {
      const { kubernetes, namespace } = rig;
      await createAskedFor(rig, 'gone', nextPodIP());
      await untilGate(rig, 'gone', 'False');
      await kubernetes.must('DELETE', `/api/v1/namespaces/${namespace}/services/gone`);
      expect(await untilGate(rig, 'gone', 'True')).toMatchObject({ reason: 'NothingToDo' });
    });

    it('opens at once when that Service says that it asks for nothing', async () => {
      const { kubernetes, namespace } = rig;
      await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
        metadata: { name: 'silent', annotations: { ...named('silent'), 'consular.dev/service-sync': 'false' } },
        spec: { selector: { app: 'silent' }, ports: [{ port: 80, targetPort: 8080 }] },
      });
      await kubernetes.createPod(namespace, 'silent', gated({ node: lost(rig, 'silent'), labels: { app: 'silent' } }));
      expect(await untilGate(rig, 'silent', 'True')).toMatchObject({ reason: 'NothingToDo' });
    });

    it('stays shut while its EndpointSlices do not have the port', async () => {
      const { kubernetes, namespace, consul } = rig;
      const ip = nextPodIP();
      await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
        metadata: { name: 'portless', annotations: named('portless') },
        spec: { selector: { app: 'portless' }, ports: [{ port: 80, targetPort: 'admin' }] },
      });
      await kubernetes.createPod(namespace, 'portless', gated({ ip, labels: { app: 'portless' } }));
      await until('the wrong port is told', async () => {
        const { reason, message } = await untilGate(rig, 'portless', 'False');
        return reason === 'InvalidPort' && message.includes(`Service ${namespace}/portless`);
      });
      await kubernetes.must('PATCH', `/api/v1/namespaces/${namespace}/services/portless`, {
        spec: { ports: [{ port: 80, targetPort: 'http' }] },
      });
      await untilGate(rig, 'portless', 'True');
      expect(await consul.summary('portless')).toEqual([`${ip}:8080 passing`]);
    });
  });

  it('opens for a pod that somebody else has in Consul', async () => {
    const { kubernetes, consul, namespace } = rig;
    const address = nextPodIP();
    await daemon.stop();
    await consul.registerInCatalog({ node: 'k8s-sync', id: 'doubled-1', service: 'doubled', address, port: 8080 });
    await kubernetes.createPod(namespace, 'doubled', gated({ ip: address, annotations: named('doubled') }));
    daemon = await rig.startDaemon({ toConsul: { readinessGate: true }, toKubernetes: { enabled: false } });
    await untilGate(rig, 'doubled', 'True');
    expect(await consul.summary('doubled')).toEqual([`${address}:8080 passing`]);
  });

  it('stays open when the pod is no longer ready, which deregisters it all the same', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'flip', gated({ ip, annotations: named('flip') }));
    const open = await untilGate(rig, 'flip', 'True');
    await kubernetes.setConditions(namespace, 'flip', { Ready: true });
    expect(await consul.summary('flip')).toEqual([`${ip}:8080 passing`]);
    await kubernetes.setConditions(namespace, 'flip', { Ready: false, ContainersReady: false });
    await untilEqual('deregistered', () => consul.summary('flip'), []);
    await untilPassed(rig, daemon, 'flip');
    expect((await podOf(rig, 'flip')).gate).toEqual(open);
    await kubernetes.setConditions(namespace, 'flip', { ContainersReady: true });
    await untilEqual('registered again', () => consul.summary('flip'), [`${ip}:8080 passing`]);
    expect((await podOf(rig, 'flip')).gate).toEqual(open);
  });

  it('is not written again with the same words, not even over a restart', async () => {
    const { kubernetes, consul, namespace, cluster } = rig;
    const node = `${cluster}-zoned`;
    await kubernetes.createNode(node);
    const wrong = { ...named('still'), 'consular.dev/not-ready': 'maybe' };
    await kubernetes.createPod(namespace, 'still-shut', gated({ node, annotations: wrong }));
    await kubernetes.createPod(namespace, 'still-open', gated({ node, annotations: named('still-open') }));
    await untilGate(rig, 'still-shut', 'False');
    await untilGate(rig, 'still-open', 'True');
    const versions = async () => [(await podOf(rig, 'still-shut')).version, (await podOf(rig, 'still-open')).version];
    const before = await versions();
    // Each pod of the node is looked at again, and no pod changes.
    for (const zone of ['zone-a', 'zone-b']) {
      await kubernetes.must('PATCH', `/api/v1/nodes/${node}`, {
        metadata: { labels: { 'topology.kubernetes.io/zone': zone } },
      });
      await until('the zone', async () => (await consul.instances('still-open'))[0]?.Service.Meta.zone === zone);
    }
    await untilPassed(rig, daemon, 'still');
    expect(await versions()).toEqual(before);
    await daemon.stop();
    daemon = await rig.startDaemon({ toConsul: { readinessGate: true }, toKubernetes: { enabled: false } });
    await untilPassed(rig, daemon, 'still-again');
    expect(await versions()).toEqual(before);
  });
});

describe('the readiness gate, while it is switched off', () => {
  it("is left alone, and the pod is what Kubernetes' own readiness says", async () => {
    const rig = await openRig();
    const { kubernetes, consul, namespace } = rig;
    try {
      const daemon = await rig.startDaemon({ toKubernetes: { enabled: false } });
      const ip = nextPodIP();
      await kubernetes.createPod(namespace, 'off', gated({ ip, annotations: named('off') }));
      await untilPassed(rig, daemon, 'off');
      expect((await podOf(rig, 'off')).gate).toBeUndefined();
      expect(await consul.summary('off')).toEqual([]);
      await kubernetes.setConditions(namespace, 'off', { [GATE]: true, Ready: true });
      await untilEqual('registered', () => consul.summary('off'), [`${ip}:8080 passing`]);
    } finally {
      await rig.close();
    }
  });
});
