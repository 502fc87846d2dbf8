import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { commandLineOn } from '../rig/command-line.ts';
import { openRig, statusOf, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** What others do to a mirrored Service, by hand or by a controller or policy of theirs. */

let rig: Rig;
let daemon: Daemon;
let mirrored: Mirrored;
let number = 0;

beforeAll(async () => {
  rig = await openRig();
  mirrored = new Mirrored(rig);
  daemon = await rig.startDaemon({ toConsul: { enabled: false }, toKubernetes: { removalGrace: '0s' } });
}, 60_000);
afterAll(() => rig.close(), 30_000);

const register = (name: string) => rig.consul.registerOnAgent({ id: name, name, address: '192.0.2.71', port: 8080 });
const patch = (name: string, body: object) => rig.kubernetes.must('PATCH', mirrored.path('services', name), body);
const reasonsOn = async (name: string) => (await mirrored.events(name)).map(({ reason }) => reason);

/** How often a Service was patched. */
async function servicesPatched(): Promise<number> {
  const { values } = await daemon.metrics.kubernetesWrites.get();
  return values.find(({ labels }) => labels.verb === 'patch' && labels.kind === 'Service')?.value ?? 0;
}

/** A service of one instance, as it is mirrored while all is well. */
async function openService(): Promise<string> {
  const name = `edited-${number++}`;
  await register(name);
  await untilEqual('mirrored', () => mirrored.legacyAddresses(name), ['192.0.2.71:8080']);
  await untilIdle(daemon);
  return name;
}

/** What a command says in text. */
async function consular(...args: string[]): Promise<string> {
  const toKubernetes = { namespaces: [rig.namespace] };
  const { stdout, stderr } = await commandLineOn(rig, { toConsul: { enabled: false }, toKubernetes })(...args);
  expect(stderr).toBe('');
  return stdout;
}

describe('the tags of a Consul service', () => {
  const tagsOn = async (name: string) =>
    (await mirrored.service(name))?.metadata.annotations?.['consular.dev/consul-tags'];
  const registerWith = (name: string, tags: string[], last = 73) =>
    rig.consul.registerOnAgent({ id: `${name}-${last}`, name, address: `192.0.2.${last}`, port: 8080, tags });

  it('are on its Service in order, and are no write for each of their changes', async () => {
    await registerWith('tagged', ['v2', 'Host(`a`,`b`)']);
    await untilEqual('the tags', () => tagsOn('tagged'), 'Host(`a`\\,`b`),v2');
    await registerWith('tagged', ['leader', 'v2']);
    await untilEqual('other tags', () => tagsOn('tagged'), 'leader,v2');
    await untilIdle(daemon);
    const before = await servicesPatched();
    for (let i = 0; i < 10; i++) await registerWith('tagged', i % 2 === 0 ? ['v2'] : ['leader', 'v2']);
    // What comes after all of these is there: they were looked at.
    await registerWith('tagged', ['v2'], 74);
    await untilEqual('another endpoint', () => mirrored.addresses('tagged'), ['192.0.2.73:8080', '192.0.2.74:8080']);
    await untilIdle(daemon);
    expect(await servicesPatched()).toBe(before);
  });

  it('are left out when they are too long, which is told', async () => {
    await registerWith(
      'wordy',
      Array.from({ length: 50 }, (_, i) => `${'x'.repeat(100)}${i}`),
    );
    await until('an Event', async () => (await reasonsOn('wordy')).includes('TagsOmitted'));
    expect(await tagsOn('wordy')).toBeUndefined();
  });
});

describe('a mirrored Service', () => {
  it('that somebody sets internalTrafficPolicy: Local on gets an Event, as one that takes something in does', async () => {
    const name = await openService();
    await patch(name, { spec: { internalTrafficPolicy: 'Local' } });
    await until('an Event', async () => (await reasonsOn(name)).includes('TrafficPolicy'));
    expect(await consular('plan')).toMatch(
      new RegExp(`\\* Service ${rig.namespace}/${name}: internalTrafficPolicy Local`),
    );
  });

  it.each<[string, object]>([
    [
      'LoadBalancer, with all that goes with it',
      {
        type: 'LoadBalancer',
        ...{
          loadBalancerSourceRanges: ['192.0.2.0/24'],
          loadBalancerClass: 'example.com/own',
          loadBalancerIP: '192.0.2.9',
        },
        ...{ externalTrafficPolicy: 'Local', allocateLoadBalancerNodePorts: false },
      },
    ],
    ['NodePort', { type: 'NodePort', externalTrafficPolicy: 'Local' }],
    [
      'ExternalName',
      {
        type: 'ExternalName',
        externalName: 'example.com',
        clusterIP: null,
        clusterIPs: null,
        ipFamilies: null,
        ipFamilyPolicy: null,
      },
    ],
  ])('that somebody makes one of type %s is a ClusterIP Service again', async (_, spec) => {
    const name = await openService();
    await patch(name, { spec });
    await untilEqual('its type', async () => (await mirrored.service(name))?.spec.type, 'ClusterIP');
    await untilIdle(daemon);
    const after = (await mirrored.service(name))?.spec as object;
    for (const field of Object.keys(spec).filter((key) => /^(loadBalancer|external|allocate)/.test(key)))
      expect(after).not.toHaveProperty(field);
  });

  it('that somebody changes again and again is told, and is put right slowly, while its endpoints follow', async () => {
    const name = await openService();
    let isFighting = true;
    let looks = 0;
    const fight = (async () => {
      for (; isFighting; looks++)
        if ((await mirrored.service(name))?.spec.type === 'ClusterIP')
          await patch(name, { spec: { type: 'NodePort' } }).catch(() => undefined);
    })();
    await until('an Event', async () => (await reasonsOn(name)).includes('Contested'));
    const before = { looks, writes: await servicesPatched() };
    await until('many more looks of the other one', () => Promise.resolve(looks > before.looks + 100));
    // Without a rest there would be one for each look.
    expect((await servicesPatched()) - before.writes).toBeLessThan(20);
    await rig.consul.registerOnAgent({ id: `${name}-2`, name, address: '192.0.2.72', port: 8080 });
    await untilEqual('another endpoint', () => mirrored.addresses(name), ['192.0.2.71:8080', '192.0.2.72:8080']);
    isFighting = false;
    await fight;
    await untilEqual('its type', async () => (await mirrored.service(name))?.spec.type, 'ClusterIP', 90_000);
  });

  it('that a policy changes while it is written is told, and tried again until it is as it should be', async () => {
    const { kubernetes, namespace, cluster } = rig;
    const policies = '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies';
    const bindings = '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings';
    const policy = `alter-${cluster}`;
    await kubernetes.must('POST', policies, {
      metadata: { name: policy },
      spec: {
        matchConstraints: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          resourceRules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['services'] },
          ],
        },
        matchConditions: [{ name: 'altered', expression: 'object.metadata.name == "altered"' }],
        failurePolicy: 'Fail',
        reinvocationPolicy: 'Never',
        mutations: [
          {
            patchType: 'JSONPatch',
            jsonPatch: { expression: '[JSONPatch{op: "replace", path: "/spec/ports/0/port", value: 81}]' },
          },
        ],
      },
    });
    await kubernetes.must('POST', bindings, { metadata: { name: policy }, spec: { policyName: policy } });
    await until('the policy', async () => {
      const probe = { metadata: { name: 'altered' }, spec: { ports: [{ port: 80 }] } };
      const made = await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services?dryRun=All`, probe);
      return (made as unknown as { spec: { ports: { port: number }[] } }).spec.ports[0]?.port === 81;
    });
    await register('altered');
    const isAltered = ({ reason }: { readonly reason: string }) => reason === 'Altered';
    const event = await until('an Event', async () => (await mirrored.events('altered')).find(isAltered));
    expect(event.note).toContain('port 1: main 81/TCP to main, http instead of main 80/TCP to main, http');
    await kubernetes.must('DELETE', `${bindings}/${policy}`);
    await kubernetes.must('DELETE', `${policies}/${policy}`);
    await untilEqual(
      'its ports',
      async () => (await mirrored.service('altered'))?.spec.ports.map(({ port }) => port),
      [80, 8080],
      90_000,
    );
    await until('no failure', async () => !('altered' in ((await statusOf(daemon)).toKubernetes?.failing ?? {})));
  });

  it('that a finalizer holds in its deletion is named by explain, and made anew at its end', async () => {
    const name = await openService();
    const before = await mirrored.service(name);
    await patch(name, { metadata: { finalizers: ['example.com/held'] } });
    await rig.consul.deregisterFromAgent(name);
    await until('its deletion', async () => (await mirrored.service(name))?.metadata.deletionTimestamp !== undefined);
    await untilIdle(daemon);
    await register(name);
    await untilEqual('the instance', () => mirrored.addresses(name), ['192.0.2.71:8080']);
    const says = /is being deleted since 20.* and is held by a finalizer: it is made anew/;
    expect(await consular('explain', 'service', `${rig.namespace}/${name}`)).toMatch(says);
    expect(await consular('explain', 'consul-service', name)).toMatch(says);
    await patch(name, { metadata: { finalizers: null } });
    const after = await until(
      'another one',
      async () => {
        const service = await mirrored.service(name);
        return service?.metadata.uid !== before?.metadata.uid && service;
      },
      5000,
    );
    expect(after?.metadata.deletionTimestamp).toBeUndefined();
    await untilEqual('the instance again', () => mirrored.addresses(name), ['192.0.2.71:8080']);
  });
});
