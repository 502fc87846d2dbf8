// Installs the locked dependencies when node_modules is missing or older than the lock file, so that every command
// of this project works on a fresh clone; those of a folder with a package of its own, when it is named. Plain JavaScript: it runs before any dependency is there.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(fileURLToPath(new URL('..', import.meta.url)), process.argv[2] ?? '');
const lock = readFileSync(`${root}/package-lock.json`, 'utf8');
const stamp = `${root}/node_modules/.installed-lock`;

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  console.error('Installing the locked dependencies (npm ci --ignore-scripts) ...');
  const npm = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: root, stdio: 'inherit' });
  if (npm.error) throw new Error('install dependencies: npm could not be started', { cause: npm.error });
  if (npm.status !== 0) process.exit(npm.status ?? 1);
  writeFileSync(stamp, lock);
}
