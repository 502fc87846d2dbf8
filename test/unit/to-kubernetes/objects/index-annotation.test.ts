import { expect, it } from '@jest/globals';
import { highestIndex, withIndex } from '../../../../src/to-kubernetes/objects/index-annotation.ts';
import { strings } from '../../builders.ts';

const slice = (index: string) => ({ annotations: strings({ 'consular.dev/consul-index': index }) });

it('the index stands beside what else is written', () => {
  const body = { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } }, fields: { e: 1 }, immutable: { f: 2 } };
  expect(withIndex(body, { index: 12, nonce: 'n' })).toEqual({
    ...body,
    metadata: { labels: { a: 'b' }, annotations: { c: 'd', 'consular.dev/consul-index': '12@n' } },
  });
});

it.each([
  ['none is written', [], 0],
  ['none says any', [{ annotations: strings({}) }], 0],
  ['several are written', ['7@n', '30@n', '12@n'].map(slice), 30],
  ['others are of another Consul', ['7@n', '30@other', '12'].map(slice), 7],
  ['somebody edited it', ['7@n', 'many@n', '1e400@n', '', '@n'].map(slice), 7],
])('the highest index, when %s', (_, slices, highest) => {
  expect(highestIndex(slices, 'n')).toBe(highest);
});
