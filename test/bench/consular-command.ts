import { fileURLToPath } from 'node:url';
import { readDockerfile } from '../rig/manifests.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** What Node is given to run Consular as the image does: the options of its entry point, and the bundle. */
export function consularCommand(configFile: string): string[] {
  const image = readDockerfile(path('../../deploy/Dockerfile')).at(-1);
  const entryPoint = image?.instructions.find(({ name }) => name === 'ENTRYPOINT')?.text ?? '[]';
  const options = (JSON.parse(entryPoint) as string[]).filter((word) => word.startsWith('--'));
  return [...options, path('../../dist/consular.mjs'), 'run', '--config', configFile];
}
