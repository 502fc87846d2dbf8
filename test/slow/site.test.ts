import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { findChromium, openBrowser, type Browser } from '../browser/index.ts';
import { ROOT } from '../rig/manifests.ts';
import { PLACES } from '../../site/pages.ts';

const chromium = await findChromium();
if ('missing' in chromium) process.stderr.write(`test/slow/site.test.ts looks at no page: ${chromium.missing}\n`);
const withBrowser = 'missing' in chromium ? it.skip : it;

const DIST = join(ROOT, 'site', 'dist');
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
};

beforeAll(() => {
  const { status, stdout, stderr } = spawnSync('npm', ['run', 'docs'], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`build the site: expected 0, found ${status}\n${stdout}\n${stderr}`);
}, 10 * 60_000);

const fileOf = (path: string) => join(DIST, path.endsWith('/') ? `${path}index.html` : path);
const pages = () => readdirSync(DIST).filter((name) => name.endsWith('.html') && name !== '404.html');
const read = (page: string) => readFileSync(join(DIST, page), 'utf8');
const valuesOf = (html: string, attribute: string) =>
  [...html.matchAll(new RegExp(`<[^>]* ${attribute}="([^"]*)"`, 'g'))].map(([, value = '']) => value);

/** Whether what a page leads to is there, the heading too. */
function isThere(page: string, href: string): boolean {
  const { pathname, hash } = new URL(href, `http://site/${page}`);
  if (!existsSync(fileOf(pathname))) return false;
  const anchor = decodeURIComponent(hash.slice(1));
  return anchor === '' || valuesOf(readFileSync(fileOf(pathname), 'utf8'), 'id').includes(anchor);
}

describe('the site of the manual', () => {
  it('has every page, and each link leads to a page, a file or a heading that is there', () => {
    expect(pages().sort()).toEqual([...PLACES.values()].map((place) => place.replace(/md$/, 'html')).sort());
    const links = pages().flatMap((page) =>
      ['href', 'src'].flatMap((attribute) =>
        valuesOf(read(page), attribute)
          .filter((href) => !/^[a-z]+:/.test(href))
          .map((href) => ({ page, href })),
      ),
    );
    expect(links.length).toBeGreaterThan(1000);
    expect(links.filter(({ page, href }) => !isThere(page, href))).toEqual([]);
  });

  describe('in a browser', () => {
    let server: Server;
    let browser: Browser | undefined;
    let address: string;

    beforeAll(async () => {
      server = createServer(({ url = '' }, response) => {
        const file = fileOf(new URL(url, 'http://site').pathname);
        response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
        response.end(existsSync(file) ? readFileSync(file) : '');
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      if ('file' in chromium) browser = await openBrowser(chromium.file);
    });
    afterAll(async () => {
      await browser?.close();
      server.closeAllConnections();
      server.close();
    });

    withBrowser('finds words of all pages, and asks nobody else for anything', async () => {
      if (!browser) throw new Error('use the browser: expected it to run, found none');
      const { page } = browser;
      await page.open(`${address}/`);
      await page.read(['Manual', 'Uninstall']);
      await page.click('Search');
      await page.write('.search-input', 'rebinding');
      await page.read(['Tokens and what is shown']);
      await page.screenshot('site');
      const { errors, requests } = page.seen;
      expect(errors).toEqual([]);
      expect(requests.length).toBeGreaterThan(5);
      expect(requests.filter((url) => !url.startsWith(`${address}/`) && !url.startsWith('data:'))).toEqual([]);
    });
  });
});
