import { describe, expect, it } from '@jest/globals';
import { isGoing, withoutGoing } from '../../../../src/to-kubernetes/plan/going.ts';
import { service } from '../../builders.ts';

describe('what a finalizer holds in its deletion', () => {
  const going = service({ name: 'going', deletionTimestamp: '2026-01-02T03:04:05Z' });
  const staying = service({ name: 'staying' });

  it('is not deleted a second time, and written as ever', () => {
    const update = [{ desired: 'a', observed: going }];
    const changes = { create: ['b'], update, remove: [going, staying] };
    expect(withoutGoing(changes)).toEqual({ create: ['b'], update, remove: [staying] });
    expect([isGoing(going), isGoing(staying)]).toEqual([true, false]);
  });
});
