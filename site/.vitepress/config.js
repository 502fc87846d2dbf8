import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { defineConfig } from 'vitepress';
import { anchorOf, menu, placeOfLink, PLACES, ROOT, sourceOf } from '../pages.ts';

/** Files that pages link to, by their places on the site. */
const files = new Map();

function leadToPages(md) {
  md.core.ruler.push('links of the repository', ({ tokens, env }) => {
    const links = tokens.flatMap(({ children }) => children ?? []).filter(({ type }) => type === 'link_open');
    // Those beside headings lead to the headings.
    for (const token of links.filter((link) => link.attrGet('class') !== 'header-anchor')) {
      const { href, file } = placeOfLink(sourceOf(env.relativePath), token.attrGet('href'));
      token.attrSet('href', href);
      if (file !== undefined) files.set(href, file);
    }
  });
}

/** The pages stand outside of this package; what VitePress makes of them imports Vue all the same. */
const vueOfThisPackage = {
  name: 'vue-of-this-package',
  enforce: 'pre',
  resolveId(id, importer = '') {
    const isPage = importer.replace(/\?.*/, '').endsWith('.md');
    return isPage && /^vue(\/|$)/.test(id) ? this.resolve(id, import.meta.filename, { skipSelf: true }) : undefined;
  },
};

export default defineConfig({
  title: 'Consular',
  description: 'A registrar between Kubernetes and Consul, in both directions',
  lang: 'en',
  srcDir: '..',
  outDir: 'dist',
  cacheDir: 'node_modules/.cache',
  rewrites: Object.fromEntries(PLACES),
  srcExclude: ['{node_modules,site,src,test,dist}/**', '.*/**'],
  cleanUrls: false,
  metaChunk: true,
  // The status page, by a port-forward.
  ignoreDeadLinks: ['http://localhost:8080'],
  markdown: { anchor: { slugify: anchorOf }, config: leadToPages },
  vite: { plugins: [vueOfThisPackage] },
  themeConfig: {
    nav: [
      { text: 'Install', link: '/install' },
      { text: 'Manual', link: '/manual' },
      { text: 'Changes', link: '/changelog' },
    ],
    sidebar: menu(),
    outline: [2, 3],
    // In the browser, from a file of the site: nobody else is asked.
    search: { provider: 'local' },
  },
  buildEnd({ outDir }) {
    for (const [href, file] of files) {
      mkdirSync(dirname(join(outDir, href)), { recursive: true });
      copyFileSync(join(ROOT, file), join(outDir, href));
    }
  },
});
