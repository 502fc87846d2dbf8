import { Writable } from 'node:stream';
import { runCommandLine } from '../../src/commands/command-line.ts';

/** What a command said, and the exit code that its process would have. */
export interface Said {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export type CallConsular = (...args: string[]) => Promise<Said>;

/** The command line in this process, with these variables and no others; its version is "test". */
export function commandLine(env: Readonly<Record<string, string>> = {}): CallConsular {
  return async (...args) => {
    const [stdout, stderr] = [new Collected(), new Collected()];
    const untilSignal = () => new Promise<never>(() => undefined);
    const status = await runCommandLine({ args, env, stdout, stderr, version: 'test', untilSignal });
    return { status, stdout: stdout.text, stderr: stderr.text };
  };
}

class Collected extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
