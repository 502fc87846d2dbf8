import { describe, expect, it } from '@jest/globals';
import { DeniedRights } from '../../../src/consul/denied-rights.ts';
import { rightId, type ConsulRight } from '../../../src/consul/rights.ts';
import { TestClock } from '../clock.ts';
import { TestLog } from '../log.ts';

const ORDERS: ConsulRight = { resource: 'service', name: 'orders' };
const NODE: ConsulRight = { resource: 'node', name: 'k8s-prod--worker-1' };
const MINUTE = 60_000;

function stage() {
  const clock = new TestClock();
  const log = new TestLog();
  /** What the token may not write, by what Consul says when it is asked; undefined where it does not say. */
  const world: { lacks: string[] | undefined } = { lacks: [rightId(ORDERS), rightId(NODE)] };
  const asked: number[] = [];
  const ended: string[] = [];
  const denied = new DeniedRights({
    ask: (rights) => {
      asked.push(rights.length);
      const { lacks } = world;
      if (!lacks) return Promise.reject(new Error('there is no such path'));
      return Promise.resolve(rights.map((right) => !lacks.includes(rightId(right))));
    },
    ...{ log, clock, signal: new AbortController().signal },
  });
  denied.subscribe((right) => ended.push(`${rightId(right)} after ${clock.now() / 1000} s`));
  return { clock, log, world, asked, ended, denied };
}

describe('a right that Consul denied', () => {
  it('is denied until Consul, asked every 2 s, says that it is there, and then at once', async () => {
    const { denied, clock, world, ended, log } = stage();
    denied.deny(ORDERS, 'Permission denied');
    await clock.advance(7000);
    expect([denied.isDenied(ORDERS), denied.isDenied(NODE), ended]).toEqual([true, false, []]);
    world.lacks = [];
    await clock.advance(2000);
    expect([denied.isDenied(ORDERS), ended]).toEqual([false, ['service orders after 8 s']]);
    expect(log.of('info')).toEqual(['the token has a right that it lacked']);
  });

  it('asks no more when nothing is denied', async () => {
    const { denied, clock, world, asked } = stage();
    denied.deny(ORDERS, 'Permission denied');
    await clock.advance(1000);
    world.lacks = [];
    await clock.advance(2000);
    const before = asked.length;
    await clock.advance(10 * MINUTE);
    expect([asked.length, clock.timers]).toEqual([before, 0]);
  });

  it('is tried after 30 s, 1, 2, 4, 8, 10, 10 min where Consul does not tell', async () => {
    const { denied, clock, world, ended } = stage();
    world.lacks = undefined;
    denied.subscribe((right) => denied.deny(right, 'Permission denied'));
    denied.deny(ORDERS, 'Permission denied');
    await clock.advance(40 * MINUTE);
    const seconds = ended.map((text) => Number(/after (\d+) s/.exec(text)?.[1]));
    expect(seconds.map((at, i) => at - (seconds[i - 1] ?? 0))).toEqual([30, 60, 120, 240, 480, 600, 600]);
  });

  it('is not believed to be there by who said yes while it was refused: that one knows less', async () => {
    const { denied, clock, world, ended } = stage();
    world.lacks = [];
    denied.deny(ORDERS, 'Permission denied');
    await clock.advance(29_000);
    expect(ended).toEqual([]);
    await clock.advance(2000);
    expect(ended).toEqual(['service orders after 30 s']);
  });

  it('is logged once, with the rule that gives it, however often it is denied', async () => {
    const { denied, clock, world, log } = stage();
    world.lacks = undefined;
    denied.subscribe((right) => denied.deny(right, 'Permission denied'));
    denied.deny(ORDERS, 'Permission denied');
    denied.deny(ORDERS, 'Permission denied');
    await clock.advance(10 * MINUTE);
    expect(log.of('warn')).toEqual(['Consul refuses what the token has no right to']);
    expect(log.records.find(({ level }) => level === 'warn')).toMatchObject({
      fields: { why: 'add to the policy of the token: service "orders" { policy = "write" }' },
    });
  });

  it('is forgotten when nobody needs it any more, and its waits begin anew', async () => {
    const { denied, clock, world, ended } = stage();
    world.lacks = undefined;
    denied.deny(ORDERS, 'Permission denied');
    await clock.advance(2 * MINUTE);
    expect([denied.all, clock.timers]).toEqual([[], 0]);
    denied.deny(ORDERS, 'Permission denied');
    await clock.advance(30_000);
    expect(ended).toEqual(['service orders after 30 s', 'service orders after 150 s']);
  });

  it('is one of many that are asked about 64 at a time, in turn, and all of them when one is there', async () => {
    const { denied, clock, world, asked, ended } = stage();
    const many = Array.from({ length: 100 }, (_, i): ConsulRight => ({ resource: 'service', name: `s-${i}` }));
    world.lacks = many.map(rightId);
    for (const right of many) denied.deny(right, 'Permission denied');
    await clock.advance(4100);
    expect(asked).toEqual([64, 64, 64]);
    world.lacks = [];
    await clock.advance(2000);
    expect([ended.length, denied.all]).toEqual([100, []]);
  });
});
