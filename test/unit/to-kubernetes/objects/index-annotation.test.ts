import { expect, it } from '@jest/globals';
import { highestIndex, withIndex } from '../../../../src/to-kubernetes/objects/index-annotation.ts';
import { strings } from '../../builders.ts';

const slice = (index: string) => ({ annotations: strings({ 'consular.dev/consul-index': index }) });

it('the index stands beside what else is written', () => {
  const body = { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } }, fields: { e: 1 }, immutable: { f: 2 } };
  expect(withIndex(body, 12)).toEqual({
    ...body,
    metadata: { labels: { a: 'b' }, annotations: { c: 'd', 'consular.dev/consul-index': '12' } },
  });
});

it.each([
  ['none is written', [], 0],
  ['none says any', [{ annotations: strings({}) }], 0],
  ['several are written', ['7', '30', '12'].map(slice), 30],
  ['somebody edited it', ['7', 'many', '1e400', ''].map(slice), 7],
])('the highest index, when %s', (_, slices, highest) => {
  expect(highestIndex(slices)).toBe(highest);
});
