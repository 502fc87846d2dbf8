import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached, type Compilation } from '../control-plane/build-cache.ts';
import { startProcess, type RunDirectory } from '../control-plane/index.ts';

const PROJECT = fileURLToPath(new URL('.', import.meta.url));

/** The path of the executable jar: from the cache, or built now with Maven and kept in the cache. */
export async function buildSpringApplication(): Promise<string> {
  return cached({
    title: 'the Spring application',
    path: join('spring', await hashSources(), 'application.jar'),
    duration: 'a minute',
    start: startMaven,
  });
}

async function hashSources(): Promise<string> {
  const hash = createHash('sha256');
  const files = await readdir(join(PROJECT, 'src'), { recursive: true, withFileTypes: true });
  const sources = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
  for (const file of [join(PROJECT, 'pom.xml'), ...sources.sort()])
    hash.update(`\n${file.slice(PROJECT.length)}\n`).update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}

async function startMaven(run: RunDirectory): Promise<Compilation> {
  const output = join(run.path, 'target');
  try {
    const compiler = await startProcess({
      name: 'mvn',
      program: { file: 'mvn', prefix: [] },
      arguments: ['--batch-mode', '--no-transfer-progress', `-DoutputFolder=${output}`, 'package'],
      run,
      environment: process.env,
      directory: PROJECT,
    });
    return { compiler, product: join(output, 'application.jar') };
  } catch (cause) {
    throw new Error('Cannot build the Spring application: no Maven (Debian: apt-get install maven)', { cause });
  }
}
