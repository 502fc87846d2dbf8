import { describe, expect, it } from '@jest/globals';
import { assertOldName } from '../../../../src/commands/run/rename.ts';
import { parseConfig } from '../../../../src/config/load.ts';

const config = parseConfig('cluster: store\nbesides: [beside]', {});

describe('the name that a cluster had before', () => {
  it('is another name of a cluster', () => {
    expect(() => assertOldName(config, 'shop')).not.toThrow();
  });

  it.each([
    ['the name that it has', 'store', 'found "store"'],
    ['no name of a cluster', 'k8s--shop', 'found "k8s--shop"'],
    ['empty', '', 'found ""'],
    ['that of an installation that is meant to run beside it', 'beside', 'found "beside", which "besides" lists'],
  ])('is not %s', (_, old, text) => {
    expect(() => assertOldName(config, old)).toThrow(text);
  });
});
