import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { openRunDirectory, type RunDirectory } from '../control-plane/index.ts';
import { BUNDLE, bundle } from '../rig/bundle.ts';
import { commandLine, type CallConsular } from '../rig/command-line.ts';
import { ROOT } from '../rig/manifests.ts';
import { servicesIn } from '../rig/imports.ts';
import { nextPodIP, openRig, until, untilEqual, type Rig } from '../rig/index.ts';

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };

describe('the command line', () => {
  let rig: Rig;
  let run: RunDirectory;
  let config: string;
  let consular: CallConsular;

  beforeAll(async () => {
    await bundle();
    rig = await openRig();
    run = await openRunDirectory('commands');
    consular = commandLine(environment());
    config = await write('consular.yaml', {
      cluster: rig.cluster,
      toConsul: { namespaces: { include: [rig.namespace] } },
      toKubernetes: { namespaces: [rig.namespace], importNamespaces: [rig.namespace] },
      http: { address: '127.0.0.1:0' },
    });
  });
  afterAll(async () => {
    await run.close();
    await rig.close();
  });

  async function write(name: string, settings: object): Promise<string> {
    await writeFile(join(run.path, name), JSON.stringify(settings));
    return join(run.path, name);
  }

  const environment = () => ({
    KUBECONFIG: rig.kubeconfig,
    CONSUL_HTTP_ADDR: rig.consulServer.address,
  });

  /** As a user runs it: what the bundler made, in a process of its own. */
  function bundled(...args: string[]): { status: number | null; stdout: string; stderr: string } {
    const { status, stdout, stderr } = spawnSync(process.execPath, [BUNDLE, ...args], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, ...environment() },
      timeout: 60_000,
    });
    // What it says while it waits, which takes longer on a busy machine, is no complaint.
    return { status, stdout, stderr: stderr.replace(/^reading: .*\n/gm, '') };
  }

  async function startRun(): Promise<{ stop: () => Promise<number> }> {
    const child = spawn(process.execPath, [BUNDLE, 'run', '--config', config], {
      env: { PATH: process.env.PATH, ...environment() },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    await until('the running daemon', () => Promise.resolve(log.includes('"message":"running"')));
    return {
      stop: async () => {
        child.kill('SIGTERM');
        const [code] = (await once(child, 'exit')) as [number];
        return code;
      },
    };
  }

  it('ends when its status port is taken, and says so', async () => {
    const taken = createServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const file = await write('taken.yaml', { cluster: rig.cluster, http: { address: `127.0.0.1:${port}` } });
    const said = bundled('run', '--config', file);
    expect(said).toMatchObject({ status: 1, stderr: expect.stringContaining(`listen on 127.0.0.1:${port}`) });
    taken.close();
  });

  it('plans what run does: changes before, nothing after, and writes nothing itself', async () => {
    const { kubernetes, consul, namespace, cluster } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'planned', { ip, annotations: { 'consular.dev/service-name': 'planned' } });
    await kubernetes.createPod(namespace, 'wrong', { annotations: { 'consular.dev/service-name': 'consul' } });
    await consul.registerOnAgent({ id: 'vm-1', name: 'vm', address: '192.0.2.40', port: 9098 });
    const before = await consul.catalogIndex();
    const first = bundled('plan', '--config', config, '--output', 'json');
    expect(first).toMatchObject({ status: 2, stderr: '' });
    const { changes, rejections } = JSON.parse(first.stdout) as {
      changes: Record<string, string>[];
      rejections: object[];
    };
    expect(changes.map(({ action, kind, object }) => `${action ?? ''} ${kind ?? ''} ${object ?? ''}`)).toEqual([
      `create ServiceInstance k8s-${cluster}/consular-${cluster}`,
      `create Key consular/${cluster}/leader`,
      `create ServiceInstance k8s-${cluster}--node-1/${cluster}.${namespace}.planned:planned:8080`,
      `create Service ${namespace}/vm`,
      expect.stringContaining(`create EndpointSlice ${namespace}/vm-`),
      `create Endpoints ${namespace}/vm`,
    ]);
    expect(rejections).toEqual([
      { direction: 'to-consul', object: `Pod ${namespace}/wrong`, reason: 'service name "consul" is reserved' },
    ]);
    const explained = bundled('explain', 'pod', `${namespace}/planned`, '--config', config, '--output', 'json');
    expect(explained).toMatchObject({ status: 2, stderr: '' });
    expect(JSON.parse(explained.stdout)).toMatchObject({
      exists: true,
      decision: { rule: 'the pod is Ready' },
      changes: [{ action: 'create', kind: 'ServiceInstance' }],
    });
    expect(await consul.catalogIndex()).toBe(before);
    expect(await kubernetes.find(`/api/v1/namespaces/${namespace}/services/vm`)).toBeUndefined();

    const daemon = await startRun();
    await untilEqual('the instance', () => consul.summary('planned'), [`${ip}:8080 passing`]);
    await until('the mirror', () => kubernetes.find(`/api/v1/namespaces/${namespace}/endpoints/vm`));
    const running = await consul.catalogIndex();
    expect(await daemon.stop()).toBe(0);
    expect(await consul.catalogIndex()).toBe(running);

    const second = await consular('plan', '--config', config);
    expect(second.status).toBe(0);
    expect(second.stdout).toContain('Plan: 0 to create, 0 to update, 0 to remove, 1 rejected.');
  });

  it('plans what Services of others take in, also of a Consul service that is not mirrored', async () => {
    const { kubernetes, consul, namespace, cluster } = rig;
    const services = servicesIn(kubernetes, namespace);
    await services.create('taking', { 'consular.dev/import': 'Hidden' });
    await services.create('denied', { 'consular.dev/import': 'consul' });
    await consul.registerOnAgent({ id: 'hidden-1', name: 'hidden', address: '192.0.2.41', port: 9098 });
    const hiding = await write('hiding.yaml', {
      cluster,
      toConsul: { enabled: false },
      toKubernetes: { namespaces: [namespace], importNamespaces: [namespace], services: { exclude: ['hidden'] } },
    });
    const { status, stdout } = await consular('plan', '--config', hiding, '--output', 'json');
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      changes: [
        {
          direction: 'to-kubernetes',
          action: 'create',
          kind: 'EndpointSlice',
          object: expect.stringContaining(`${namespace}/taking-`) as unknown,
          note: `of Service ${namespace}/taking, from Consul service Hidden`,
        },
      ],
      rejections: [
        {
          object: `Service ${namespace}/denied`,
          reason: 'Consul service "consul" is one that never leaves Consul',
        },
      ],
    });
    expect(await services.slices('taking')).toEqual([]);
    for (const name of ['taking', 'denied']) await services.remove(name);
  });

  it('ends at once when told to, however many Events are waiting', async () => {
    const { kubernetes, namespace } = rig;
    const bad = Array.from({ length: 150 }, (_, i) => `bad-${i}`);
    await Promise.all(
      bad.map((name) => kubernetes.createPod(namespace, name, { annotations: { 'consular.dev/service-name': '-' } })),
    );
    const daemon = await startRun();
    const events = async () => (await kubernetes.list(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`)).length;
    await until('the first Events', async () => (await events()) > 1);
    expect(await daemon.stop()).toBe(0);
    // At 25 a second most of them were still waiting: an end that waits for them would have written them all.
    expect(await events()).toBeLessThan(bad.length);
  });

  it('names every problem of a configuration at once', async () => {
    const file = await write('wrong.yaml', {
      cluster: 'a--b',
      toConsul: { notReady: 'maybe', colour: 1 },
      http: { address: 8080 },
    });
    const { status, stderr } = await consular('run', '--config', file);
    expect(status).toBe(1);
    expect(stderr).toContain('cluster: expected a DNS label of at most 40 characters, without "--", found "a--b"');
    expect(stderr).toContain('toConsul.notReady: expected deregister or critical, found "maybe"');
    expect(stderr).toContain('toConsul.colour: expected a known setting, found an unknown one');
    expect(stderr).toContain(
      'http.address: expected an address like 0.0.0.0:8080, found 8080; did you mean 0.0.0.0:8080?',
    );
  });

  it.each([
    [['--help'], 0, 'Examples:'],
    [['--version'], 0, version],
    [['plan', '--colour'], 1, "Unknown option '--colour'"],
  ])('answers %j with exit code %i', (args, code, text) => {
    const { status, stdout, stderr } = bundled(...args);
    expect(status).toBe(code);
    expect(code === 0 ? stdout : stderr).toContain(text);
    expect(code === 0 ? stderr : stdout).toBe('');
  });

  it.each(['plan', 'explain'])(
    'reads Consul from here: %s with the file of the pod, and options in its place',
    async (command) => {
      const inPod = await write('in-pod.yaml', {
        cluster: rig.cluster,
        consul: { address: 'http://127.0.0.1:9', tokenFile: '/var/run/consular/token' },
      });
      const token = join(run.path, 'token');
      await writeFile(token, 'anonymous\n');
      const subject = command === 'explain' ? ['service', 'default/kubernetes'] : [];
      const call = commandLine(environment(), 0);
      const at = (...more: string[]) => call(command, ...subject, '--config', inPod, ...more);
      const address = environment().CONSUL_HTTP_ADDR;
      const right = await at('--consul-address', address.replace('http://', ''), '--token-file', token);
      expect([0, 2]).toContain(right.status);
      expect(right.stderr).toMatch(/^(reading: .*\n)*$/);
      // In a process of its own: what Node.js says of a name is not the same in Jest.
      const nowhere = bundled(
        command,
        ...subject,
        '--config',
        inPod,
        '--consul-address',
        'http://consul.nowhere.invalid',
        '--token-file',
        token,
      );
      expect([nowhere.status, nowhere.stdout]).toEqual([1, '']);
      expect(nowhere.stderr).toContain('; --consul-address names another than consul.nowhere.invalid\n');
      const without = bundled(command, ...subject, '--config', inPod, '--consul-address', address);
      expect([without.status, without.stdout]).toEqual([1, '']);
      expect(without.stderr).toMatch(
        /^consular: .*no such file or directory, open '\/var\/run\/consular\/token'; --token-file names another.*\n$/,
      );
    },
  );

  it('tells each cause once, and what it waits for meanwhile', async () => {
    const elsewhere = commandLine({ ...environment(), CONSUL_HTTP_ADDR: 'http://127.0.0.1:9' }, 0);
    const { status, stderr } = await elsewhere('plan', '--config', config, '--timeout', '2');
    const lines = stderr.trimEnd().split('\n');
    expect(status).toBe(1);
    expect(lines.at(-1)?.split('ECONNREFUSED')).toHaveLength(2);
    expect(lines[0]).toMatch(/^reading: /);
  });

  it('says what a plan could not read, and is no plan then', async () => {
    const elsewhere = commandLine({ ...environment(), CONSUL_HTTP_ADDR: 'http://127.0.0.1:9' });
    const { status, stdout, stderr } = await elsewhere('plan', '--config', config, '--timeout', '1');
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('read both systems: not complete after 1 s');
  });
});
