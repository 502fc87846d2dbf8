import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { commandLineOn } from '../rig/command-line.ts';
import { servicesIn } from '../rig/imports.ts';
import { openRig, untilEqual, untilIdle, type Rig } from '../rig/index.ts';

let rig: Rig;
let services: ReturnType<typeof servicesIn>;

beforeAll(async () => {
  rig = await openRig();
  services = servicesIn(rig.kubernetes, rig.namespace);
}, 60_000);
afterAll(() => rig.close(), 30_000);

const FILTER = 'Service.Meta.env == prod and "old" not in Service.Tags';
const vm = (name: string, last: number, env: string, tags: string[] = []) =>
  rig.consul.registerOnAgent({
    ...{ id: `${name}-${last}`, name, address: `192.0.2.${60 + last}`, port: 80 },
    ...{ meta: { env }, tags },
  });
const endpoints = (name: string) => services.endpoints(name);

it('mirrors the instances that the filter of Consul selects, and treats a service without any as one that is not selected', async () => {
  const { namespace } = rig;
  await Promise.all([
    vm('orders', 1, 'prod'),
    vm('orders', 2, 'test'),
    vm('billing', 3, 'test'),
    vm('stock', 4, 'prod'),
  ]);
  await services.create('taking', { 'consular.dev/import': 'orders' });
  const daemon = await rig.startDaemon({
    toKubernetes: { namespaces: [namespace], importNamespaces: [namespace], filter: FILTER, removalGrace: '0s' },
  });
  await untilEqual('of two', () => endpoints('orders'), ['+main=192.0.2.61:80']);
  await untilEqual('what is taken in', () => endpoints('taking'), ['+http=192.0.2.61:80']);
  await untilEqual('the last service', () => endpoints('stock'), ['+main=192.0.2.64:80']);
  await untilIdle(daemon);
  expect(await services.find('billing')).toBeUndefined();
  await Promise.all([vm('orders', 2, 'prod'), vm('billing', 3, 'prod'), vm('stock', 4, 'prod', ['old'])]);
  await untilEqual('both', () => endpoints('orders'), ['+main=192.0.2.61:80', '+main=192.0.2.62:80']);
  await untilEqual('one that comes', () => endpoints('billing'), ['+main=192.0.2.63:80']);
  await untilEqual('one that goes', async () => await services.find('stock'), undefined);
  const explain = commandLineOn(rig, { toKubernetes: { namespaces: [namespace], filter: FILTER } });
  expect((await explain('explain', 'consul-service', 'stock')).stdout).toContain(
    'toKubernetes.filter does not select it',
  );
  await daemon.stop();
});

it('that Consul refuses is an error of the settings, for every command, before anything is written', async () => {
  const before = await rig.consul.catalogIndex();
  const toKubernetes = { filter: 'Service.Colour == blue' };
  const daemon = await rig.startDaemon({ awaitStart: false, toKubernetes });
  const problem =
    'toKubernetes.filter: expected an expression in Consul\'s filter language, found "Service.Colour == blue", which Consul refuses: Selector "Service.Colour" is not valid';
  await expect(daemon.started).rejects.toThrow(problem);
  expect(await rig.consul.catalogIndex()).toBe(before);
  const call = commandLineOn(rig, { toKubernetes: { ...toKubernetes, namespaces: [rig.namespace] } });
  expect((await call('plan')).stderr).toContain(problem);
  expect((await call('doctor')).stdout).toContain(problem);
});
