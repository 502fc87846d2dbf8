import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { findImageNode } from './image-node.ts';

/** What a figure cannot be read without. */
export interface Machine {
  /** Of Consular and of the floor. */
  readonly node: string;
  /** Of the work tree; `-dirty` when it has changes. */
  readonly commit: string;
  readonly cpus: number;
  readonly cpuModel: string;
}

export async function describeMachine(): Promise<Machine> {
  const { version } = await findImageNode();
  return { node: version, commit: commit(), cpus: cpus().length, cpuModel: cpus()[0]?.model.trim() ?? 'unknown' };
}

function commit(): string {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--exclude=*'], {
      cwd: root,
      encoding: 'utf8',
    }).trim();
  } catch {
    return 'unknown'; // sources without a repository
  }
}
