import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createPage } from '../../../src/status-page/answers.ts';
import { FILE_TYPES } from '../../../src/status-page/files.ts';
import type { Listing } from '../../../src/status-page/listing.ts';
import { PagedList, readPageRequest } from '../../../src/status-page/paging.ts';
import { TestClock } from '../clock.ts';

/** A list whose rows are their keys. */
function listOf(keys: () => readonly string[]): Listing<string> {
  return { keys, text: (key) => key, row: (key) => (keys().includes(key) ? key : undefined) };
}

const request = (text: string) => readPageRequest(new URLSearchParams(text));

describe('a page of a list', () => {
  const names = Array.from({ length: 2500 }, (_, i) => `shop/Orders-${String(2500 - i).padStart(4, '0')}`);
  const list = new PagedList(
    listOf(() => names),
    new TestClock(),
  );

  it('is sorted, and begins where it is asked to', async () => {
    const page = await list.page(request('offset=2498&limit=10'));
    expect(page).toEqual({
      ...{ total: 2500, matching: 2500, offset: 2498, limit: 10 },
      items: ['shop/Orders-2499', 'shop/Orders-2500'],
    });
  });

  it('has only what has all words of the query, in any case', async () => {
    const page = await list.page(request('query=ORDERS%20%20-001&limit=2'));
    expect(page).toMatchObject({ total: 2500, matching: 10, items: ['shop/Orders-0010', 'shop/Orders-0011'] });
  });

  it('shows what came after a second, and leaves out what went at once', async () => {
    const clock = new TestClock();
    let now = ['a', 'b'];
    const changing = new PagedList(
      listOf(() => now),
      clock,
    );
    expect((await changing.page(request(''))).items).toEqual(['a', 'b']);
    now = ['b', 'c'];
    expect((await changing.page(request(''))).items).toEqual(['b']);
    await clock.advance(1000);
    expect((await changing.page(request(''))).items).toEqual(['b', 'c']);
  });

  it.each([
    ['limit=0', 'limit: expected a whole number from 1 to 200, found "0"'],
    ['limit=201', 'limit: expected a whole number from 1 to 200, found "201"'],
    ['offset=-1', 'offset: expected a whole number from 0 to 9007199254740991, found "-1"'],
    ['offset=1e3', 'offset: expected a whole number from 0 to 9007199254740991, found "1e3"'],
    [`query=${'x'.repeat(201)}`, 'query: expected at most 200 characters, found 201'],
  ])('asked for with %s is refused', (text, message) => {
    expect(() => request(text)).toThrow(new RangeError(message));
  });
});

describe('an answer of the page', () => {
  const answer = (url: string, names: readonly string[] = ['a']) =>
    createPage({ pods: listOf(() => names) }, () => undefined, new TestClock())(url);

  it('is JSON in which whatever strangers wrote is the same text, and no character that cannot be seen', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 20 }), async (names) => {
        const { body = '', type } = (await answer('/status/pods', names)) ?? {};
        expect(type).toBe('application/json');
        expect((JSON.parse(body) as { items: unknown }).items).toEqual([...new Set(names)].sort());
        expect(body.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      }),
    );
  });

  it('takes any query of strangers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
        const answered = await answer(`/status/pods?${text}`);
        expect([200, 400]).toContain(answered?.status);
      }),
    );
  });

  it.each(Object.entries(FILE_TYPES))('is the file %s, with a policy that lets nothing else in', async (name, type) => {
    const found = await answer(name === 'index.html' ? '/?query=a' : `/page/${name}`);
    expect(found).toMatchObject({ status: 200, type });
    const policy = found?.headers?.['content-security-policy'];
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; .*frame-ancestors 'none'$/);
    expect(found?.body).not.toMatch(/(src|href)="(https?:)?\/\/| on\w+="|style="|innerHTML|eval\(/);
  });

  it.each([
    '/page/',
    '/page/../file-text.ts',
    '/page/__proto__',
    '/page/page.js/x',
    '/status/',
    '/status/toString',
    '/x',
  ])('to %s is none', async (url) => {
    expect(await answer(url)).toBeUndefined();
  });

  it('to a request for a list that is not there says why, and who leads', async () => {
    const absent = { status: 503, error: 'this process stands by', leader: 'other_1' } as const;
    const answered = await createPage({ pods: listOf(() => ['a']) }, () => absent, new TestClock())('/status/pods');
    expect(answered).toMatchObject({ status: 503, type: 'application/json' });
    expect(JSON.parse(answered?.body ?? '')).toEqual({ error: 'this process stands by', leader: 'other_1' });
  });

  it('to a wrong request names what is wrong', async () => {
    const refused = await answer('/status/pods?limit=all');
    expect(refused?.status).toBe(400);
    expect(refused?.body).toContain('limit: expected a whole number from 1 to 200');
  });
});
