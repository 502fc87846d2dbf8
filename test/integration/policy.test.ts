import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { nextPodIP, openRig, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';

const named = (name: string) => ({ 'consular.dev/service-name': name });

/** Two namespaces with the same right to everything, except for what the policy says. */
interface Place {
  readonly rig: Rig;
  readonly shop: string;
  readonly lab: string;
}

async function openPlace(policy: (names: { shop: string; lab: string }) => object): Promise<Place> {
  const rig = await openRig();
  const shop = rig.namespace;
  const lab = `${rig.cluster}-lab`;
  await rig.kubernetes.createNamespace(lab);
  // What others have: a policy that denies by default protects it.
  await rig.consul.registerOnAgent({ id: 'legacy-1', name: 'legacy', address: '192.0.2.80', port: 80 });
  await rig.consul.registerOnAgent({ id: 'given-1', name: 'given', address: '192.0.2.81', port: 80 });
  await rig.startDaemon({
    toConsul: { namespaces: { include: [shop, lab], exclude: [] }, policy: policy({ shop, lab }) },
    toKubernetes: { enabled: false },
  });
  return { rig, shop, lab };
}

const untilRefused = ({ rig }: Place, namespace: string, pod: string, reason: string) =>
  until(`the Event ${reason} about ${pod}`, async () =>
    (await rig.kubernetes.eventsAbout(namespace, pod)).find((event) => event.reason === reason),
  );

/** Creates a Ready pod and gives what its instance is in a summary. */
async function createPod(
  { rig }: Place,
  namespace: string,
  name: string,
  annotations: Record<string, string>,
): Promise<string> {
  const ip = nextPodIP();
  await rig.kubernetes.createPod(namespace, name, { ip, annotations });
  return `${ip}:8080 passing`;
}

describe('a policy with rules', () => {
  let place: Place;

  beforeAll(async () => {
    place = await openPlace(({ shop }) => ({
      rules: [{ namespaces: [shop], services: ['Orders', 'pay-*'] }],
      tags: { include: ['*'], exclude: ['traefik.*'] },
      meta: { include: ['version', 'team-*'] },
    }));
  }, 60_000);
  afterAll(() => place.rig.close(), 30_000);

  it('rejects a name that is given to another namespace, and touches neither its owner nor a neighbour', async () => {
    const { rig, shop, lab } = place;
    const owner = await createPod(place, shop, 'orders', named('orders'));
    await untilEqual('the owner', () => rig.consul.summary('orders'), [owner]);
    await createPod(place, lab, 'thief', named('orders'));
    await createPod(place, lab, 'cased-thief', named('ORDERS'));
    await createPod(place, lab, 'pay-thief', named('pay-card'));
    for (const pod of ['thief', 'cased-thief', 'pay-thief']) {
      const { note } = await untilRefused(place, lab, pod, 'PolicyDenied');
      expect(note).toContain(
        `toConsul.policy does not let namespace ${lab} publish it: its rules give the name to other namespaces`,
      );
    }
    const neighbour = await createPod(place, lab, 'neighbour', named('lab-things'));
    await untilEqual('the neighbour', () => rig.consul.summary('lab-things'), [neighbour]);
    expect(await rig.consul.summary('orders')).toEqual([owner]);
    expect(await rig.consul.summary('pay-card')).toEqual([]);
  });

  it('leaves an instance as it is when its pod asks for a name that it must not have, and takes up the next change', async () => {
    const { rig, lab } = place;
    const row = await createPod(place, lab, 'renamed', named('lab-a'));
    await untilEqual('registered', () => rig.consul.summary('lab-a'), [row]);
    await rig.kubernetes.annotate(lab, 'renamed', named('orders'));
    await untilRefused(place, lab, 'renamed', 'PolicyDenied');
    expect(await rig.consul.summary('lab-a')).toEqual([row]);
    await rig.kubernetes.annotate(lab, 'renamed', named('lab-b'));
    await untilEqual('the permitted name', () => rig.consul.summary('lab-b'), [row]);
    await untilEqual('the old name', () => rig.consul.summary('lab-a'), []);
  });

  it('rejects tags and meta that its patterns leave out, and registers the pod once they are gone', async () => {
    const { rig, lab } = place;
    const tagged = await createPod(place, lab, 'tagged', {
      ...named('tagged'),
      'consular.dev/service-tags': 'blue,traefik.enable=true',
    });
    const described = await createPod(place, lab, 'described', {
      ...named('described'),
      'consular.dev/service-meta-version': '1',
      'consular.dev/service-meta-colour': 'red',
    });
    expect((await untilRefused(place, lab, 'tagged', 'PolicyDenied')).note).toContain(
      'tag "traefik.enable=true": toConsul.policy.tags does not allow it',
    );
    expect((await untilRefused(place, lab, 'described', 'PolicyDenied')).note).toContain(
      'meta "colour": toConsul.policy.meta does not allow it',
    );
    expect(await rig.consul.summary('tagged')).toEqual([]);
    await rig.kubernetes.annotate(lab, 'tagged', { 'consular.dev/service-tags': 'blue' });
    await rig.kubernetes.annotate(lab, 'described', { 'consular.dev/service-meta-colour': null });
    await untilEqual('without the tag', () => rig.consul.summary('tagged'), [tagged]);
    await untilEqual('without the meta', () => rig.consul.summary('described'), [described]);
    const [instance] = await rig.consul.instances('described');
    expect(instance?.Service.Meta).toMatchObject({ version: '1', 'managed-by': 'consular' });
  });

  it('rejects reserved names, whatever else it allows', async () => {
    const { rig, lab } = place;
    const names = ['vault', 'Vault', 'nomad-client', 'web-sidecar-proxy'];
    for (const [i, name] of names.entries()) await createPod(place, lab, `reserved-${i}`, named(name));
    for (const [i, name] of names.entries())
      expect((await untilRefused(place, lab, `reserved-${i}`, 'ReservedName')).note).toContain(
        `service name "${name}" is reserved`,
      );
    for (const name of names) expect(await rig.consul.summary(name)).toEqual([]);
  });
});

describe('a policy that denies by default', () => {
  let place: Place;

  beforeAll(async () => {
    place = await openPlace(({ shop }) => ({
      default: 'deny',
      rules: [{ namespaces: [shop], services: ['given'] }],
    }));
  }, 60_000);
  afterAll(() => place.rig.close(), 30_000);

  it('refuses a name that others have in Consul, until they are gone', async () => {
    const { rig, shop } = place;
    const row = await createPod(place, shop, 'legacy', named('legacy'));
    const { note } = await untilRefused(place, shop, 'legacy', 'PolicyDenied');
    expect(note).toContain('others have registered instances of it, and no rule allows it');
    expect(await rig.consul.summary('legacy')).toEqual(['192.0.2.80:80 passing']);
    await rig.consul.deregisterFromAgent('legacy-1');
    await untilEqual('only ours', () => rig.consul.summary('legacy'), [row]);
  });

  it('lets a namespace join others in a name that a rule gives it', async () => {
    const { rig, shop, lab } = place;
    const row = await createPod(place, shop, 'given', named('given'));
    await untilEqual('both', () => rig.consul.summary('given'), ['192.0.2.81:80 passing', row].sort());
    await createPod(place, lab, 'given', named('given'));
    await untilRefused(place, lab, 'given', 'PolicyDenied');
    expect(await rig.consul.summary('given')).toEqual(['192.0.2.81:80 passing', row].sort());
  });

  it('gives a name to the namespace that published it first, for as long as that has it', async () => {
    const { rig, shop, lab } = place;
    const first = await createPod(place, shop, 'web-1', named('web'));
    await untilEqual('the first', () => rig.consul.summary('web'), [first]);
    const late = await createPod(place, lab, 'web', named('WEB'));
    const { note } = await untilRefused(place, lab, 'web', 'PolicyDenied');
    expect(note).toContain(`namespace ${shop} published it first`);
    const second = await createPod(place, shop, 'web-2', named('web'));
    await untilEqual('another of the first', () => rig.consul.summary('web'), [first, second].sort());
    await rig.kubernetes.deletePod(shop, 'web-1');
    await untilEqual('one of the first left', () => rig.consul.summary('web'), [second]);
    await rig.kubernetes.deletePod(shop, 'web-2');
    await untilEqual('the other namespace', () => rig.consul.summary('web'), [late]);
  });

  it('remembers over a restart who has a name', async () => {
    const { rig, shop, lab } = place;
    const first = await createPod(place, shop, 'kept', named('kept'));
    await untilEqual('the first', () => rig.consul.summary('kept'), [first]);
    const again = await rig.startDaemon({
      toConsul: { namespaces: { include: [shop, lab], exclude: [] }, policy: { default: 'deny' } },
      toKubernetes: { enabled: false },
    });
    await untilIdle(again);
    await createPod(place, lab, 'kept', named('kept'));
    await until('the new daemon to say so', () => {
      const said = again.records.filter(({ message, object }) => message === 'rejected' && object === `${lab}/kept`);
      return Promise.resolve(said.some(({ why }) => String(why).includes(`namespace ${shop} published it first`)));
    });
    await again.stop();
    expect(await rig.consul.summary('kept')).toEqual([first]);
  });
});

describe('a limit of instances', () => {
  let place: Place;

  beforeAll(async () => {
    place = await openPlace(() => ({ maxInstances: 2 }));
  }, 60_000);
  afterAll(() => place.rig.close(), 30_000);

  it('lets a pod beyond it wait, until one of its namespace goes, and holds up no other namespace', async () => {
    const { rig, shop, lab } = place;
    const one = await createPod(place, shop, 'one', named('few'));
    const two = await createPod(place, shop, 'two', named('few'));
    await untilEqual('two', () => rig.consul.summary('few'), [one, two].sort());
    const three = await createPod(place, shop, 'three', named('few-more'));
    const { note } = await untilRefused(place, shop, 'three', 'QuotaExceeded');
    expect(note).toContain(`namespace ${shop} has 2 instances in Consul`);
    const other = await createPod(place, lab, 'other', named('few-others'));
    await untilEqual('the other namespace', () => rig.consul.summary('few-others'), [other]);
    expect(await rig.consul.summary('few-more')).toEqual([]);
    await rig.kubernetes.deletePod(shop, 'one');
    await untilEqual('the third', () => rig.consul.summary('few-more'), [three]);
    expect(await rig.consul.summary('few')).toEqual([two]);
  });

  it('registers of one pod as many as there is room for, and changes what is there', async () => {
    const { rig, lab } = place;
    await rig.kubernetes.createPod(lab, 'many', {
      ip: nextPodIP(),
      ports: ['a', 'b', 'c'].map((name, i) => ({ name, containerPort: 8080 + i })),
      annotations: Object.fromEntries(
        ['a', 'b', 'c'].map((port) => [`consular.dev/service-name.${port}`, `m-${port}`]),
      ),
    });
    await untilRefused(place, lab, 'many', 'QuotaExceeded');
    const registered = async () => (await rig.consul.serviceNames()).filter((name) => name.startsWith('m-'));
    await untilEqual('one beside the other pod', registered, ['m-a']);
    await rig.kubernetes.annotate(lab, 'many', { 'consular.dev/service-tags': 'new' });
    await until('the change', async () => (await rig.consul.instances('m-a'))[0]?.Service.Tags[0] === 'new');
    await rig.kubernetes.deletePod(lab, 'other');
    await untilEqual('one more', registered, ['m-a', 'm-b']);
  });
});
