import { describe, expect, it } from '@jest/globals';
import { areTooLong, writeTags } from '../../../../src/to-kubernetes/objects/tags-annotation.ts';

describe('the tags of a Consul service as an annotation', () => {
  it.each<[readonly string[], string | null]>([
    [[], null],
    [['a'], 'a'],
    [['a', 'b=c'], 'a,b=c'],
    [['Host(`a`,`b`)', 'c'], 'Host(`a`\\,`b`),c'],
    [['x'.repeat(4096)], 'x'.repeat(4096)],
    [['x'.repeat(4097)], null],
    // Two bytes each.
    [['\u00e4'.repeat(2049)], null],
  ])('of %j is %j', (tags, expected) => {
    expect(writeTags(tags)).toBe(expected);
    expect(areTooLong(tags)).toBe(expected === null && tags.length > 0);
  });
});
