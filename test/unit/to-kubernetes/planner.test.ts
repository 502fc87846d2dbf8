import { describe, expect, it } from '@jest/globals';
import { ANNOTATION } from '../../../src/reconcile/mark.ts';
import { instance, marked, service, strings } from '../builders.ts';
import { stage } from './imports/stage.ts';

describe('a Consul service that is not mirrored any more', () => {
  it('makes room for another once, when it had a place and has no Service left', () => {
    const { mirrors, views } = stage([], [instance()]);
    expect(mirrors.release('billing')).toBe(false);
    mirrors.plan('billing', false);
    const annotations = strings({ [ANNOTATION.consulService]: 'billing' });
    const mirrored = service({ name: 'billing', labels: marked(), annotations });
    views.services.put(mirrored);
    expect(mirrors.release('billing')).toBe(false);
    views.services.drop(mirrored);
    expect(mirrors.release('billing')).toBe(true);
    expect(mirrors.release('billing')).toBe(false);
  });
});
