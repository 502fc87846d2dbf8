const UNRELEASED = '## [Unreleased]\n';

/** The changelog cut at its headings of versions: what stands above them, and a section for each. */
function sectionsOf(changelog: string): { readonly above: string; readonly sections: readonly string[] } {
  const [above = '', ...sections] = changelog.split(/^(?=## \[)/m);
  return { above, sections };
}

export function hasVersion(changelog: string, version: string): boolean {
  return sectionsOf(changelog).sections.some((section) => section.startsWith(`## [${version}]`));
}

/**
 * What is unreleased becomes the section of the version.
 * @param date for example `2026-12-01`
 * @throws Error where nothing is unreleased, or the version has a section
 */
export function releaseChangelog(changelog: string, version: string, date: string): string {
  if (hasVersion(changelog, version))
    throw new Error(`release ${version}: expected a version that CHANGELOG.md does not have, found it there`);
  const { above, sections } = sectionsOf(changelog);
  const [first = '', ...others] = sections;
  const text = first.startsWith(UNRELEASED) ? first.slice(UNRELEASED.length).trim() : '';
  if (text === '')
    throw new Error(`release ${version}: expected changes below "## [Unreleased]" in CHANGELOG.md, found none`);
  return [
    above,
    `${UNRELEASED}\n## [${version}] - ${date}\n\n${text}\n${others.length > 0 ? '\n' : ''}`,
    ...others,
  ].join('');
}

/** What the changelog says of a version, without its heading. @throws Error where it has no such version */
export function notesOf(changelog: string, version: string): string {
  const section = sectionsOf(changelog).sections.find((one) => one.startsWith(`## [${version}]`));
  if (section === undefined) throw new Error(`read CHANGELOG.md: expected a section "## [${version}]", found none`);
  return section.slice(section.indexOf('\n')).trim();
}
