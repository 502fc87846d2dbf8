import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { filesAt, releasedFiles } from '../../../release/files.ts';
import { PLACES, versionsAt, withVersion } from '../../../release/places.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const { version } = JSON.parse(read('package.json')) as { version: string };

describe('the version', () => {
  it.each(PLACES.flatMap((place) => filesAt(ROOT, place.path).map((file) => ({ ...place, file }))))(
    'is that of package.json in $file, as $form',
    ({ file, ...place }) => {
      const found = versionsAt(place, read(file));
      if (place.times !== 'any') expect(found).toHaveLength(place.times);
      expect(new Set([...found, version])).toEqual(new Set([version]));
    },
  );

  it('stands in no tag of an image that a release would leave behind', () => {
    const pages = execFileSync('git', ['ls-files', '--', 'README.md', 'docs', 'deploy', 'SECURITY.md', 'config'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    const tagged = pages
      .split('\n')
      .filter((file) => /\.(md|ya?ml|txt|tpl)$|Dockerfile$/.test(file))
      .filter((file) => /\bconsular:\d+\.\d+\.\d+/.test(read(file)));
    const known = new Set(PLACES.flatMap(({ path }) => filesAt(ROOT, path)));
    expect(tagged.filter((file) => !known.has(file))).toEqual([]);
  });

  it('is set at all of these places by a release, and nothing else is changed but the changelog', () => {
    const folder = mkdtempSync(join(tmpdir(), 'consular-release-'));
    try {
      const files = [...new Set(['CHANGELOG.md', ...PLACES.flatMap(({ path }) => filesAt(ROOT, path))])];
      for (const file of files) {
        mkdirSync(dirname(join(folder, file)), { recursive: true });
        cpSync(join(ROOT, file), join(folder, file));
      }
      // Right after a release nothing is unreleased.
      const changelog = read('CHANGELOG.md').replace('## [Unreleased]\n', '$&\n- Something.\n');
      writeFileSync(join(folder, 'CHANGELOG.md'), changelog);
      const released = releasedFiles(folder, '98.7.6', '2026-12-01');
      const changed = PLACES.filter(({ times }) => times !== 'any').map(({ path }) => path);
      expect([...released.keys()]).toEqual(expect.arrayContaining(['CHANGELOG.md', ...changed]));
      for (const [file, text] of released) {
        if (file === 'CHANGELOG.md') expect(text).toContain('\n## [98.7.6] - 2026-12-01\n');
        else expect(text.replaceAll('98.7.6', version)).toBe(read(file));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is set in the lock file for the package itself, not for a dependency that has the same', () => {
    const [place] = PLACES.filter(({ path }) => path === 'package-lock.json');
    if (place === undefined) throw new Error('expected the lock file among the places');
    const lock = {
      ...{ name: 'consular', version: '0.1.0', lockfileVersion: 3 },
      packages: { '': { name: 'consular', version: '0.1.0' }, 'node_modules/a': { version: '0.1.0' } },
    };
    const text = withVersion(place, JSON.stringify(lock, undefined, 2), '0.2.0');
    expect(JSON.parse(text)).toEqual({
      ...{ name: 'consular', version: '0.2.0', lockfileVersion: 3 },
      packages: { '': { name: 'consular', version: '0.2.0' }, 'node_modules/a': { version: '0.1.0' } },
    });
  });

  it('is an error where a file does not say it as often as it should', () => {
    const place = { path: 'Chart.yaml', form: /^(version: ).*()$/gm, times: 1 };
    expect(() => withVersion(place, 'name: a\n', '0.2.0')).toThrow(
      'set the version in Chart.yaml: expected it 1 times, found it 0 times',
    );
  });
});
