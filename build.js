// Bundles the daemon into one file: a container image needs Node and this file, nothing else, and the pinned
// undici is baked in (an override in package.json does not reach whoever installs the package from a registry).
import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import { withoutUnusedModels } from './without-unused-models.js';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));

await build({
  entryPoints: ['src/main.ts'],
  outfile: 'dist/consular.js',
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  define: { CONSULAR_VERSION: JSON.stringify(version) },
  // CommonJS dependencies (consul, winston) call require() on Node's own modules; an ES module has none.
  banner: {
    js: [
      '#!/usr/bin/env node',
      "import { createRequire as __createRequire } from 'node:module';",
      'const require = __createRequire(import.meta.url);',
    ].join('\n'),
  },
  plugins: [withoutUnusedModels],
  logLevel: 'warning',
});
