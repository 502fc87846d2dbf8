import { describe, expect, it } from '@jest/globals';
import { nearest } from '../../src/spelling.ts';

const KEYS = ['service-name', 'service-port', 'service-tags', 'service-sync', 'not-ready', 'import', 'import-port'];

describe('the word that was most likely meant', () => {
  it.each([
    ['service-nmae', 'service-name'],
    ['service-nam', 'service-name'],
    ['service-names', 'service-name'],
    ['servicename', 'service-name'],
    ['Service-Name', 'service-name'],
    ['service-tag', 'service-tags'],
    ['serivce-prot', 'service-port'],
    ['notready', 'not-ready'],
    ['imports', 'import'],
    ['importport', 'import-port'],
  ])('of %s is %s', (word, expected) => {
    expect(nearest(word, KEYS)).toBe(expected);
  });

  it.each(['', 'x', 'colour', 'owner', 'x'.repeat(100_000)])('of %.20s is none', (word) => {
    expect(nearest(word, KEYS)).toBeUndefined();
  });

  it('is one step away even where the word is short', () => {
    expect(nearest('tcq', ['tcp', 'udp'])).toBe('tcp');
    expect(nearest('ab', ['abcd'])).toBeUndefined();
  });
});
