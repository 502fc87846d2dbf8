import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openRunDirectory, type RunDirectory } from '../control-plane/index.ts';
import { commandLine, type CallConsular } from '../rig/command-line.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { servicesIn } from '../rig/imports.ts';
import { openRig, statusOf, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** A service that cannot be read costs only itself, in `run` and in commands that read everything once. */
describe('a Consul service that cannot be read', () => {
  let rig: Rig;
  let run: RunDirectory;
  let proxy: FaultProxy;
  let consular: CallConsular;
  let config: string;
  let broken = '';
  const PATH = 'Consul takes a path with that name for another path; give the service another name';

  beforeAll(async () => {
    rig = await openRig();
    run = await openRunDirectory('unreadable');
    proxy = await FaultProxy.open(rig.consul.address, '');
    proxy.readFault = (path) =>
      path.split('?')[0] === `/health/service/${broken}` ? { status: 500, text: 'rpc error' } : 'pass';
    consular = commandLine({ KUBECONFIG: rig.kubeconfig, CONSUL_HTTP_ADDR: proxy.address });
    config = join(run.path, 'consular.yaml');
    const { cluster, namespace } = rig;
    await writeFile(
      config,
      JSON.stringify({
        cluster,
        toConsul: { namespaces: { include: [namespace] } },
        toKubernetes: { namespaces: [namespace], importNamespaces: [namespace] },
      }),
    );
    await rig.consul.registerOnAgent({ id: 'beside', name: 'beside', address: '198.51.100.9', port: 80 });
  }, 60_000);
  afterAll(async () => {
    await rig.close();
    await Promise.all([proxy.close(), run.close()]);
  }, 30_000);

  it('because its name is a path is told in one line, and everything else is as usual', async () => {
    const { consul, namespace } = rig;
    for (const name of ['.', '..'])
      await consul.must('PUT', '/catalog/register', {
        ...{ Node: 'farm', Address: '198.51.100.1', SkipNodeUpdate: true },
        Service: { ID: `dots-${name.length}`, Service: name, Address: '198.51.100.1', Port: 80 },
      });
    const plan = await consular('plan', '--config', config);
    expect(plan).toMatchObject({ status: 2, stderr: '' });
    expect(plan.stdout).toMatch(new RegExp(`\\+ create +Service +${namespace}/beside`));
    for (const name of ['.', '..'])
      expect(plan.stdout).toContain(`! Consul service ${name}: Consul service "${name}" cannot be read: ${PATH}`);
    expect((await consular('explain', 'consul-service', 'beside', '--config', config)).status).toBe(2);
    const dots = await consular('explain', 'consul-service', '..', '--config', config);
    expect(dots).toMatchObject({ status: 2, stderr: '' });
    expect(dots.stdout).toContain(`UnreadableService: Consul service ".." cannot be read: ${PATH}`);

    const mirrored = new Mirrored(rig);
    const daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s' } });
    await untilEqual('the other service', () => mirrored.addresses('beside'), ['198.51.100.9:80']);
    await untilIdle(daemon);
    const told = daemon.records.filter(({ level }) => level === 'warn' || level === 'error');
    expect(told.map(({ message, reason }) => [message, reason])).toEqual([
      ['rejected', 'UnreadableService'],
      ['rejected', 'UnreadableService'],
    ]);
    await consul.deregisterFromCatalog({ node: 'farm', id: 'dots-2' });
    await until('one less', async () => (await statusOf(daemon)).toKubernetes?.rejected === 1);
    await consul.deregisterFromCatalog({ node: 'farm', id: 'dots-1' });
    await until('none', async () => (await statusOf(daemon)).toKubernetes?.rejected === 0);
    await daemon.stop();
  });

  it('because Consul answers with an error is told in one line of plan, to pods and imports too', async () => {
    const { consul, kubernetes, namespace } = rig;
    broken = 'broken';
    await consul.registerOnAgent({ id: 'broken', name: 'broken', address: '198.51.100.8', port: 80 });
    await kubernetes.createPod(namespace, 'waits', { annotations: { 'consular.dev/service-name': 'broken' } });
    await kubernetes.createPod(namespace, 'goes', { annotations: { 'consular.dev/service-name': 'goes' } });
    await servicesIn(kubernetes, namespace).create('taking', { 'consular.dev/import': 'broken' });
    const plan = await consular('plan', '--config', config);
    expect(plan).toMatchObject({ status: 2, stderr: '' });
    expect(plan.stdout).toMatch(/\+ create +ServiceInstance .*goes:8080/);
    const why = 'read service broken: Consul answered 500: rpc error';
    expect(plan.stdout).toContain(`! Consul service broken: Consul service "broken" cannot be read: ${why}`);
    expect(plan.stdout).toContain(`! Service ${namespace}/taking: Consul service "broken" cannot be read: ${why}`);
    expect(plan.stdout).toContain(`! Pod ${namespace}/waits: nothing is registered as "broken"`);
    const explain = (...args: string[]) => consular('explain', ...args, '--config', config);
    expect((await explain('pod', `${namespace}/goes`)).stderr).toBe('');
    expect((await explain('service', `${namespace}/taking`)).stdout).toContain(why);
    expect((await explain('consul-service', 'broken')).stdout).toContain(why);
  });
});
