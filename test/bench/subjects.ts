import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ConsulServer, KubernetesPlane } from '../control-plane/index.ts';

/** A program that is measured: Consular, or the floor. */
export interface Subject {
  readonly name: string;
  readonly pid: number;
  /** performance.now() of this process when it was started. */
  readonly startedAt: number;
  /** CPU seconds that it has used so far. */
  cpuSeconds(): Promise<number>;
  /** Largest resident set so far, in MiB. */
  peakMemory(): Promise<number>;
  stop(): Promise<void>;
}

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export function startFloor(plane: KubernetesPlane, consul: ConsulServer): Promise<Subject> {
  const environment = {
    FLOOR_SERVER: plane.server,
    FLOOR_CA: plane.caFile,
    FLOOR_TOKEN: plane.adminToken,
    FLOOR_CONSUL: consul.address,
  };
  return Promise.resolve(start('floor', ['--import', 'tsx', path('floor.ts')], environment));
}

/** The bundle, as it is shipped, without the direction that the floor does not have. */
export async function startConsular(plane: KubernetesPlane, consul: ConsulServer): Promise<Subject> {
  const folder = await mkdtemp(join(tmpdir(), 'consular-bench-'));
  const file = join(folder, 'consular.yaml');
  const settings = {
    cluster: 'bench',
    kubernetes: { kubeconfig: plane.kubeconfig },
    consul: { address: consul.address },
    toKubernetes: { enabled: false },
    http: { address: '127.0.0.1:0' },
    log: { level: 'warn' },
  };
  await writeFile(file, JSON.stringify(settings));
  const subject = start('consular', [path('../../dist/consular.js'), 'run', '--config', file], {});
  return { ...subject, stop: () => subject.stop().finally(() => rm(folder, { recursive: true, force: true })) };
}

function start(name: string, args: readonly string[], environment: Record<string, string>): Subject {
  const startedAt = performance.now();
  const child: ChildProcess = spawn(process.execPath, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error(`start ${name}: expected a process, found none`);
  return {
    name,
    pid,
    startedAt,
    cpuSeconds: async () => {
      const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
      // utime and stime, in clock ticks: a hundredth of a second on Linux.
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    peakMemory: async () =>
      Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024,
    stop: async () => {
      if (child.exitCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
