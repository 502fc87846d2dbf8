import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** How to run a program in a network of its own here; or, in a few words, why this machine does not allow that. */
export type Namespaces = { readonly command: readonly string[] } | { readonly refused: string };

// As an administrator; else with an administrator's capabilities in a user namespace, where everybody may make those.
const WAYS = [
  ['unshare', '--net'],
  ['unshare', '--user', '--map-current-user', '--keep-caps', '--net'],
];

export async function findNamespaces(): Promise<Namespaces> {
  let refused = '';
  for (const command of WAYS) {
    const [file = '', ...args] = [...command, 'true'];
    try {
      await promisify(execFile)(file, args);
      return { command };
    } catch (error) {
      const { code, stderr = '' } = error as { code?: unknown; stderr?: string };
      // A program that is missing, or killed, says nothing of what the machine allows.
      if (typeof code !== 'number')
        throw new Error(`run ${command.join(' ')}: expected an exit code`, { cause: error });
      refused = stderr.trim();
    }
  }
  return { refused };
}
