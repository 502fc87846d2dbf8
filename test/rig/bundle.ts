import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { withLock } from '../control-plane/build-lock.ts';
import { ROOT } from './manifests.ts';

export const BUNDLE = join(ROOT, 'dist', 'consular.mjs');

/** Makes dist/consular.mjs when it is missing or older than its source; one at a time, as there may be several who want it. */
export async function bundle(): Promise<void> {
  if (isBundled()) return;
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  await withLock(join(ROOT, 'dist', '.lock'), async () => {
    if (isBundled()) return;
    const build = spawn(process.execPath, ['build.js'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
    const [code] = (await once(build, 'exit')) as [number | null];
    if (code !== 0)
      throw new Error(`build dist/consular.mjs: expected build.js to end with exit code 0, found ${code}`);
  });
}

function isBundled(): boolean {
  if (!existsSync(BUNDLE)) return false;
  const built = statSync(BUNDLE).mtimeMs;
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).map((name) =>
    join('src', name),
  );
  return [...sources, 'package.json', 'build.js', 'without-unused-models.js'].every(
    (file) => statSync(join(ROOT, file)).mtimeMs < built,
  );
}
