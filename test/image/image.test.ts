import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { freePort } from '../control-plane/ports.ts';
import { openRunDirectory, type RunDirectory } from '../control-plane/index.ts';
import { openRig, statusOf, until, untilEqual, type Rig } from '../rig/index.ts';
import { apply, readKubeconfig, ROOT } from '../rig/manifests.ts';
import { buildImage, type Image } from './build.ts';
import { NODE_FILES, startContainer, type Container, type Volume } from './container.ts';
import { filesOf } from './files.ts';
import { readShipped } from './pod.ts';

const ACCOUNT = '/api/v1/namespaces/consular/serviceaccounts/consular';
const LEASE = '/apis/coordination.k8s.io/v1/namespaces/consular/leases/consular-dev';
const START_LIMIT_MS = 120_000;
const { objects, pod } = readShipped();
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };

let run: RunDirectory;
let rig: Rig;
let image: Image;

beforeAll(async () => {
  run = await openRunDirectory('image');
  [rig, image] = await Promise.all([openRig(), buildImage(run)]);
  const admin = readKubeconfig(rig.kubeconfig);
  for (const object of objects) await apply(admin, object);
});
afterAll(async () => {
  await rig.close();
  await run.close();
});

describe('the image', () => {
  it('adds to its base Consular, its licence and its name on the PATH, all of it of root and for everybody to read', () => {
    const base = new Set(filesOf(image.baseRoot).map(({ path }) => path));
    const added = filesOf(image.root).filter(({ path }) => !base.has(path));
    const parts = added.filter(({ path }) => /^\/app\/parts\/[\w-]+\.mjs$/.test(path));
    expect(parts.length).toBeGreaterThan(0);
    expect(added.map(({ path }) => path).filter((path) => !parts.some((part) => part.path === path))).toEqual([
      '/app/LICENSE',
      '/app/consular.mjs',
      '/usr/local/bin/consular',
    ]);
    expect(added.filter(({ owner, isReadable, isChangeable }) => owner !== 0 || !isReadable || isChangeable)).toEqual(
      [],
    );
  });

  it('has no setuid program', () => {
    expect(filesOf(image.root).filter(({ isSetuid }) => isSetuid)).toEqual([]);
  });

  it('has the labels that registries show, and the version of the package', () => {
    const { Labels } = image.config;
    expect(Labels['org.opencontainers.image.version']).toBe(version);
    expect(Labels['org.opencontainers.image.title']).toBe('consular');
    expect(Labels['org.opencontainers.image.licenses']).toBe('Apache-2.0');
  });
});

describe('a container of it, under the security context of the Deployment', () => {
  let container: Container;
  let port: number;
  let before: object[];

  beforeAll(async () => {
    port = await freePort();
    before = ownFiles();
    const { hostname, port: apiPort } = new URL(readKubeconfig(rig.kubeconfig).server);
    const environment = [`KUBERNETES_SERVICE_HOST=${hostname}`, `KUBERNETES_SERVICE_PORT=${apiPort}`];
    container = await startContainer({ run, image, pod, environment, volumes: await makeVolumes() });
    await until('a daemon that is ready', isReady, START_LIMIT_MS);
  });
  afterAll(async () => {
    // There is none where its start failed, which is what is told then.
    await (container as Container | undefined)?.close();
  });

  /** The configuration and the account of the manifests; the addresses are those of the test. */
  async function makeVolumes(): Promise<Volume[]> {
    const text = objects.find(({ kind }) => kind === 'ConfigMap') as unknown as { data: Record<string, string> };
    const shipped = parse(text.data['consular.yaml'] ?? '') as { consul: object };
    const config = {
      ...shipped,
      consul: { ...shipped.consul, address: rig.consulServer.address },
      http: { address: `127.0.0.1:${port}` },
    };
    const { status } = await rig.kubernetes.must('POST', `${ACCOUNT}/token`, { spec: { expirationSeconds: 3600 } });
    const files: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      '/etc/consular': { 'consular.yaml': stringify(config) },
      '/run/consular/consul': {},
      '/var/run/secrets/kubernetes.io/serviceaccount': {
        'ca.crt': readKubeconfig(rig.kubeconfig).ca,
        namespace: 'consular',
        token: (status as { token: string }).token,
      },
    };
    expect(Object.keys(files)).toEqual(expect.arrayContaining(pod.volumeMounts.map(({ mountPath }) => mountPath)));
    return Promise.all(Object.entries(files).map(([mountPath, content]) => makeVolume(mountPath, content)));
  }

  /** As the kubelet makes one: for the group of the pod's volumes, and nobody else. */
  async function makeVolume(mountPath: string, files: Readonly<Record<string, string>>): Promise<Volume> {
    const folder = join(run.path, mountPath.replaceAll('/', '-').slice(1));
    await mkdir(folder, { mode: 0o750 });
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text, { mode: 0o640 });
    for (const file of [folder, ...Object.keys(files).map((name) => join(folder, name))])
      await chown(file, 0, pod.volumesGroup);
    return { mountPath, folder };
  }

  async function isReady(): Promise<boolean> {
    const how = container.ended();
    if (how !== undefined) throw new Error(`it ${how}:\n${container.lastLines()}`);
    return (await statusOf({ port }).catch(() => undefined))?.ready ?? false;
  }

  const ownFiles = () => filesOf(image.root).filter(({ path }) => !NODE_FILES.includes(path));
  const proc = (file: string) => readFileSync(`/proc/${container.pid()}/${file}`, 'utf8');
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(proc('status'))?.[1];

  it('registers pods, as a user that is not root and has no capability', async () => {
    await rig.kubernetes.createPod(rig.namespace, 'orders-1', {
      annotations: { 'consular.dev/service-name': 'orders' },
    });
    await until('its instance', async () => (await rig.consul.instances('orders')).length === 1);
    expect(field('Uid')?.split('\t')).toEqual(Array(4).fill(String(pod.user)));
    expect(field('CapBnd')).toBe('0000000000000000');
    expect([field('NoNewPrivs'), field('Seccomp')]).toEqual(['1', '2']);
  });

  it('stays, from its start on, within the memory that the Deployment requests', () => {
    expect(Number(field('VmHWM')?.replace(' kB', '')) * 1024).toBeLessThan(pod.memoryRequest);
  });

  it('writes nowhere: it has no file open for writing, left none in memory, and its files are as they were', () => {
    const fds = `/proc/${container.pid()}/fd`;
    const open = readdirSync(fds).flatMap((fd) => {
      const flags = /^flags:\s*(\d+)$/m.exec(proc(`fdinfo/${fd}`))?.[1] ?? '0';
      const isForWriting = (Number.parseInt(flags, 8) & 3) !== 0;
      return isForWriting && statSync(join(fds, fd)).isFile() ? [readlinkSync(join(fds, fd))] : [];
    });
    expect(open).toEqual([]);
    const writable = proc('mounts')
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([, , , options = '']) => options.split(',').includes('rw'))
      .map(([, folder]) => folder);
    expect(writable).toEqual(['/proc', '/dev', '/dev/pts', '/dev/shm', '/dev/mqueue']);
    expect(readdirSync(`/proc/${container.pid()}/root/dev/shm`)).toEqual([]);
    expect(ownFiles()).toEqual(before);
  });

  it('answers consular by its name, as people call it by kubectl exec', async () => {
    expect(await container.exec('consular', '--version')).toBe(version);
    await expect(container.exec('sh', '-c', 'true')).rejects.toThrow(/executable file not found/);
  });

  it('ends by itself on SIGTERM, within the grace that a pod has, and gives the Lease up', async () => {
    expect(await holder()).toMatch(/^consular-0_/);
    await container.signal('SIGTERM');
    await untilEqual(
      'the end of the container',
      () => Promise.resolve(container.ended()),
      'ended with exit code 0',
      pod.graceSeconds * 1000,
    );
    expect(await holder()).toBe('');
  });

  async function holder(): Promise<string | undefined> {
    const { spec } = await rig.kubernetes.must('GET', LEASE);
    return (spec as { holderIdentity?: string }).holderIdentity;
  }
});
