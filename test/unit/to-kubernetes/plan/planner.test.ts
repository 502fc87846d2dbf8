import { describe, expect, it } from '@jest/globals';
import { ANNOTATION } from '../../../../src/mark.ts';
import { instance, marked, service, strings } from '../../builders.ts';
import { stage } from '../imports/stage.ts';

describe('a Consul service that is not mirrored any more', () => {
  it('makes room for others once, when it had any and has no Service left', () => {
    const instances = [instance()];
    const { mirrors, views } = stage([], instances);
    mirrors.plan('billing', false);
    const annotations = strings({ [ANNOTATION.consulService]: 'billing' });
    const mirrored = service({ name: 'billing', labels: marked(), annotations });
    views.services.put(mirrored);
    expect(mirrors.release('billing')).toBe(false);
    instances.pop();
    expect(mirrors.release('billing')).toBe(false);
    views.services.drop(mirrored);
    expect(mirrors.release('billing')).toBe(true);
    expect(mirrors.release('billing')).toBe(false);
  });

  it('makes room for nobody when it never was mirrored', () => {
    const { mirrors } = stage([], []);
    mirrors.plan('billing', false);
    expect(mirrors.release('billing')).toBe(false);
  });
});
