import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { EVENT_REASONS } from '../../src/event-reasons.ts';
import { createMetrics } from '../../src/observability/metrics.ts';

/** The manual as a whole: what leads nowhere, and what nobody finds. */

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (page: string) => readFileSync(join(ROOT, page), 'utf8');
const pagesIn = (folder: string) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => join(folder, file));

const manual = pagesIn('docs').sort();
const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...pagesIn('deploy'), ...manual];

const withoutCode = (text: string) => text.replaceAll(/^( *)```[\s\S]*?^\1```/gm, '').replaceAll(/`[^`\n]*`/g, '');

/** As GitHub makes them of a heading; the second of the same words gets `-1`. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of text.replaceAll(/^( *)```[\s\S]*?^\1```/gm, '').matchAll(/^#{1,6} (.*)$/gm)) {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = words.replaceAll(/[^\p{L}\p{N}_\- ]/gu, '').replaceAll(' ', '-');
    let unique = anchor;
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

interface Link {
  readonly from: string;
  readonly to: string;
  readonly anchor: string;
}

function linksOf(page: string): Link[] {
  return [...withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, url = '']) => url)
    .filter((url) => !/^[a-z]+:/.test(url))
    .map((url) => {
      const [path = '', anchor = ''] = url.split('#');
      return { from: page, to: path === '' ? page : normalize(join(dirname(page), path)), anchor };
    });
}

const isBroken = ({ to, anchor }: Link) =>
  !existsSync(join(ROOT, to)) || (anchor !== '' && !anchorsOf(read(to)).has(anchor));

describe('the manual', () => {
  it.each(pages)('%s has links that lead somewhere', (page) => {
    const broken = linksOf(page).filter(isBroken);
    expect(broken.map(({ to, anchor }) => `${to}#${anchor}`)).toEqual([]);
  });

  it('has no page and no picture that nothing leads to', () => {
    const reached = new Set(pages.flatMap(linksOf).map(({ to }) => to));
    const pictures = readdirSync(join(ROOT, 'docs/images')).map((file) => join('docs/images', file));
    expect([...manual, ...pictures].filter((file) => !reached.has(file))).toEqual([]);
  });

  it('has an index with every page', () => {
    const listed = new Set(linksOf('docs/README.md').map(({ to }) => to));
    expect(manual.filter((page) => page !== 'docs/README.md' && !listed.has(page))).toEqual([]);
  });

  it('names no metric of Consular that there is not', async () => {
    const metrics = (await createMetrics().registry.getMetricsAsJSON()).map(({ name }) => name);
    const named = new Set(
      manual.flatMap((page) => [...read(page).matchAll(/\bconsular_[a-z_]+/g)].map(([name]) => name)),
    );
    expect(named.size).toBeGreaterThan(20);
    expect([...named].filter((name) => !metrics.includes(name.replace(/_(bucket|sum|count)$/, '')))).toEqual([]);
  });

  it('has each command of the README on the page that a test follows, where no test follows the README', () => {
    const followedHere = /^(Install|One mirrored service)\n/;
    const others = read('README.md')
      .split(/^## /m)
      .filter((section) => !followedHere.test(section));
    const blocks = others.flatMap((section) => [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)]);
    const commands = blocks.flatMap(([, block = '']) => block.trim().split('\n'));
    const followed = ['docs/install.md', 'docs/first-pod.md'].map(read).join('\n');
    expect(commands.length).toBeGreaterThan(0);
    expect(commands.filter((command) => !followed.includes(command.trim()))).toEqual([]);
  });

  it('begins with a README that is read in five minutes', () => {
    expect(read('README.md').split(/\s+/).length).toBeLessThanOrEqual(1200);
  });
});

describe('the page of Events', () => {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && file !== 'event-reasons.ts')
    .map((file) => read(join('src', file)));
  const reasons = [...new Set(Object.values(EVENT_REASONS).flatMap((table) => Object.keys(table)))];

  it('has no reason that the code does not report', () => {
    expect(reasons.length).toBeGreaterThan(35);
    const isReported = (reason: string) =>
      sources.some((text) => new RegExp(`'${reason}'|^  ${reason}: `, 'm').test(text));
    expect(reasons.filter((reason) => !isReported(reason))).toEqual([]);
  });

  it('has a row for each reason, under the object that carries the Event', () => {
    const sections = new Map(
      [...read('docs/events.md').matchAll(/^<!-- written by npm run schema: (\S+) -->$([^]*?)^<!-- end -->$/gm)].map(
        ([, on = '', rows = '']) => [
          on,
          [...rows.matchAll(/^\| `(\w+)` \| \S.* \| \S.* \|$/gm)].map(([, reason]) => reason),
        ],
      ),
    );
    const expected = Object.entries(EVENT_REASONS).map(([on, table]) => [on, Object.keys(table)] as const);
    expect(sections).toEqual(new Map(expected));
    expect(sections.get('deployment')).toEqual(['RemovalsRetained', 'RestartNeeded', 'ConfigurationRefused']);
    expect(sections.get('namespace')).toContain('ConsulWentBack');
  });
});
