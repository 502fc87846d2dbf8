import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const LARGEST_OUTPUT = 64 * 2 ** 20;
const SHOWN_LINES = 30;

/** Runs a program to its end. @returns what it wrote @throws Error with the end of what it complained of */
export async function command(file: string, args: readonly string[], directory = '/'): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(file, args, { cwd: directory, maxBuffer: LARGEST_OUTPUT });
    return stdout.trim();
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    const lines = `${stdout}\n${stderr}`.trim().split('\n').slice(-SHOWN_LINES).join('\n');
    throw new Error(`run ${file} ${args.join(' ')}: it failed, and wrote:\n${lines}`, { cause: error });
  }
}
