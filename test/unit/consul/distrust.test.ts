import { describe, expect, it } from '@jest/globals';
import { Distrust } from '../../../src/consul/distrust.ts';
import { TestClock } from '../clock.ts';

const MINUTE = 60_000;

describe('the distrust of a Consul that lost data', () => {
  it('is none as long as nothing is known of any loss', () => {
    expect(new Distrust(new TestClock()).lostAt).toBeUndefined();
  });

  it.each([
    ['just now', 0, 10],
    ['9 minutes ago', -9, 1],
    ['11 minutes ago', -11, 0],
    ['in an hour, as a wrong clock says', 60, 10],
  ])('after a loss %s lasts for so many minutes more', async (_, minutes, lasts) => {
    const clock = new TestClock();
    const lostAt = new Date(clock.date().getTime() + minutes * MINUTE);
    const distrust = new Distrust(clock);
    distrust.begin(lostAt);
    if (lasts > 0) {
      await clock.advance(lasts * MINUTE - 1);
      expect(distrust.lostAt).toBe(lostAt);
      await clock.advance(1);
    }
    expect(distrust.lostAt).toBeUndefined();
  });

  it('begins anew with each loss', async () => {
    const clock = new TestClock();
    const distrust = new Distrust(clock);
    distrust.begin();
    await clock.advance(9 * MINUTE);
    distrust.begin();
    await clock.advance(9 * MINUTE);
    expect(distrust.lostAt).toEqual(new Date(clock.date().getTime() - 9 * MINUTE));
  });

  it('goes by the clock of the machine where none is given', () => {
    const distrust = new Distrust();
    distrust.begin();
    expect(distrust.lostAt).toBeInstanceOf(Date);
  });
});
