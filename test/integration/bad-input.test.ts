import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  nextPodIP,
  openRig,
  scrape,
  until,
  untilEqual,
  untilIdle,
  type Daemon,
  type PodOptions,
  type Rig,
} from '../rig/index.ts';

/**
 * Rows of test/unit/to-consul/bad-input.test.ts that a real API server lets through, seen from outside: the Event on the
 * pod, the metric, the log, and neighbours that are registered in the same moment and then left alone.
 */

const named = (name: string) => ({ 'consular.dev/service-name': name });

interface Row {
  readonly what: string;
  readonly reason: string;
  readonly says: RegExp;
  readonly pod: PodOptions;
}

const annotated = (entries: Readonly<Record<string, string>>): PodOptions => ({
  annotations: Object.fromEntries(Object.entries(entries).map(([key, value]) => [`consular.dev/${key}`, value])),
});
const ROWS: readonly Row[] = [
  {
    what: 'B1 a name of blanks',
    reason: 'InvalidServiceName',
    says: /service name: expected 1 to 63 .* found ""/,
    pod: annotated({ 'service-name': '  ' }),
  },
  {
    what: 'B2 a name of 10 000 characters',
    reason: 'InvalidServiceName',
    says: /found "a{128}" \(shortened\)/,
    pod: annotated({ 'service-name': 'a'.repeat(10_000) }),
  },
  {
    what: "B3 Consul's own name",
    reason: 'ReservedName',
    says: /service name "consul" is reserved/,
    pod: annotated({ 'service-name': 'consul' }),
  },
  {
    what: 'B6 a name that is a path',
    reason: 'InvalidServiceName',
    says: /found "\.\.\/agent\?dc=x#y"/,
    pod: annotated({ 'service-name': '../agent?dc=x#y' }),
  },
  {
    what: 'B7 meta with line breaks, colours and bidi marks',
    reason: 'InvalidMeta',
    says: /found "a\\r\\n\\u001b\[31mb\\u202ec"$/,
    pod: annotated({ 'service-name': 'bad', 'service-meta-team': 'a\r\n\u001b[31mb\u202ec' }),
  },
  {
    what: 'B10 as many keys as there is room for',
    reason: 'InvalidMeta',
    says: /meta: expected at most 64 entries with Consular's own, found \d{4}/,
    pod: annotated({
      'service-name': 'bad',
      ...Object.fromEntries(Array.from({ length: 4000 }, (_, i) => [`service-meta-k${i}`, 'x'.repeat(20)])),
    }),
  },
  {
    what: 'B11 meta that Consul would refuse, and with it all that goes in the same transaction',
    reason: 'InvalidMeta',
    says: /meta "team": expected a value of at most 512 bytes/,
    pod: annotated({ 'service-name': 'bad', 'service-meta-team': 'x'.repeat(513) }),
  },
  {
    what: "B12 Consular's own meta",
    reason: 'InvalidMeta',
    says: /meta "k8s-cluster": this key is set by Consular/,
    pod: annotated({ 'service-name': 'bad', 'service-meta-k8s-cluster': 'other' }),
  },
  {
    what: 'B14 a port in other digits',
    reason: 'InvalidPort',
    says: /service-port: expected a port number or the name of a container port, found "0x50"/,
    pod: annotated({ 'service-name': 'bad', 'service-port': '0x50' }),
  },
  {
    what: 'B15 an SCTP port',
    reason: 'InvalidPort',
    says: /expected a TCP or UDP port, found an SCTP port/,
    pod: {
      ...annotated({ 'service-name': 'bad', 'service-port': 'sigtran' }),
      ports: [{ name: 'sigtran', containerPort: 2905, protocol: 'SCTP' }],
    },
  },
  {
    what: 'B16 a word for yes',
    reason: 'InvalidAnnotation',
    says: /annotation "consular.dev\/service-sync": expected "true" or "false", found "yes"/,
    pod: annotated({ 'service-name': 'bad', 'service-sync': 'yes' }),
  },
  {
    what: 'B22 the loopback address',
    reason: 'InvalidAddress',
    says: /pod IP "127\.0\.0\.1": /,
    pod: { ...annotated({ 'service-name': 'bad' }), ip: '127.0.0.1' },
  },
];
const WITHOUT_MIRROR = { toKubernetes: { enabled: false } };

async function rejectionsCounted({ metrics }: Daemon, reason: string): Promise<number> {
  const { values } = await metrics.rejections.get();
  return values.find(({ labels }) => labels.reason === reason)?.value ?? 0;
}

async function untilEvent({ kubernetes, namespace }: Rig, pod: string, reason: string): Promise<string> {
  const event = await until(`the Event ${reason} about ${pod}`, async () =>
    (await kubernetes.eventsAbout(namespace, pod)).find((event) => event.reason === reason),
  );
  return event.note;
}

describe('bad input, on the real servers', () => {
  let rig: Rig;
  let daemon: Daemon;

  beforeAll(async () => {
    rig = await openRig();
    daemon = await rig.startDaemon(WITHOUT_MIRROR);
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  it.each(ROWS)(
    '$what: the pod is rejected alone, by an Event, the log and a metric',
    async ({ reason, says, pod }) => {
      const { kubernetes, consul, namespace } = rig;
      const bad = `bad-${ROWS.findIndex((row) => row.says === says)}`;
      const [before, after] = [`${bad}-before`, `${bad}-after`];
      const namesBefore = await consul.serviceNames();
      const counted = await rejectionsCounted(daemon, reason);
      const ip = nextPodIP();
      // At one time, so that they may well go out in one transaction.
      await Promise.all([
        kubernetes.createPod(namespace, before, { ip, annotations: named(before) }),
        kubernetes.createPod(namespace, bad, pod),
        kubernetes.createPod(namespace, after, { annotations: named(after) }),
      ]);
      const note = await untilEvent(rig, bad, reason);
      expect(note).toMatch(/^Not registered in Consul as asked: /);
      expect(note).toMatch(says);
      await untilEqual('the neighbour', () => consul.summary(before), [`${ip}:8080 passing`]);
      await until('the other neighbour', async () => (await consul.summary(after)).length === 1);
      await untilIdle(daemon);
      expect((await consul.serviceNames()).filter((name) => !namesBefore.includes(name))).toEqual(
        [after, before].sort(),
      );
      expect(await rejectionsCounted(daemon, reason)).toBe(counted + 1);
      const said = daemon.records.filter(({ object }) => object === `${namespace}/${bad}`);
      expect(said).toEqual([expect.objectContaining({ message: 'rejected', level: 'warn', kind: 'Pod', reason })]);
      // Whoever is rejected is looked at again, and nobody else is written for it.
      const indexes = async () =>
        Promise.all([before, after].map(async (name) => (await consul.instances(name))[0]?.Service.ModifyIndex));
      const written = await indexes();
      await kubernetes.annotate(namespace, bad, { 'example.com/touched': 'yes' });
      await kubernetes.setReady(namespace, bad, false);
      await untilIdle(daemon);
      expect(await indexes()).toEqual(written);
      expect(written).not.toContain(undefined);
    },
  );

  it('metrics say what is written, rejected and held now, and for how long a change waited', async () => {
    const { kubernetes, consul, namespace } = rig;
    const seconds = () => Date.now() / 1000;
    await untilIdle(daemon);
    const before = await scrape(daemon);
    const begun = seconds();
    const series = (name: string) => `consular_${name}{direction="to-consul"}`;
    const grown = async (name: string) =>
      ((await scrape(daemon)).get(series(name)) ?? NaN) - (before.get(series(name)) ?? NaN);
    const now = async () => Promise.all(['owned', 'rejected', 'held'].map(grown));

    await kubernetes.createPod(namespace, 'counted', { annotations: named('counted') });
    await untilEqual('a pod that is written', now, [1, 0, 0]);
    await until('an idle daemon', async () => (await grown('change_to_written_seconds_count')) === 1);
    expect(await grown('change_to_written_seconds_sum')).toBeLessThan(60);
    await kubernetes.createPod(namespace, 'wrong', annotated({ 'service-name': 'wrong', 'service-port': 'nope' }));
    await untilEqual('a pod that is rejected', now, [1, 1, 0]);
    await kubernetes.annotate(namespace, 'counted', { 'consular.dev/service-port': 'nope' });
    await untilEqual('a pod that is held', now, [1, 2, 1]);
    await untilIdle(daemon);
    const all = await scrape(daemon);
    expect(all.get(series('change_to_written_seconds_count'))).toBe(
      (before.get(series('change_to_written_seconds_count')) ?? NaN) + 1,
    );
    const lastSuccess = all.get(series('last_success_timestamp_seconds'));
    expect(lastSuccess).toBeGreaterThan(begun - 1);
    expect(lastSuccess).toBeLessThan(seconds() + 1);
    expect(
      [series('failing'), series('oldest_waiting_seconds'), series('queue_depth')].map((one) => all.get(one)),
    ).toEqual([0, 0, 0]);
    // All that decides whether it is ready is well, and what runs is known.
    const ready = [...all].filter(([name]) => name.startsWith('consular_ready{'));
    expect(ready.map(([name]) => name)).toEqual(
      expect.arrayContaining(
        ['start', 'Kubernetes pods', 'Consul leader', 'fence'].map((one) => `consular_ready{source="${one}"}`),
      ),
    );
    expect(new Set(ready.map(([, value]) => value))).toEqual(new Set([1]));
    const build = `consular_build_info{version="test",node_version="${process.version}",cluster="${rig.cluster}"}`;
    expect(all.get(build)).toBe(1);
    expect(all.get('consular_api_requests_total{target="consul",code="200"}')).toBeGreaterThan(0);
    expect(all.get('consular_api_requests_total{target="kubernetes",code="201"}')).toBeGreaterThan(0);
    expect(all.get('consular_api_requests_total{target="consul",code="500"}')).toBe(0);
    // The other direction is switched off, and there is no token.
    expect([...all.keys()].filter((name) => name.includes('direction="to-kubernetes"'))).toEqual([]);
    expect([...all.keys()].filter((name) => name.startsWith('consular_token_expiry'))).toEqual([]);
    // What is mended counts no more.
    await kubernetes.annotate(namespace, 'counted', { 'consular.dev/service-port': null });
    await kubernetes.deletePod(namespace, 'wrong');
    await untilEqual('nothing that is wrong', now, [1, 0, 0]);
    expect(await consul.summary('wrong')).toEqual([]);
  });

  it('B10: as many mistakes as there is room for are five Events, and nobody else waits for theirs', async () => {
    const { kubernetes, consul, namespace } = rig;
    const keys = Array.from({ length: 4000 }, (_, i) => [`service-meta-consul-${i}`, 'x'] as const);
    await kubernetes.createPod(namespace, 'flood', annotated({ 'service-name': 'flood', ...Object.fromEntries(keys) }));
    await kubernetes.createPod(namespace, 'after', annotated({ 'service-name': 'after', 'service-port': 'nope' }));
    await untilEvent(rig, 'after', 'InvalidPort');
    const events = await kubernetes.eventsAbout(namespace, 'flood');
    expect(events).toHaveLength(5);
    expect(events.map(({ note }) => note).join('\n')).toContain('(and 3996 more)');
    expect(daemon.records.filter(({ object }) => object === `${namespace}/flood`)).toHaveLength(5);
    expect(await consul.summary('flood')).toEqual([]);
  });

  it('B17 and B18: annotations that flip, and that are gone before Consul is asked, end in what is written last', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'flip', { ip, annotations: named('flip') });
    for (let i = 0; i < 10; i++) {
      await kubernetes.annotate(namespace, 'flip', { 'consular.dev/service-sync': 'false' });
      await kubernetes.annotate(namespace, 'flip', { 'consular.dev/service-sync': 'true' });
    }
    await untilEqual('registered', () => consul.summary('flip'), [`${ip}:8080 passing`]);
    await untilIdle(daemon);
    expect(await consul.summary('flip')).toEqual([`${ip}:8080 passing`]);
    await daemon.stop();
    await kubernetes.annotate(namespace, 'flip', {
      'consular.dev/service-name': null,
      'consular.dev/service-sync': null,
    });
    daemon = await rig.startDaemon(WITHOUT_MIRROR);
    await untilEqual('deregistered', () => consul.summary('flip'), []);
  });

  it('B19: a pod whose IP changes, goes and comes back has the one that it has', async () => {
    const { kubernetes, consul, namespace } = rig;
    const [first, second] = [nextPodIP(), nextPodIP()];
    await kubernetes.createPod(namespace, 'moving', { ip: first, annotations: named('moving') });
    await untilEqual('the first IP', () => consul.summary('moving'), [`${first}:8080 passing`]);
    await kubernetes.setPodStatus(namespace, 'moving', { ip: second });
    await untilEqual('the second IP', () => consul.summary('moving'), [`${second}:8080 passing`]);
    await kubernetes.must('PATCH', `/api/v1/namespaces/${namespace}/pods/moving/status`, {
      status: { podIP: null, podIPs: null },
    });
    await untilEqual('nothing', () => consul.summary('moving'), []);
    await kubernetes.setPodStatus(namespace, 'moving', { ip: first });
    await untilEqual('the first IP again', () => consul.summary('moving'), [`${first}:8080 passing`]);
  });

  it('B30: 200 containers with 200 ports', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/pods`, {
      metadata: { name: 'wide', annotations: { ...named('wide'), 'consular.dev/service-port': 'p199' } },
      spec: {
        nodeName: 'node-1',
        containers: Array.from({ length: 200 }, (_, i) => ({
          name: `c${i}`,
          image: 'app',
          ports: [{ name: `p${i}`, containerPort: 1000 + i }],
        })),
      },
    });
    await kubernetes.setPodStatus(namespace, 'wide', { ip });
    await untilEqual('registered', () => consul.summary('wide'), [`${ip}:1199 passing`]);
  });
});
