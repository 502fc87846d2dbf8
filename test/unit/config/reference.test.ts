import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { PAGES } from '../../../config/reference.ts';

describe('pages of the manual that the code decides', () => {
  it.each(Object.entries(PAGES))('%s is what the code says; npm run schema writes it', async (page, make) => {
    const written = readFileSync(new URL(`../../../${page}`, import.meta.url), 'utf8');
    expect(written).toBe(await make());
    expect(written).toMatch(/^\| `/m);
  });
});
