import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findActionlint } from '../control-plane/index.ts';
import { findProgram } from '../debian.ts';
import { ROOT } from '../rig/manifests.ts';

const run = promisify(execFile);
const WORKFLOWS = '.github/workflows';
const shellcheck = await findProgram({ title: 'ShellCheck', names: ['shellcheck'], packages: ['shellcheck'] });
if ('missing' in shellcheck)
  process.stderr.write(`test/slow/workflows.test.ts looks into no script: ${shellcheck.missing}\n`);

/** What the linter finds in the workflows of a project: `FILE:LINE:COLUMN: FAULT [RULE]` each; of scripts too, where there is a ShellCheck. */
async function lint(project: string): Promise<string[]> {
  const { file } = await findActionlint();
  const scripts = 'file' in shellcheck ? shellcheck.file : '';
  const args = ['-oneline', '-no-color', '-shellcheck', scripts, '-pyflakes', ''];
  const files = (await readdir(join(project, WORKFLOWS))).map((name) => join(WORKFLOWS, name));
  const printed = await run(file, [...args, ...files], { cwd: project }).catch((cause: unknown) => {
    const { code, stdout } = cause as { code?: unknown; stdout?: string };
    // Every other code than that of found faults says that the linter could not work.
    if (code !== 1 || stdout === undefined) throw new Error(`lint ${project}: expected an answer`, { cause });
    return { stdout };
  });
  return printed.stdout.split('\n').filter((line) => line !== '');
}

describe('the linter of workflows', () => {
  let project: string;
  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'consular-workflows-'));
    await mkdir(join(project, WORKFLOWS), { recursive: true });
    await findActionlint();
  }, 10 * 60_000);
  afterAll(() => rm(project, { recursive: true }));

  it('finds nothing in ours', async () => {
    expect(await lint(ROOT)).toEqual([]);
  });

  it('would find an output that no step has, and a word of a script that falls apart', async () => {
    const text = await readFile(join(ROOT, WORKFLOWS, 'release.yml'), 'utf8');
    const wrong = text
      .replace('steps.push.outputs.digest', 'steps.pushed.outputs.digest')
      .replace('"$IMAGE"', '$IMAGE');
    await writeFile(join(project, WORKFLOWS, 'release.yml'), wrong);
    const found = (await lint(project)).join('\n');
    expect(found).toContain('property "pushed" is not defined');
    if ('file' in shellcheck) expect(found).toContain('SC2086');
  });
});
