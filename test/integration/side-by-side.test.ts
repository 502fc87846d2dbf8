import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { servicesIn } from '../rig/imports.ts';
import { nextPodIP, openRig, untilEqual, untilIdle, type Daemon, type DaemonOptions, type Rig } from '../rig/index.ts';

/** Two Consulars in one Kubernetes cluster and on one Consul, with the same namespaces and a prefix of annotations each. */
const OTHER = 'consular.example.com';

let rig: Rig;
let names: { readonly first: string; readonly second: string };
let options: { readonly first: DaemonOptions; readonly second: DaemonOptions };
let daemons: Daemon[];

beforeAll(async () => {
  rig = await openRig();
  const { cluster, namespace } = rig;
  names = { first: cluster, second: `${cluster}-b` };
  const common = {
    toConsul: { namespaces: { include: [namespace], exclude: [] }, readinessGate: true },
    toKubernetes: {
      namespaces: [namespace],
      importNamespaces: [namespace],
      services: { include: ['only-imported'], exclude: [] },
    },
  };
  options = {
    first: { ...common, cluster: names.first, besides: [names.second] },
    second: { ...common, cluster: names.second, besides: [names.first], annotationPrefix: OTHER },
  };
  daemons = await Promise.all([rig.startDaemon(options.first), rig.startDaemon(options.second)]);
}, 60_000);
afterAll(() => rig.close(), 30_000);

/** By which cluster each instance of a Consul service was registered. */
const registeredBy = async (service: string) =>
  (await rig.consul.instances(service)).map(({ Service }) => Service.Meta?.['k8s-cluster']).sort();

it('each registers what is asked for under its own prefix, and tells of mistakes under that one alone', async () => {
  const { kubernetes, namespace } = rig;
  const annotated = (name: string, annotations: Record<string, string>) =>
    kubernetes.createPod(namespace, name, { ip: nextPodIP(), annotations });
  await Promise.all([
    annotated('of-first', { 'consular.dev/service-name': 'of-first' }),
    annotated('of-second', { [`${OTHER}/service-name`]: 'of-second' }),
    annotated('of-alias', { 'consul.hashicorp.com/service-name': 'of-alias' }),
    annotated('wrong', { [`${OTHER}/service-name`]: 'wrong', [`${OTHER}/service-weight`]: 'heavy' }),
  ]);
  await untilEqual('the pod of the first', () => registeredBy('of-first'), [names.first]);
  await untilEqual('the pod of the second', () => registeredBy('of-second'), [names.second]);
  await untilEqual('the pod with the keys of consul-k8s', () => registeredBy('of-alias'), [names.first]);
  await untilEqual('the Event', () => kubernetes.eventsAbout(namespace, 'wrong'), [
    {
      reason: 'InvalidAnnotation',
      note: `Not registered in Consul as asked: annotation "${OTHER}/service-weight": expected a number from 1 to 65535, found "heavy"`,
    },
  ]);
  await Promise.all(daemons.map(untilIdle));
  expect(await registeredBy('of-first')).toEqual([names.first]);
  expect(await registeredBy('of-alias')).toEqual([names.first]);
});

it('each opens the readiness gate that has its prefix', async () => {
  const { kubernetes, namespace } = rig;
  const gated = (name: string, prefix: string) =>
    kubernetes.createPod(namespace, name, {
      ...{ ready: false, conditions: { ContainersReady: true } },
      ...{ readinessGates: [`${prefix}/registered`], annotations: { [`${prefix}/service-name`]: name } },
    });
  await Promise.all([gated('gated-a', 'consular.dev'), gated('gated-b', OTHER)]);
  const gatesOf = async (name: string) => {
    const pod = await kubernetes.find(`/api/v1/namespaces/${namespace}/pods/${name}`);
    const { conditions } = pod?.status as { conditions: { type: string; status: string; reason?: string }[] };
    return conditions
      .filter(({ type }) => type.endsWith('/registered'))
      .map(({ type, status, reason = '' }) => `${type} ${status} ${reason}`);
  };
  await untilEqual('the one', () => gatesOf('gated-a'), ['consular.dev/registered True Registered']);
  await untilEqual('the other', () => gatesOf('gated-b'), [`${OTHER}/registered True Registered`]);
  await untilEqual('by the second', () => registeredBy('gated-b'), [names.second]);
});

it('each gives a Service what it takes in under its own prefix, and nothing to that of the other', async () => {
  const { consul, namespace, kubernetes } = rig;
  const services = servicesIn(kubernetes, namespace);
  await consul.registerOnAgent({ id: 'billing-1', name: 'billing', address: '192.0.2.41', port: 8080 });
  await services.create('billing-a', { 'consular.dev/import': 'billing' });
  await services.create('billing-b', { [`${OTHER}/import`]: 'billing' });
  const slices = async (service: string) =>
    (await services.ourSlices(service)).map(({ metadata, endpoints }) => [
      metadata.labels?.['consular.dev/cluster'],
      ...(endpoints ?? []).flatMap(({ addresses }) => addresses),
    ]);
  await untilEqual('the one', () => slices('billing-a'), [[names.first, '192.0.2.41']]);
  await untilEqual('the other', () => slices('billing-b'), [[names.second, '192.0.2.41']]);
  await Promise.all(daemons.map(untilIdle));
  expect(await slices('billing-a')).toHaveLength(1);
});

it('keeps what it wrote when its prefix is changed: what asks under the new one too is not touched', async () => {
  const { consul, kubernetes, namespace } = rig;
  const services = servicesIn(kubernetes, namespace);
  const NEXT = 'next.example.com';
  await kubernetes.annotate(namespace, 'of-second', { [`${NEXT}/service-name`]: 'of-second' });
  await services.annotate('billing-b', { [`${NEXT}/import`]: 'billing' });
  await Promise.all(daemons.map(untilIdle));
  const state = async () => ({
    instances: (await consul.instances('of-second')).map(({ Service }) => [Service.ID, Service.ModifyIndex]),
    slices: (await services.ourSlices('billing-b')).map(({ metadata }) => [metadata.uid, metadata.resourceVersion]),
  });
  const before = await state();
  expect(before.instances).toHaveLength(1);
  await daemons[1]?.stop();
  const daemon = await rig.startDaemon({ ...options.second, annotationPrefix: NEXT });
  // What asks under the old prefix alone does not ask any more.
  await untilEqual('gone', () => registeredBy('gated-b'), []);
  await untilIdle(daemon);
  expect(await state()).toEqual(before);
});
