import { describe, expect, it } from '@jest/globals';
import { Distrust } from '../../../src/consul/distrust.ts';
import { TimeLine } from '../../../src/consul/time-line.ts';
import { settled, TestClock } from '../clock.ts';
import { TestLog } from '../log.ts';
import { answer, Answers, type Said } from './answers.ts';

const NAMES = '/catalog/services consistent=';
const LEADER = '/status/leader';
const names = (index: number) => answer({ consul: [], orders: [] }, { index });
const leader = (address: string) => answer(address, { index: 0 });

/** A time line that begins with leader `a`, and knows a list of services with index 20; then Consul says what the test sets. */
async function stage(said: { names: Said | Promise<Said>; leader?: Said }) {
  const now = { leader: leader('a'), ...said };
  let isFirst = true;
  const consul = new Answers((question) => {
    if (isFirst) {
      isFirst = false;
      return leader('a');
    }
    return question === LEADER ? now.leader : now.names;
  });
  const clock = new TestClock();
  const distrust = new Distrust(clock);
  const log = new TestLog();
  const timeLine = await TimeLine.read({ client: consul, distrust, log, clock });
  await timeLine.takeNamesIndex(20);
  consul.asked.length = 0;
  return { clock, consul, distrust, log, now, timeLine, sign: () => distrust.loss?.sign };
}

it('asks nobody while nothing was seen', async () => {
  const { consul, timeLine, sign } = await stage({ names: names(5) });
  await timeLine.assertUnbroken();
  await timeLine.takeNamesIndex(20);
  await timeLine.takeNamesIndex(21);
  expect([consul.asked, sign()]).toEqual([[], undefined]);
});

it('does not begin in a Consul without a leader', async () => {
  const consul = new Answers(() => leader(''));
  const options = { client: consul, distrust: new Distrust(), log: new TestLog(), clock: new TestClock() };
  await expect(TimeLine.read(options)).rejects.toThrow('no leader');
});

describe('the leader is asked', () => {
  it.each<[string, number, string, string | undefined]>([
    ['the same leader has no lower index', 20, 'a', undefined],
    ['another leader has no lower index', 20, 'b', undefined],
    ['the list has a lower index', 19, 'a', 'lower-names-index'],
    ['another leader has a list with a lower index', 19, 'b', 'lower-names-index'],
  ])('after a question that failed: where %s', async (_, index, address, sign) => {
    const staged = await stage({ names: names(index), leader: leader(address) });
    staged.timeLine.failed();
    expect(staged.consul.asked).toEqual([]);
    await staged.timeLine.assertUnbroken();
    expect([staged.consul.asked, staged.sign()]).toEqual([[NAMES, LEADER], sign]);
    await staged.timeLine.assertUnbroken();
    expect(staged.consul.asked).toHaveLength(2);
  });

  it.each<[string, number, string, string | undefined]>([
    ['the same leader has no lower index, which may have caught up', 25, 'a', 'early-answer'],
    ['another leader has no lower index: the old one has stopped', 20, 'b', undefined],
    ['the list has a lower index', 19, 'b', 'lower-names-index'],
  ])('at once after an answer that came early: where %s', async (_, index, address, sign) => {
    const staged = await stage({ names: names(index), leader: leader(address) });
    staged.timeLine.early('read service orders');
    await settled();
    expect([staged.consul.asked, staged.sign()]).toEqual([[NAMES, LEADER], sign]);
  });

  it.each<[string, number, number, string | undefined]>([
    ['has the index that it had long before, because a lone server stopped and came back', 29_000, 20, undefined],
    ['has the index that it had just before, perhaps already from the state of after', 28_999, 20, 'early-answer'],
    ['has a higher index', 29_000, 21, 'early-answer'],
    ['has a lower index', 29_000, 19, 'lower-names-index'],
  ])('after an answer that came early: where its list %s', async (_, ms, index, sign) => {
    const staged = await stage({ names: new Error('connection refused') });
    await staged.clock.advance(ms);
    staged.timeLine.early('read service orders');
    await settled();
    // A list that comes meanwhile says nothing of the time before.
    await staged.timeLine.takeNamesIndex(index > 20 ? index : 20);
    staged.now.names = names(index);
    staged.timeLine.answeredAgain();
    await settled();
    expect([staged.consul.asked, staged.sign()]).toEqual([[NAMES, NAMES, LEADER], sign]);
  });

  it('at once after a list with a lower index, which may only come from a server that is not up to date', async () => {
    const { timeLine, consul, sign } = await stage({ names: names(20) });
    await timeLine.takeNamesIndex(19);
    expect([consul.asked, sign()]).toEqual([[NAMES, LEADER], undefined]);
  });

  it('and a list that is newer than the answer, which came meanwhile, is no sign', async () => {
    let arrive: (said: Said) => void = () => undefined;
    const { timeLine, sign } = await stage({ names: new Promise<Said>((resolve) => (arrive = resolve)) });
    timeLine.failed();
    const asserted = timeLine.assertUnbroken();
    await settled();
    await timeLine.takeNamesIndex(30);
    arrive(names(25));
    await asserted;
    expect([sign(), timeLine.namesIndex]).toEqual([undefined, 30]);
  });

  it('of a list without an index nothing follows', async () => {
    const { timeLine, consul, sign } = await stage({ names: names(5) });
    await timeLine.takeNamesIndex(0);
    expect([consul.asked, sign()]).toEqual([[], undefined]);
  });
});

describe('while the leader cannot be asked', () => {
  it.each<[string, Said]>([
    ['because nobody answers', new Error('connection refused')],
    ['because the answer has no index', answer({ consul: [] }, { index: 0 })],
    ['because the answer is not the whole list', answer({ orders: [] }, { index: 30 })],
  ])('the doubt stays, %s', async (_, said) => {
    const { timeLine, sign, now } = await stage({ names: said });
    timeLine.failed();
    await expect(timeLine.assertUnbroken()).rejects.toThrow();
    await expect(timeLine.assertUnbroken()).rejects.toThrow();
    now.names = names(20);
    await timeLine.assertUnbroken();
    expect(sign()).toBeUndefined();
  });

  it('an early answer is remembered, also when questions fail after it', async () => {
    const { timeLine, sign, now, log } = await stage({ names: new Error('connection refused') });
    timeLine.early('read service orders');
    await settled();
    expect(log.of('warn')).toEqual(['whether Consul went back in time is not known yet']);
    timeLine.failed();
    now.names = names(30);
    await timeLine.assertUnbroken();
    expect(sign()).toBe('early-answer');
  });
});

it('an answer that comes early while the leader is asked for another reason is a sign of its own', async () => {
  let arrive: (said: Said) => void = () => undefined;
  const { timeLine, now, sign } = await stage({ names: new Promise<Said>((resolve) => (arrive = resolve)) });
  timeLine.failed();
  const asserted = timeLine.assertUnbroken();
  await settled();
  timeLine.early('read service orders');
  now.names = names(20);
  arrive(names(20));
  await asserted;
  expect(sign()).toBe('early-answer');
});

it('an answer that comes early while it is found out that an earlier one was no sign is a sign of its own', async () => {
  const { clock, timeLine, now, sign } = await stage({ names: names(20) });
  let lead: (said: Said) => void = () => undefined;
  await clock.advance(29_000);
  now.leader = new Promise<Said>((resolve) => (lead = resolve)) as unknown as typeof now.leader;
  timeLine.early('read service orders');
  await settled();
  // The list has been answered: a restore, and then others write.
  timeLine.early('read service stock');
  now.names = names(25);
  lead(leader('a'));
  await settled();
  await timeLine.assertUnbroken();
  expect(sign()).toBe('early-answer');
});

it('several answers that come early at once are one sign, or none', async () => {
  let arrive: (said: Said) => void = () => undefined;
  const { distrust, timeLine, now, sign } = await stage({ names: new Promise<Said>((resolve) => (arrive = resolve)) });
  timeLine.early('read service orders');
  await settled();
  timeLine.early('read service billing');
  timeLine.failed();
  [now.leader, now.names] = [leader('b'), names(20)];
  arrive(names(20));
  await settled();
  await timeLine.assertUnbroken();
  expect([sign(), distrust.loss]).toEqual([undefined, undefined]);
});

it('what is seen while the leader is asked needs another answer', async () => {
  let arrive: (said: Said) => void = () => undefined;
  const { timeLine, consul, now } = await stage({ names: new Promise<Said>((resolve) => (arrive = resolve)) });
  timeLine.failed();
  const asserted = timeLine.assertUnbroken();
  await settled();
  timeLine.failed();
  now.names = names(20);
  arrive(names(20));
  await asserted;
  expect(consul.asked).toEqual([NAMES, LEADER, NAMES, LEADER]);
});
