import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { hasVersion, notesOf, releaseChangelog } from '../../../release/changelog.ts';

const ABOVE = '# Changelog\n\nThe format.\n\n';
const FIRST = `${ABOVE}## [Unreleased]\n\n### Added\n\n- One thing.\n`;
const LATER = `${FIRST}\n## [0.1.0] - 2026-12-01\n\n- The first.\n`;

describe('the changelog at a release', () => {
  it('gets the first version below a new place for what is unreleased', () => {
    expect(releaseChangelog(FIRST, '0.1.0', '2026-12-01')).toBe(
      `${ABOVE}## [Unreleased]\n\n## [0.1.0] - 2026-12-01\n\n### Added\n\n- One thing.\n`,
    );
  });

  it('keeps the versions before it as they are', () => {
    expect(releaseChangelog(LATER, '0.2.0', '2027-01-02')).toBe(
      `${ABOVE}## [Unreleased]\n\n## [0.2.0] - 2027-01-02\n\n### Added\n\n- One thing.\n\n## [0.1.0] - 2026-12-01\n\n- The first.\n`,
    );
  });

  it('is refused where nothing is unreleased, so that no version is released twice by mistake', () => {
    const released = releaseChangelog(FIRST, '0.1.0', '2026-12-01');
    expect(() => releaseChangelog(released, '0.2.0', '2026-12-01')).toThrow(
      'release 0.2.0: expected changes below "## [Unreleased]" in CHANGELOG.md, found none',
    );
    expect(() => releaseChangelog(ABOVE, '0.2.0', '2026-12-01')).toThrow('found none');
  });

  it('is refused for a version that it has', () => {
    expect(() => releaseChangelog(LATER, '0.1.0', '2026-12-01')).toThrow('found it there');
  });
});

describe('what the changelog says of a version', () => {
  it('is its section without the heading', () => {
    expect(notesOf(LATER, '0.1.0')).toBe('- The first.');
    expect(notesOf(releaseChangelog(LATER, '0.2.0', '2027-01-02'), '0.2.0')).toBe('### Added\n\n- One thing.');
  });

  it('is an error for one that it has not, and for one that only begins like one that it has', () => {
    expect(() => notesOf(LATER, '0.1')).toThrow('expected a section "## [0.1]", found none');
    expect(hasVersion(LATER, '0.1')).toBe(false);
    expect(hasVersion(LATER, '0.1.0')).toBe(true);
  });
});

describe('the changelog of the repository', () => {
  it('has no version whose chart is not kept for trying upgrades, once something came after it', () => {
    const root = new URL('../../../', import.meta.url);
    const text = readFileSync(new URL('CHANGELOG.md', root), 'utf8');
    const versions = [...text.matchAll(/^## \[(\d+\.\d+\.\d+)\]/gm)].map(([, version = '']) => version);
    const isJustReleased = /^## \[Unreleased\]\s+## /m.test(text);
    const charts = versions.slice(isJustReleased ? 1 : 0).map((version) => `test/rig/charts/consular-${version}.tgz`);
    expect(charts.filter((chart) => !existsSync(new URL(chart, root)))).toEqual([]);
  });
});
