import { mkdir, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { startProcess, type RunDirectory, type RunningProcess } from '../control-plane/index.ts';
import type { Image } from './build.ts';
import { command } from './command.ts';
import type { Pod } from './pod.ts';
import { runtimeDefault } from './seccomp.ts';

export interface Volume {
  readonly mountPath: string;
  /** A folder of this machine. */
  readonly folder: string;
}

export interface ContainerOptions {
  readonly run: RunDirectory;
  readonly image: Image;
  readonly pod: Pod;
  /** Beside that of the image. */
  readonly environment: readonly string[];
  readonly volumes: readonly Volume[];
}

/** A container of the image, as a kubelet has it made, but in the network of this machine, where the test's servers are. */
export interface Container {
  /** Of its main process, as this machine numbers it. */
  pid(): number;
  /** As `kubectl exec` does. @returns what it wrote */
  exec(...args: readonly string[]): Promise<string>;
  signal(signal: NodeJS.Signals): Promise<void>;
  /** How it ended, in words; undefined while it runs. */
  ended(): string | undefined;
  /** The end of its log. */
  lastLines(): string;
  close(): Promise<void>;
}

/** What a container gets besides its volumes: devices, and memory in place of files. */
const SYSTEM_MOUNTS = [
  { destination: '/proc', type: 'proc', source: 'proc' },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'mode=620'],
  },
  { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777'] },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
];
/** Files of the node's own that a kubelet puts there; the runtime makes them in the image, to have something to mount them on. */
export const NODE_FILES = ['/etc/hosts', '/etc/resolv.conf'];

export async function startContainer(options: ContainerOptions): Promise<Container> {
  const { path } = options.run;
  const name = basename(path);
  const state = ['--root', join(path, 'runc')];
  const bundle = join(path, 'bundle');
  // Also for the guard of the run directory, which ends the processes of such files.
  const pidFile = join(path, 'container.pid');
  await mkdir(bundle);
  await writeFile(join(bundle, 'config.json'), JSON.stringify(await runtimeConfig(options), undefined, 2));
  const runc: RunningProcess = await startProcess({
    name: 'runc',
    program: { file: 'runc', prefix: [...state, 'run'] },
    arguments: ['--bundle', bundle, '--pid-file', pidFile, name],
    run: options.run,
    environment: process.env,
  });
  return {
    pid: () => Number(readFileSync(pidFile, 'utf8')),
    exec: (...args) => command('runc', [...state, 'exec', name, ...args]),
    signal: async (signal) => void (await command('runc', [...state, 'kill', name, signal])),
    ended: () => runc.ended(),
    lastLines: () => runc.lastLines(),
    close: async () => {
      await command('runc', [...state, 'delete', '--force', name]);
      await runc.end('SIGKILL');
    },
  };
}

/** The specification that the runtime gets, of the image and of what the Deployment says. */
async function runtimeConfig({ image, pod, environment, volumes }: ContainerOptions): Promise<object> {
  const bind = (source: string, destination: string) => ({
    ...{ source, destination, type: 'bind' },
    options: ['rbind', 'ro', 'nosuid', 'nodev'],
  });
  if (!pod.droppedCapabilities.includes('ALL'))
    throw new Error(`start the container: expected it to drop ALL, found ${pod.droppedCapabilities.join()}`);
  if (pod.seccomp !== 'RuntimeDefault')
    throw new Error(`start the container: expected seccomp RuntimeDefault, found ${pod.seccomp}`);
  const none = { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] };
  return {
    ociVersion: '1.0.2',
    hostname: 'consular-0',
    root: { path: image.root, readonly: pod.isReadOnly },
    process: {
      user: { uid: pod.user, gid: pod.group, additionalGids: [pod.volumesGroup] },
      args: [...image.config.Entrypoint, ...pod.args],
      env: [...image.config.Env, ...environment],
      cwd: '/',
      capabilities: none,
      noNewPrivileges: !pod.mayGainPrivileges,
    },
    mounts: [
      ...SYSTEM_MOUNTS,
      ...NODE_FILES.map((file) => bind(file, file)),
      ...volumes.map(({ folder, mountPath }) => bind(folder, mountPath)),
    ],
    linux: {
      namespaces: ['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
      resources: { memory: { limit: pod.memoryLimit } },
      seccomp: await runtimeDefault(),
    },
  };
}
