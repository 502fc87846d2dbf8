import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Where each page of the repository stands on the site, by its path. */
export const PLACES: ReadonlyMap<string, string> = new Map([
  ['README.md', 'index.md'],
  ['docs/README.md', 'manual.md'],
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md') && name !== 'README.md')
    .map((name): [string, string] => [`docs/${name}`, name]),
  ['deploy/README.md', 'deploy.md'],
  ['deploy/helm/consular/README.md', 'helm.md'],
  ['SECURITY.md', 'security.md'],
  ['CONTRIBUTING.md', 'contributing.md'],
  ['CHANGELOG.md', 'changelog.md'],
]);

const SOURCES = new Map([...PLACES].map(([source, place]): [string, string] => [place, source]));

/** The path of a page in the repository, by its place on the site, or by that path: VitePress says now one, now the other. */
export function sourceOf(path: string): string {
  const source = PLACES.has(path) ? path : SOURCES.get(path);
  if (source === undefined) throw new Error(`look for the page ${path}: expected one of the site, found none`);
  return source;
}

export interface Place {
  /** As it is for other sites and the page itself. */
  readonly href: string;
  /** The path in the repository of what stands there as a copy, because it is no page. */
  readonly file?: string;
}

/**
 * Where a link of a page leads on the site. The pages are written for the repository, where links are relative to the file.
 * @param source path of the page in the repository
 * @throws Error where a link leads to nothing
 */
export function placeOfLink(source: string, href: string): Place {
  if (/^[a-z]+:/.test(href) || href.startsWith('#')) return { href };
  const [path = '', anchor] = href.split('#');
  const target = normalize(join(dirname(source), path));
  const hash = anchor === undefined ? '' : `#${anchor}`;
  const place = PLACES.get(target);
  if (place !== undefined) return { href: `/${place}${hash}` };
  if (!existsSync(join(ROOT, target)) || !statSync(join(ROOT, target)).isFile())
    throw new Error(`${source}: expected a link to a page or a file, found ${href}`);
  // A browser shows texts and pictures, and would keep a file of another kind.
  return { href: `/files/${target}${target.endsWith('.png') ? '' : '.txt'}`, file: target };
}

/** As the forge where the repository is makes them, so that a link leads to the same heading on both. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-');
}

/** The index of the manual as a menu: its headings, and the pages below each. */
export function menu() {
  const [, ...parts] = readFileSync(join(ROOT, 'docs/README.md'), 'utf8').split(/^## /m);
  return parts.map((part) => ({
    text: part.split('\n', 1)[0],
    collapsed: false,
    items: [...part.matchAll(/^\| \[([^\]]+)\]\(([^)]+)\)/gm)].map(([, text = '', href = '']) => ({
      text,
      link: placeOfLink('docs/README.md', href).href.replace(/\.md$/, ''),
    })),
  }));
}
