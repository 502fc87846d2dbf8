import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { CHART_FILES } from '../../../config/chart.ts';
import { PAGES } from '../../../config/reference.ts';

describe('pages of the manual that the code decides', () => {
  it.each(Object.entries(PAGES))('%s is what the code says; npm run schema writes it', async (page, make) => {
    const written = readFileSync(new URL(`../../../${page}`, import.meta.url), 'utf8');
    expect(written).toBe(await make());
    expect(written).toMatch(/^\| `/m);
  });
});

describe('what goes with the chart', () => {
  it.each(Object.entries(CHART_FILES))(
    '%s is what values.yaml and the code say; npm run schema writes it',
    (file, make) => {
      expect(readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')).toBe(make());
    },
  );
});
