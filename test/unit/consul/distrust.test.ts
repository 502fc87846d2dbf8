import { describe, expect, it } from '@jest/globals';
import { Distrust, explainLoss, type Loss } from '../../../src/consul/distrust.ts';
import { TestClock } from '../clock.ts';

const MINUTE = 60_000;

describe('the distrust of a Consul that lost data', () => {
  it('is none as long as nothing is known of any loss', () => {
    expect(new Distrust(new TestClock()).loss).toBeUndefined();
  });

  it.each([
    ['just now', 0, 10],
    ['9 minutes ago', -9, 1],
    ['11 minutes ago', -11, 0],
    ['in an hour, as a wrong clock says', 60, 10],
  ])('after a loss %s lasts for so many minutes more', async (_, minutes, lasts) => {
    const clock = new TestClock();
    const at = new Date(clock.date().getTime() + minutes * MINUTE);
    const until = new Date(clock.date().getTime() + lasts * MINUTE);
    const distrust = new Distrust(clock);
    distrust.begin('told-by-own-entry', at);
    if (lasts > 0) {
      await clock.advance(lasts * MINUTE - 1);
      expect(distrust.loss).toEqual({ sign: 'told-by-own-entry', at, until });
      await clock.advance(1);
    }
    expect(distrust.loss).toBeUndefined();
  });

  it('begins anew with each loss', async () => {
    const clock = new TestClock();
    const distrust = new Distrust(clock);
    distrust.begin('early-answer');
    await clock.advance(9 * MINUTE);
    distrust.begin('older-entry');
    await clock.advance(9 * MINUTE);
    expect(distrust.loss).toMatchObject({ sign: 'older-entry', at: new Date(clock.date().getTime() - 9 * MINUTE) });
  });

  it('is told once for all signs of one loss', async () => {
    const clock = new TestClock();
    const distrust = new Distrust(clock);
    const told: Loss[] = [];
    distrust.subscribe((loss) => told.push(loss));
    distrust.begin('early-answer');
    await clock.advance(MINUTE - 1);
    expect(distrust.momentOfLoss()).toEqual(told[0]?.at);
    distrust.begin('own-entry-lost');
    expect(told.map(({ sign }) => sign)).toEqual(['early-answer']);
    await clock.advance(1);
    expect(distrust.momentOfLoss()).toEqual(clock.date());
    distrust.begin('own-entry-lost');
    expect(told.map(({ sign }) => sign)).toEqual(['early-answer', 'own-entry-lost']);
  });

  it('lasts as long as it is told to', async () => {
    const clock = new TestClock();
    const distrust = new Distrust(clock, 5000);
    distrust.begin('early-answer');
    await clock.advance(4999);
    expect(distrust.loss).toBeDefined();
    await clock.advance(1);
    expect(distrust.loss).toBeUndefined();
  });

  it('that was short is not begun anew by a late sign of the same loss', async () => {
    const clock = new TestClock();
    const distrust = new Distrust(clock, 5000);
    distrust.begin('fence-lost');
    await clock.advance(MINUTE - 1);
    distrust.begin('lower-names-index');
    expect(distrust.loss).toBeUndefined();
    await clock.advance(1);
    distrust.begin('own-entry-lost');
    expect(distrust.loss).toBeDefined();
  });

  it('begins anew with a loss before the time that a wrong clock gave the last one', async () => {
    const clock = new TestClock();
    const distrust = new Distrust(clock);
    distrust.begin('told-by-own-entry', new Date(clock.date().getTime() + 60 * MINUTE));
    await clock.advance(30 * MINUTE);
    expect(distrust.loss).toBeUndefined();
    distrust.begin('fence-lost');
    expect(distrust.loss?.sign).toBe('fence-lost');
  });

  it('goes by the clock of the machine where none is given', () => {
    const distrust = new Distrust();
    distrust.begin('early-answer');
    expect(distrust.loss?.at).toBeInstanceOf(Date);
  });

  it('is explained with its sign, and with when it ends', () => {
    const at = new Date(Date.UTC(2026, 9, 20));
    const until = new Date(at.getTime() + 10 * MINUTE);
    expect(explainLoss({ sign: 'early-answer', at, until })).toBe(
      'Consul lost data or was put back to an older state at 2026-10-20T00:00:00.000Z (early-answer): ' +
        'until 2026-10-20T00:10:00.000Z nothing that is missing from it is believed to be gone',
    );
  });
});
