import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openRunDirectory, type RunDirectory } from '../control-plane/index.ts';
import { commandLine } from '../rig/command-line.ts';
import { openRig, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** What others do to a mirrored Service, by hand or by a controller or policy of theirs. */

let rig: Rig;
let run: RunDirectory;
let daemon: Daemon;
let mirrored: Mirrored;
let number = 0;

beforeAll(async () => {
  rig = await openRig();
  run = await openRunDirectory('edited');
  mirrored = new Mirrored(rig);
  daemon = await rig.startDaemon({ toConsul: { enabled: false }, toKubernetes: { removalGrace: '0s' } });
}, 60_000);
afterAll(async () => {
  await rig.close();
  await run.close();
}, 30_000);

const register = (name: string) => rig.consul.registerOnAgent({ id: name, name, address: '192.0.2.71', port: 8080 });
const patch = (name: string, body: object) => rig.kubernetes.must('PATCH', mirrored.path('services', name), body);
const reasonsOn = async (name: string) => (await mirrored.events(name)).map(({ reason }) => reason);

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
  const { cluster, namespace, consulServer, kubeconfig } = rig;
  const config = join(run.path, 'consular.json');
  const toKubernetes = { namespaces: [namespace] };
  await writeFile(config, JSON.stringify({ cluster, toConsul: { enabled: false }, toKubernetes }));
  const call = commandLine({ KUBECONFIG: kubeconfig, CONSUL_HTTP_ADDR: consulServer.address });
  const { stdout, stderr } = await call(...args, '--config', config);
  expect(stderr).toBe('');
  return stdout;
}

describe('a mirrored Service', () => {
  it('that somebody sets internalTrafficPolicy: Local on gets an Event, as one that takes something in does', async () => {
    const name = await openService();
    await patch(name, { spec: { internalTrafficPolicy: 'Local' } });
    await untilEqual('an Event', () => reasonsOn(name), ['TrafficPolicy']);
    expect(await consular('plan')).toMatch(
      new RegExp(`\\* Service ${rig.namespace}/${name}: internalTrafficPolicy Local`),
    );
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
