import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { findProgram, type WantedProgram } from '../debian.ts';
import { ROOT } from '../rig/manifests.ts';
import { JEST, untilTestsEnd } from '../jest-child.ts';

/** Of Debian: what builds an image, what makes the file systems that stand for its base, and what runs a container. */
const PROGRAMS: readonly WantedProgram[] = [
  { title: 'buildah', names: ['buildah'], packages: ['buildah', 'golang-github-containers-common'] },
  { title: 'mmdebstrap', names: ['mmdebstrap'], packages: ['mmdebstrap'] },
  { title: 'runc', names: ['runc'], packages: ['runc'] },
];

/** Why it cannot be done on this machine; undefined where it can. */
async function whyNot(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'it needs root';
  const system = await readFile('/etc/os-release', 'utf8').catch(() => '');
  if (!/^ID=debian$/m.test(system)) return 'it needs Debian';
  return undefined;
}

async function main(): Promise<number> {
  const reason = await whyNot();
  if (reason !== undefined) {
    process.stdout.write(`test:image: skipped, because ${reason}\n`);
    return 0;
  }
  for (const wanted of PROGRAMS) {
    const found = await findProgram(wanted);
    if ('missing' in found) throw new Error(found.missing);
  }
  const jest = [...JEST, '--selectProjects', 'image', '--runInBand', ...process.argv.slice(2)];
  const tests = spawn(process.execPath, jest, { cwd: ROOT, stdio: 'inherit' });
  return untilTestsEnd(tests);
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`test:image: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
