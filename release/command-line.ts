import { parseArgs } from 'node:util';
import { hasVersion } from './changelog.ts';
import { isLower, parseVersion } from './version.ts';

export const HELP = `Usage: npm run release -- <version> [--dry-run]
       npm run --silent release -- --notes <version>

Moves what is unreleased in CHANGELOG.md below a heading of the version, and sets the version in package.json, its lock
file, the chart, the manifests, the Dockerfile and the manual. It commits nothing: look at git diff, then commit and tag.

Options:
  --dry-run  say what would be changed, and change nothing
  --notes    print what CHANGELOG.md says of a version that it has
  --help     this text

Examples:
  npm run release -- 0.2.0 --dry-run
  npm run release -- 0.2.0 && git commit -am 'Release 0.2.0' && git tag v0.2.0
  npm run --silent release -- --notes 0.2.0 > notes.md

Exit codes: 0 done, 1 refused, and then nothing was changed.
`;

export type Asked =
  | { readonly command: 'help' }
  | { readonly command: 'notes'; readonly version: string }
  | { readonly command: 'release'; readonly version: string; readonly isDryRun: boolean };

/** @throws Error for an unknown option, and where there is not one version */
export function parseCommandLine(args: readonly string[]): Asked {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { 'dry-run': { type: 'boolean' }, notes: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  if (values.help) return { command: 'help' };
  const [version = '', ...others] = positionals;
  if (version === '' || others.length > 0)
    throw new Error(
      `release: expected one version, found ${positionals.length === 0 ? 'none' : positionals.join(' ')}`,
    );
  parseVersion(version);
  if (values.notes) return { command: 'notes', version };
  return { command: 'release', version, isDryRun: values['dry-run'] ?? false };
}

export interface Present {
  /** Of package.json. */
  readonly version: string;
  readonly changelog: string;
  /** What `git status --porcelain` says; empty for a clean tree. */
  readonly changes: string;
}

/**
 * The version that package.json has may be released once: the first one is there before it is released.
 * @throws Error with why this version cannot be released now
 */
export function checkRelease(version: string, { version: present, changelog, changes }: Present): void {
  if (isLower(version, present))
    throw new Error(
      `release ${version}: expected a version that is not lower than ${present} of package.json, found ${version}`,
    );
  if (hasVersion(changelog, version))
    throw new Error(`release ${version}: expected a version that CHANGELOG.md does not have, found it there`);
  if (changes !== '')
    throw new Error(`release ${version}: expected a work tree without changes, found\n${changes.trimEnd()}`);
}
