import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const FOLDER = fileURLToPath(new URL('./istio/', import.meta.url));

/**
 * The file with the definitions of Istio's custom resources, as YAML. It is part of a Go module, whose version and sum are
 * in istio/go.mod and istio/go.sum; Go fetches and checks it once, and it is read where Go keeps modules.
 */
export async function readIstioDefinitions(): Promise<string> {
  const { Dir: directory } = JSON.parse(await download()) as { Dir: string };
  return readFile(join(directory, 'kubernetes/customresourcedefinitions.gen.yaml'), 'utf8');
}

async function download(): Promise<string> {
  try {
    const environment = { ...process.env, GOWORK: 'off', GOFLAGS: '-mod=readonly' };
    const { stdout } = await run('go', ['mod', 'download', '-json', 'istio.io/api'], { cwd: FOLDER, env: environment });
    return stdout;
  } catch (cause) {
    // Go says on standard output what went wrong with the module, and on standard error what went wrong with the rest.
    const { stdout = '', stderr = '' } = cause as { stdout?: string; stderr?: string };
    throw new Error(
      "Cannot read Istio's custom resource definitions. They need Go 1.26 or later, also where the control plane comes " +
        `ready made: ${[stdout, stderr].join('\n').trim()}`,
      { cause },
    );
  }
}
