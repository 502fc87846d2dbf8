import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { notesOf } from './changelog.ts';
import { checkRelease, HELP, parseCommandLine } from './command-line.ts';
import { releasedFiles } from './files.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

try {
  process.stdout.write(main(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

/** @returns what to say */
function main(args: readonly string[]): string {
  const asked = parseCommandLine(args);
  if (asked.command === 'help') return HELP;
  if (asked.command === 'notes') return `${notesOf(read('CHANGELOG.md'), asked.version)}\n`;
  const { version, isDryRun } = asked;
  // A dry run changes nothing, so it may look at a tree that somebody works on.
  const changes = isDryRun ? '' : execFileSync('git', ['status', '--porcelain'], { cwd: ROOT, encoding: 'utf8' });
  const { version: present } = JSON.parse(read('package.json')) as { version: string };
  checkRelease(version, { version: present, changelog: read('CHANGELOG.md'), changes });
  const files = releasedFiles(ROOT, version, new Date().toISOString().slice(0, 10));
  if (!isDryRun) for (const [file, text] of files) writeFileSync(join(ROOT, file), text);
  const list = [...files.keys()].map((file) => `  ${file}\n`).join('');
  if (isDryRun) return `Would change for ${version}:\n${list}`;
  return `Changed for ${version}:\n${list}\nLook at git diff, then:\n  git commit -am 'Release ${version}'\n  git tag v${version}\n`;
}
