import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parsePinnedImage, pinDeployment, pinValues } from './pinned-image.ts';

/** For the workflow of a release: the chart and the manifests name the image that was pushed, by its digest. */
try {
  const image = parsePinnedImage(process.argv[2] ?? '');
  change('deploy/helm/consular/values.yaml', (text) => pinValues(text, image));
  change('deploy/kubernetes/deployment.yaml', (text) => pinDeployment(text, image));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

function change(path: string, by: (text: string) => string): void {
  const file = fileURLToPath(new URL(`../${path}`, import.meta.url));
  writeFileSync(file, by(readFileSync(file, 'utf8')));
}
