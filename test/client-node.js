// Makes of client-node what the build makes of it: one file with what src/ uses, in place of a thousand modules, which
// Jest would load anew for each file of tests.
import { build } from 'esbuild';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { withoutUnusedModels } from '../without-unused-models.js';

/** Where the tests find client-node. */
export async function clientNode() {
  const modules = fileURLToPath(new URL('../node_modules', import.meta.url));
  const { version } = JSON.parse(readFileSync(`${modules}/@kubernetes/client-node/package.json`, 'utf8'));
  const folder = `${modules}/.cache/consular`;
  const file = `${folder}/client-node-${version}.mjs`;
  if (existsSync(file)) return file;
  const { outputFiles } = await build({
    stdin: { contents: "export { KubeConfig } from '@kubernetes/client-node';", resolveDir: modules },
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    external: ['undici'],
    banner: {
      js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);",
    },
    plugins: [withoutUnusedModels],
    logLevel: 'warning',
  });
  mkdirSync(folder, { recursive: true });
  // Whole or not there, whoever else starts tests at the same time.
  const mine = `${file}.${process.pid}`;
  writeFileSync(mine, outputFiles[0].contents);
  renameSync(mine, file);
  return file;
}
