import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

it('npm run sbom lists, on a fresh clone, the dependencies of the program and none of its tests', () => {
  const folder = mkdtempSync(join(tmpdir(), 'consular-sbom-'));
  try {
    for (const file of ['package.json', 'package-lock.json', '.npmrc']) cpSync(join(ROOT, file), join(folder, file));
    const text = execFileSync('npm', ['run', '--silent', 'sbom'], { cwd: folder, encoding: 'utf8' });
    const { spdxVersion, packages } = JSON.parse(text) as { spdxVersion: string; packages: { name: string }[] };
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
      'dependencies' | 'devDependencies',
      Record<string, string>
    >;
    const names = packages.map(({ name }) => name);
    expect(spdxVersion).toMatch(/^SPDX-2\./);
    expect(names).toEqual(expect.arrayContaining(['consular', ...Object.keys(dependencies)]));
    for (const name of ['jest', 'esbuild', 'typescript', 'tsx']) {
      expect(Object.keys(devDependencies)).toContain(name);
      expect(names).not.toContain(name);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
