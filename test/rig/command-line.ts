import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { runCommandLine } from '../../src/commands/command-line.ts';
import type { Rig } from './index.ts';

/** What a command said, and the exit code that its process would have. */
export interface Said {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export type CallConsular = (...args: string[]) => Promise<Said>;

/**
 * The command line in this process, with these variables and no others; its version is "test".
 * @param quietMs as long it says nothing of what it waits for; by default longer than it waits
 * @param onError told what stands on standard error, each time that there is more
 */
export function commandLine(
  env: Readonly<Record<string, string>> = {},
  quietMs = 600_000,
  onError?: (text: string) => void,
): CallConsular {
  return async (...args) => {
    const [stdout, stderr] = [new Collected(), new Collected(onError)];
    const untilSignal = () => new Promise<never>(() => undefined);
    const status = await runCommandLine({ args, env, stdout, stderr, version: 'test', untilSignal, quietMs });
    return { status, stdout: stdout.text, stderr: stderr.text };
  };
}

/** The same on the servers of a rig, with a file of these settings, which is there as long as the command runs. */
export function commandLineOn(
  { cluster, kubeconfig, consulServer }: Pick<Rig, 'cluster' | 'kubeconfig' | 'consulServer'>,
  settings: object,
  onError?: (text: string) => void,
): CallConsular {
  const call = commandLine({ KUBECONFIG: kubeconfig, CONSUL_HTTP_ADDR: consulServer.address }, undefined, onError);
  return async (...args) => {
    const folder = await mkdtemp(join(tmpdir(), 'consular-'));
    try {
      const config = join(folder, 'consular.json');
      await writeFile(config, JSON.stringify({ cluster, ...settings }));
      return await call(...args, '--config', config);
    } finally {
      await rm(folder, { recursive: true });
    }
  };
}

class Collected extends Writable {
  text = '';
  readonly #onText: ((text: string) => void) | undefined;

  constructor(onText?: (text: string) => void) {
    super();
    this.#onText = onText;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    this.#onText?.(this.text);
    done();
  }
}
