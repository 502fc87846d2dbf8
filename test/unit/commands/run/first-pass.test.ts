import { expect, it } from '@jest/globals';
import { LONGEST_FIRST_PASS_MS, untilFirstPass } from '../../../../src/commands/run/first-pass.ts';
import type { ControllerStatus } from '../../../../src/reconcile/controller.ts';
import { TestClock } from '../../clock.ts';

const IDLE: ControllerStatus = { waiting: 0, busy: 0, failing: {}, unwritten: 0 };

/** The first pass over one direction that is idle and another with this status. */
function passWith(status: ControllerStatus) {
  const clock = new TestClock();
  const stop = new AbortController();
  const pass = { status, isOver: false, clock, stop };
  const statuses = () => [IDLE, pass.status];
  void untilFirstPass({ statuses, clock, signal: stop.signal }).then(() => (pass.isOver = true));
  return pass;
}

it.each<readonly [string, Partial<ControllerStatus>]>([
  ['waits', { waiting: 1 }],
  ['is being reconciled', { busy: 1 }],
  ['fails', { failing: { 'shop/orders-1': 'no leader' } }],
])('the first pass goes on while a key of either direction %s, and is over when none does', async (_, more) => {
  const pass = passWith({ ...IDLE, ...more });
  await pass.clock.advance(30_000);
  expect(pass.isOver).toBe(false);
  pass.status = IDLE;
  await pass.clock.advance(1000);
  expect(pass.isOver).toBe(true);
});

it('the first pass is over after a minute, whatever fails then', async () => {
  const pass = passWith({ ...IDLE, failing: { 'shop/orders-1': 'no leader' } });
  await pass.clock.advance(LONGEST_FIRST_PASS_MS - 1000);
  expect(pass.isOver).toBe(false);
  await pass.clock.advance(2000);
  expect(pass.isOver).toBe(true);
});

it('nothing is waited for when nothing is to be looked at, or the process ends', async () => {
  const idle = passWith(IDLE);
  const ending = passWith({ ...IDLE, waiting: 1 });
  ending.stop.abort();
  await idle.clock.advance(0);
  await ending.clock.advance(0);
  expect([idle.isOver, ending.isOver]).toEqual([true, true]);
});
