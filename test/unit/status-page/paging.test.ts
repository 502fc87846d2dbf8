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

describe('a page of a list of 10 000', () => {
  const names = Array.from({ length: 10_000 }, (_, i) => `shop/Orders-${String(10_000 - i).padStart(5, '0')}`);
  const list = new PagedList(
    listOf(() => names),
    new TestClock(),
  );

  it('is sorted, and begins where it is asked to', async () => {
    const page = await list.page(request('offset=4998&limit=2'));
    expect(page).toEqual({
      ...{ total: 10_000, matching: 10_000, offset: 4998, limit: 2 },
      items: ['shop/Orders-04999', 'shop/Orders-05000'],
    });
  });

  it('is the last one, with what is left', async () => {
    const page = await list.page(request('offset=9998&limit=10'));
    expect(page).toEqual({
      ...{ total: 10_000, matching: 10_000, offset: 9998, limit: 10 },
      items: ['shop/Orders-09999', 'shop/Orders-10000'],
    });
    expect(await list.page(request('offset=10000'))).toMatchObject({ total: 10_000, items: [] });
  });

  it('has only what has all words of the query, in any case, to the end of the list', async () => {
    const page = await list.page(request('query=ORDERS%20%20-0999&limit=2'));
    expect(page).toMatchObject({ total: 10_000, matching: 10, items: ['shop/Orders-09990', 'shop/Orders-09991'] });
    const last = await list.page(request('query=-10000'));
    expect(last).toMatchObject({ matching: 1, items: ['shop/Orders-10000'] });
  });

  it('asks for no row but those that are on it', async () => {
    const asked: string[] = [];
    const all = listOf(() => names);
    const watched = new PagedList({ ...all, row: (key) => (asked.push(key), all.row(key)) }, new TestClock());
    await watched.page(request('query=orders&offset=100&limit=25'));
    expect(asked.length).toBe(25);
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

  it('has 200 rows at most, however many there are', async () => {
    const names = Array.from({ length: 10_000 }, (_, i) => `shop/orders-${String(i).padStart(5, '0')}`);
    const { body = '' } = (await answer('/status/pods?limit=200', names)) ?? {};
    const { total, items } = JSON.parse(body) as { total: number; items: string[] };
    expect([total, items.length]).toEqual([10_000, 200]);
    const mostOfRow = '"shop/orders-00000",'.length;
    expect(body.length).toBeLessThan(200 * mostOfRow + 200);
    expect((await answer('/status/pods?limit=201', names))?.status).toBe(400);
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
