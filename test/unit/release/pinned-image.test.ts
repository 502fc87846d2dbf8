import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { parsePinnedImage, pinDeployment, pinRunbooks, pinValues } from '../../../release/pinned-image.ts';

const read = (path: string) => readFileSync(new URL(`../../../deploy/${path}`, import.meta.url), 'utf8');
const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
const image = { repository: 'registry.example.com/team/consular', digest };

describe('the image of a release', () => {
  it('is the default of the chart, by its digest', () => {
    const values = parse(pinValues(read('helm/consular/values.yaml'), image)) as { image: object };
    const shipped = parse(read('helm/consular/values.yaml')) as { image: object };
    expect(values).toEqual({ ...shipped, image: { ...shipped.image, ...image } });
  });

  it('is that of the Deployment, by its digest', () => {
    const manifest = read('kubernetes/deployment.yaml');
    expect(pinDeployment(manifest, image)).toBe(
      manifest.replace(/image: consular:.*/, `image: ${image.repository}@${digest}`),
    );
  });

  it('is read from a name and a digest', () => {
    expect(parsePinnedImage(`${image.repository}@${digest}`)).toEqual(image);
    for (const text of ['', image.repository, `${image.repository}:0.2.0`, `${image.repository}@sha256:12`])
      expect(() => parsePinnedImage(text)).toThrow(`found ${JSON.stringify(text)}`);
  });

  it('is an error where a file names no local image any more', () => {
    expect(() => pinDeployment(pinDeployment(read('kubernetes/deployment.yaml'), image), image)).toThrow(
      'pin the release in deployment.yaml',
    );
  });
});

describe('the page of alerts of a release', () => {
  const page = 'https://forge.test/team/consular/blob/v0.2.0/docs/alerts.md';

  it('is where the alerts of its chart lead, and nothing else is changed', () => {
    const values = read('helm/consular/values.yaml');
    expect(pinRunbooks(values, page)).toBe(values.replace("runbookUrl: ''", `runbookUrl: ${page}`));
    expect(parse(pinRunbooks(values, page))).toMatchObject({ metrics: { prometheusRule: { runbookUrl: page } } });
  });

  it('is given by the workflow as the page of the tag, which the repository has', () => {
    const workflow = readFileSync(new URL('../../../.github/workflows/release.yml', import.meta.url), 'utf8');
    const [, path = ''] =
      /"\$GITHUB_SERVER_URL\/\$GITHUB_REPOSITORY\/blob\/\$GITHUB_REF_NAME\/([^"]+)"/.exec(workflow) ?? [];
    const alerts = readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
    expect(alerts).toContain('\n## ConsularDown\n');
  });

  it('is an error where it is no URL, and where the chart has one', () => {
    const values = read('helm/consular/values.yaml');
    for (const wrong of ['', 'docs/alerts.md', `${page}#consulardown`])
      expect(() => pinRunbooks(values, wrong)).toThrow(`found ${JSON.stringify(wrong)}`);
    expect(() => pinRunbooks(pinRunbooks(values, page), page)).toThrow('pin the release in values.yaml');
  });
});
