// Bundles the daemon into one file: a container image needs Node and this file, nothing else, and the pinned
// undici is baked in (an override in package.json does not reach whoever installs the package from a registry).
import { build } from 'esbuild';
import { readdirSync, readFileSync } from 'node:fs';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));

/**
 * Of client-node only the kubeconfig is used, but its package.json does not say that its modules have no side effects, so
 * esbuild would keep the models of every kind: 1 MB of code that is run at each start, and 13 MB of memory.
 */
const withoutUnusedModels = {
  name: 'without-unused-models',
  setup(build) {
    build.onResolve(
      { filter: /^(@kubernetes\/client-node$|\.{1,2}\/)/ },
      async ({ path, kind, importer, resolveDir, pluginData }) => {
        if (pluginData === 'resolving' || !/@kubernetes\/client-node/.test(`${importer} ${path}`)) return undefined;
        const resolved = await build.resolve(path, { kind, importer, resolveDir, pluginData: 'resolving' });
        return resolved.errors.length > 0 ? undefined : { path: resolved.path, sideEffects: false };
      },
    );
  },
};

/** The files of the status page go into the bundle as texts, in place of the module that reads them. */
const withPage = {
  name: 'with-page',
  setup(build) {
    build.onLoad({ filter: /[\\/]status-page[\\/]file-text\.ts$/ }, () => {
      const folder = new URL('src/status-page/files/', import.meta.url);
      const texts = readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]);
      const all = JSON.stringify(Object.fromEntries(texts));
      return { contents: `const TEXTS = ${all}; export const fileText = (name) => TEXTS[name];` };
    });
  },
};

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
  plugins: [withoutUnusedModels, withPage],
  logLevel: 'warning',
});
