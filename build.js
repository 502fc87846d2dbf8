// Bundles the daemon into a few files: a container image needs Node and these, nothing else, and the pinned undici is baked
// in (an override in package.json does not reach whoever installs the package from a registry).
import { build, transform } from 'esbuild';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { withoutUnusedModels } from './without-unused-models.js';

const DIST = 'dist';
const PARTS = 'parts';
const NOT_ASCII = /[\u0080-\uffff]/g;
const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));

/**
 * Of undici two agents and request() are used, and fetch() is named by client-node; the rest of it, with caches, mocks and
 * WebSockets, is as large as all of our own code, and its index.js runs all of it at each start. A name that is not here
 * is an error of the build.
 */
const USED_OF_UNDICI = `
  import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
  import api from 'undici/lib/api/index.js';
  export { default as Agent } from 'undici/lib/dispatcher/agent.js';
  export { default as ProxyAgent } from 'undici/lib/dispatcher/proxy-agent.js';
  Object.assign(Dispatcher.prototype, api);
  export const fetch = async (...request) => (await import('undici/lib/web/fetch/index.js')).default.fetch(...request);
`;
const withoutUnusedUndici = {
  name: 'without-unused-undici',
  setup(build) {
    build.onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'used-of-undici' }));
    build.onLoad({ filter: /.*/, namespace: 'used-of-undici' }, () => ({
      contents: USED_OF_UNDICI,
      resolveDir: import.meta.dirname,
    }));
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

const { outputFiles } = await build({
  entryPoints: { consular: 'src/main.ts' },
  outdir: DIST,
  outExtension: { '.js': '.mjs' },
  // What is imported dynamically becomes a file of its own, which is not read before it is wanted.
  chunkNames: `${PARTS}/[name]-[hash]`,
  splitting: true,
  bundle: true,
  write: false,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  define: { CONSULAR_VERSION: JSON.stringify(version) },
  // CommonJS dependencies (consul, winston) call require() on Node's own modules; an ES module has none.
  banner: {
    js: [
      "import { createRequire as __createRequire } from 'node:module';",
      'const require = __createRequire(import.meta.url);',
    ].join('\n'),
  },
  plugins: [withoutUnusedModels, withoutUnusedUndici, withPage],
  logLevel: 'warning',
  // A name that is not exported would be undefined when the program runs.
  logOverride: { 'import-is-undefined': 'error' },
});

mkdirSync(join(DIST, PARTS), { recursive: true });
// The entry last: whoever looks for that finds everything.
for (const { path, text } of [...outputFiles].sort(byDepth)) writeFileSync(path, await inAscii(text), { mode: 0o755 });
const made = new Set(outputFiles.map(({ path }) => basename(path)));
for (const name of readdirSync(join(DIST, PARTS))) if (!made.has(name)) rmSync(join(DIST, PARTS, name));

function byDepth(a, b) {
  return b.path.split('/').length - a.path.split('/').length;
}

/** V8 keeps a source with one character of another kind in two bytes for each. esbuild escapes all but those in comments. */
async function inAscii(text) {
  const { code } = await transform(text, { minifyWhitespace: true, legalComments: 'none' });
  if (code.search(NOT_ASCII) !== -1)
    throw new Error('bundle: expected characters beyond ASCII in comments only, found some in code');
  return text.replaceAll(NOT_ASCII, '?');
}
