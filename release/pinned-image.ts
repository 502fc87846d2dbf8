/** An image as the registry that took it knows it. */
export interface PinnedImage {
  /** With the registry, for example `registry.example.com/team/consular`. */
  readonly repository: string;
  /** For example `sha256:0123...`. */
  readonly digest: string;
}

/** @throws Error for anything but a name and a digest */
export function parsePinnedImage(text: string): PinnedImage {
  const [, repository, digest] = /^([a-z0-9.:/_-]+)@(sha256:[0-9a-f]{64})$/.exec(text) ?? [];
  if (repository === undefined || digest === undefined)
    throw new Error(
      `read the image: expected <repository>@sha256:<64 hexadecimal digits>, found ${JSON.stringify(text)}`,
    );
  return { repository, digest };
}

/** The values of the chart, with the image as their default. */
export function pinValues(values: string, { repository, digest }: PinnedImage): string {
  const named = replaceOnce(values, /^( {2}repository: )consular$/m, repository, 'values.yaml');
  return replaceOnce(named, /^( {2}digest: )''$/m, digest, 'values.yaml');
}

/** The values of the chart, with the page of this release as the place to which alerts lead. @throws Error for anything but a URL */
export function pinRunbooks(values: string, page: string): string {
  if (!/^https:\/\/[^\s#']+$/.test(page))
    throw new Error(
      `read the page of alerts: expected a URL like https://.../docs/alerts.md, found ${JSON.stringify(page)}`,
    );
  return replaceOnce(values, /^( {4}runbookUrl: )''$/m, page, 'values.yaml');
}

/** The manifest of the Deployment, with the image in place of the local tag. */
export function pinDeployment(manifest: string, { repository, digest }: PinnedImage): string {
  return replaceOnce(manifest, /^( +image: )consular:\S+$/m, `${repository}@${digest}`, 'deployment.yaml');
}

function replaceOnce(text: string, form: RegExp, value: string, file: string): string {
  if (!form.test(text)) throw new Error(`pin the release in ${file}: expected a line like ${form.source}, found none`);
  return text.replace(form, (_, before: string) => `${before}${value}`);
}
