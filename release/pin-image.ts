import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parsePinnedImage, pinDeployment, pinRunbooks, pinValues } from './pinned-image.ts';

/**
 * For the workflow of a release, with the image and the URL of its page docs/alerts.md: the chart and the manifests name the image that was
 * pushed, by its digest, and alerts of the chart lead to that page.
 */
try {
  const image = parsePinnedImage(process.argv[2] ?? '');
  change('deploy/helm/consular/values.yaml', (text) => pinRunbooks(pinValues(text, image), process.argv[3] ?? ''));
  change('deploy/kubernetes/deployment.yaml', (text) => pinDeployment(text, image));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

function change(path: string, by: (text: string) => string): void {
  const file = fileURLToPath(new URL(`../${path}`, import.meta.url));
  writeFileSync(file, by(readFileSync(file, 'utf8')));
}
