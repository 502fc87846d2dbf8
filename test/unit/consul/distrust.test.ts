import { describe, expect, it } from '@jest/globals';
import { Distrust } from '../../../src/consul/distrust.ts';

describe('the distrust of a Consul that lost data', () => {
  const minutesFromNow = (minutes: number) => new Date(Date.now() + minutes * 60_000);

  it('is none as long as nothing is known of any loss', () => {
    expect(new Distrust().lostAt).toBeUndefined();
  });

  it.each([
    ['just now', 0, true],
    ['9 minutes ago', -9, true],
    ['11 minutes ago', -11, false],
    ['in an hour, as a wrong clock says', 60, true],
  ])('after a loss %s', (_, minutes, lasts) => {
    const lostAt = minutesFromNow(minutes);
    const distrust = new Distrust();
    distrust.begin(lostAt);
    expect(distrust.lostAt).toBe(lasts ? lostAt : undefined);
  });

  it('begins anew with each loss', () => {
    const distrust = new Distrust();
    distrust.begin(minutesFromNow(-11));
    distrust.begin();
    expect(distrust.lostAt).toBeInstanceOf(Date);
  });
});
