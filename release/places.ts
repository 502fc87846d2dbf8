/** Where the version stands, between the two groups of the form. */
interface Place {
  /** A file, or a folder with all of its pages. */
  readonly path: string;
  readonly form: RegExp;
  /** How often it has to stand there. */
  readonly times: number | 'any';
}

const TAG = /(\bconsular:)\d+\.\d+\.\d+()\b/g;
/** The chart of a release, as an installation names it. */
const CHART = /(charts\/consular --version )\d+\.\d+\.\d+()\b/g;

/** Everything that says which version this is. A test finds what is missing here among the tags of images. */
export const PLACES: readonly Place[] = [
  { path: 'package.json', form: /^( {2}"version": ")[^"]*(")/gm, times: 1 },
  // That of the package itself, twice; those of its dependencies stand deeper.
  {
    path: 'package-lock.json',
    form: /^( {2}"version": "|(?<=^ {4}"": \{\n {6}"name": "consular",\n) {6}"version": ")[^"]*(")/gm,
    times: 2,
  },
  { path: 'deploy/helm/consular/Chart.yaml', form: /^((?:version|appVersion): ).*()$/gm, times: 2 },
  { path: 'deploy/Dockerfile', form: /(image\.version=")[^"]*(")/g, times: 1 },
  { path: 'deploy/kubernetes/deployment.yaml', form: /(image: consular:)\S+()/g, times: 1 },
  { path: 'docs/monitoring.md', form: /^( {2}"version": ")[^"]*(")/gm, times: 1 },
  { path: 'docs/compared.md', form: /^(\| Version \| )[^ ]+( \|)/gm, times: 2 },
  { path: 'deploy/Dockerfile', form: TAG, times: 'any' },
  { path: 'deploy/README.md', form: TAG, times: 'any' },
  { path: 'README.md', form: TAG, times: 'any' },
  { path: 'README.md', form: CHART, times: 2 },
  { path: 'docs', form: TAG, times: 'any' },
  { path: 'docs', form: CHART, times: 'any' },
];

/** @returns the versions that stand at this place of the text */
export function versionsAt({ form }: Place, text: string): string[] {
  return [...text.matchAll(form)].map(([whole, before = '', after = '']) =>
    whole.slice(before.length, whole.length - after.length),
  );
}

/** The text with the version at this place. @throws Error where the text does not say it as often as it should */
export function withVersion({ path, form, times }: Place, text: string, version: string): string {
  const found = versionsAt({ path, form, times }, text).length;
  if (times !== 'any' && found !== times)
    throw new Error(`set the version in ${path}: expected it ${times} times, found it ${found} times`);
  return text.replaceAll(form, (_, before: string, after: string) => `${before}${version}${after}`);
}
