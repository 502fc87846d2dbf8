import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startProcess, type RunDirectory } from '../control-plane/index.ts';
import { freePort } from '../control-plane/ports.ts';
import { FaultProxy } from './fault-proxy.ts';
import { statusOf, type Daemon, type DaemonOptions, type Rig } from './index.ts';
import type { DaemonFile } from './daemon-main.ts';
import { ROOT } from './manifests.ts';
import { until } from './until.ts';

/** A daemon in a process of its own, which can be killed and paused, behind a proxy of its own to Consul. */
export interface DaemonProcess {
  readonly port: number;
  readonly proxy: FaultProxy;
  /** When its first transaction came to the proxy, by `performance.now()`. */
  readonly firstWriteMs: number | undefined;
  signal(signal: NodeJS.Signals): void;
  /** How it ended, in words; undefined while it runs. */
  ended(): string | undefined;
  untilEnded(): Promise<void>;
  /** The end of its log. */
  lastLines(): string;
  close(): Promise<void>;
}

const BANNER =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

/** The program of such a daemon in one file: to load and compile its source would take longer than what a test waits for. */
export async function bundleDaemon({ path }: RunDirectory): Promise<string> {
  const file = join(path, 'daemon.js');
  await promisify(execFile)(join(ROOT, 'node_modules', '.bin', 'esbuild'), [
    ...[join(ROOT, 'test', 'rig', 'daemon-main.ts'), `--outfile=${file}`, `--banner:js=${BANNER}`],
    ...['--bundle', '--platform=node', '--target=node20', '--format=esm', '--log-level=warning'],
  ]);
  return file;
}

export interface DaemonProcessOptions extends DaemonOptions {
  /** Of bundleDaemon. */
  readonly bundle: string;
  readonly run: RunDirectory;
  /** Unique in its run directory. */
  readonly name: string;
}

/** It may not have started when this returns. */
export async function startDaemonProcess(
  rig: Rig,
  { bundle, run, name, ...options }: DaemonProcessOptions,
): Promise<DaemonProcess> {
  const proxy = await FaultProxy.open(rig.consul.address, `k8s-${rig.cluster}`);
  const port = await freePort();
  const http = `127.0.0.1:${port}`;
  const { settings, token, timings } = rig.settingsOf({ consulAddress: proxy.address, http, ...options });
  const file = join(run.path, `${name}.json`);
  await writeFile(file, JSON.stringify({ settings, token, timings } satisfies DaemonFile));
  let firstWriteMs: number | undefined;
  proxy.transactionFault = () => {
    firstWriteMs ??= performance.now();
    return 'pass';
  };
  const program = { file: process.execPath, prefix: [bundle] };
  const child = await startProcess({ ...{ name, program, run }, arguments: [file] });
  return {
    ...{ port, proxy },
    get firstWriteMs() {
      return firstWriteMs;
    },
    signal: (signal) => void process.kill(child.pid, signal),
    ended: () => child.ended(),
    untilEnded: async () => void (await until(`the end of ${name}`, () => Promise.resolve(child.ended()))),
    lastLines: () => child.lastLines(),
    close: async () => {
      await child.end('SIGKILL');
      await proxy.close();
    },
  };
}

/** @throws Error with the end of the log, where there is one, when it never comes to that */
export async function untilStanding(
  daemon: Pick<Daemon, 'port'> | DaemonProcess,
  standing: string,
  phase: string,
): Promise<void> {
  try {
    await until(
      `a daemon that is ${standing}`,
      async () => {
        const status = await statusOf(daemon).catch(() => undefined);
        return status?.leader.is === standing && status.leader.phase === phase && status.ready;
      },
      60_000,
    );
  } catch (error) {
    if (!('lastLines' in daemon)) throw error;
    throw new Error(`${String(error)}: it ${daemon.ended() ?? 'runs'}:\n${daemon.lastLines()}`, { cause: error });
  }
}
