import { describe, expect, it } from '@jest/globals';
import { checkRelease, HELP, parseCommandLine } from '../../../release/command-line.ts';

describe('npm run release', () => {
  it.each([
    [['0.2.0'], { command: 'release', version: '0.2.0', isDryRun: false }],
    [['0.2.0', '--dry-run'], { command: 'release', version: '0.2.0', isDryRun: true }],
    [['--notes', '0.2.0'], { command: 'notes', version: '0.2.0' }],
    [['--help'], { command: 'help' }],
  ])('%j', (args, asked) => {
    expect(parseCommandLine(args)).toEqual(asked);
  });

  it.each([
    [[], 'release: expected one version, found none'],
    [['0.2.0', '0.3.0'], 'release: expected one version, found 0.2.0 0.3.0'],
    [['v0.2.0'], 'expected one like 0.2.0, found "v0.2.0"'],
    [['0.2.0', '--dry'], "Unknown option '--dry'"],
  ])('%j is refused', (args, why) => {
    expect(() => parseCommandLine(args)).toThrow(why);
  });

  it('shows examples in its help', () => {
    expect(HELP).toContain('npm run release -- 0.2.0 --dry-run');
  });
});

describe('a release', () => {
  const present = { version: '0.2.0', changelog: '## [Unreleased]\n\n## [0.1.0] - 2026-12-01\n', changes: '' };

  it.each(['0.2.0', '0.2.1', '0.10.0', '1.0.0'])('may be %s after 0.1.0, where package.json says 0.2.0', (version) => {
    expect(() => checkRelease(version, present)).not.toThrow();
  });

  it('is refused for a lower version', () => {
    expect(() => checkRelease('0.1.9', present)).toThrow(
      'release 0.1.9: expected a version that is not lower than 0.2.0 of package.json, found 0.1.9',
    );
  });

  it('is refused for a version that was released', () => {
    const changelog = `${present.changelog}\n## [0.2.0] - 2026-12-02\n`;
    expect(() => checkRelease('0.2.0', { ...present, changelog })).toThrow('does not have, found it there');
  });

  it('is refused in a work tree with changes, which are shown', () => {
    expect(() => checkRelease('0.3.0', { ...present, changes: ' M README.md\n' })).toThrow(
      'release 0.3.0: expected a work tree without changes, found\n M README.md',
    );
  });
});
