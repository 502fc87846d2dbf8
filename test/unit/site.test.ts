import { describe, expect, it } from '@jest/globals';
import { menu, placeOfLink, PLACES, sourceOf } from '../../site/pages.ts';

describe('a link of the manual leads on the site', () => {
  it.each([
    ['README.md', 'docs/install.md', { href: '/install.md' }],
    ['docs/install.md', '../deploy/README.md#kubernetes', { href: '/deploy.md#kubernetes' }],
    ['docs/install.md', 'README.md', { href: '/manual.md' }],
    ['deploy/helm/consular/README.md', '../../../docs/istio.md', { href: '/istio.md' }],
    ['docs/install.md', '#8-see-it', { href: '#8-see-it' }],
    ['docs/install.md', 'https://example.com/a.md', { href: 'https://example.com/a.md' }],
    [
      'docs/consul-acls.md',
      '../deploy/consul/policy.hcl',
      { href: '/files/deploy/consul/policy.hcl.txt', file: 'deploy/consul/policy.hcl' },
    ],
    [
      'docs/status-page.md',
      'images/status-page-dark.png',
      { href: '/files/docs/images/status-page-dark.png', file: 'docs/images/status-page-dark.png' },
    ],
  ])('from %s by %s to its place', (source, href, place) => {
    expect(placeOfLink(source, href)).toEqual(place);
  });

  it.each(['nowhere.md', '../deploy/kubernetes', '../src/nothing.ts'])('to nothing by %s is an error', (href) => {
    expect(() => placeOfLink('docs/install.md', href)).toThrow(
      `docs/install.md: expected a link to a page or a file, found ${href}`,
    );
  });
});

describe('a page of the site', () => {
  it('is known by its place and by its path in the repository', () => {
    expect(sourceOf('install.md')).toBe('docs/install.md');
    expect(sourceOf('docs/install.md')).toBe('docs/install.md');
    expect(() => sourceOf('nothing.md')).toThrow('look for the page nothing.md');
  });

  it('has a place of its own', () => {
    expect(new Set(PLACES.values()).size).toBe(PLACES.size);
  });

  it('is in the menu, under the headings of the index', () => {
    const links = menu().flatMap(({ items }) => items.map(({ link }) => `${link.slice(1)}.md`));
    const apart = ['index.md', 'manual.md', 'helm.md', 'changelog.md'];
    expect(links.sort()).toEqual([...PLACES.values()].filter((place) => !apart.includes(place)).sort());
    expect(menu()[0]).toMatchObject({
      text: 'Begin',
      items: expect.arrayContaining([{ text: 'Install', link: '/install' }]),
    });
  });
});
