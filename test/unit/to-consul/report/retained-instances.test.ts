import { expect, it } from '@jest/globals';
import { RetainedInstances } from '../../../../src/to-consul/report/retained-instances.ts';
import { TestClock } from '../../clock.ts';

const plan = (...ids: readonly string[]) => ({
  retained: ids.map((id) => ({ id, service: 'orders', why: 'its pod is not Ready' })),
  unread: [] as readonly string[],
});

it('shows what the latest plans retain, with the pods, and since when', async () => {
  const clock = new TestClock();
  const retained = new RetainedInstances();
  retained.note('shop/a', plan('a:1', 'a:2'), clock.now());
  await clock.advance(60_000);
  retained.note('shop/b', plan('b:1'), clock.now());
  retained.note('shop/a', plan('a:2'), clock.now());
  expect(retained.count).toBe(2);
  expect(retained.show(clock).instances).toEqual([
    {
      ...{ instance: 'a:2', service: 'orders', pod: 'shop/a', why: 'its pod is not Ready' },
      since: new Date('2026-10-20T00:00:00Z'),
    },
    {
      ...{ instance: 'b:1', service: 'orders', pod: 'shop/b', why: 'its pod is not Ready' },
      since: new Date('2026-10-20T00:01:00Z'),
    },
  ]);
});

it('keeps what was noted while it is not read what others have of the service, with its hash', () => {
  const retained = new RetainedInstances();
  const clock = new TestClock();
  retained.note('shop/a', plan('a:1', 'a:2'), 0);
  const { hash = '' } = retained.show(clock);
  retained.note('shop/b', plan('b:1'), 0);
  retained.note('shop/a', { ...plan(), unread: ['orders'] }, 0);
  expect(retained.show(clock).instances.map(({ instance, pod }) => `${pod} ${instance}`)).toEqual([
    'shop/a a:1',
    'shop/a a:2',
    'shop/b b:1',
  ]);
  retained.note('shop/a', plan('a:2'), 0);
  expect(retained.release(hash, 0)).toEqual({
    outcome: 'released',
    instances: [{ service: 'orders', instance: 'a:2' }],
    staying: 1,
  });
});

it('lets go what is not retained while it is not read what others have of another service', () => {
  const retained = new RetainedInstances();
  retained.note('shop/a', plan('a:1'), 0);
  retained.note('shop/a', { ...plan(), unread: ['billing'] }, 0);
  expect(retained.count).toBe(0);
});

it('has no hash where nothing is retained', () => {
  const retained = new RetainedInstances();
  retained.note('shop/a', plan('a:1'), 0);
  retained.note('shop/a', plan(), 0);
  expect(retained.show(new TestClock())).toEqual({ hash: undefined, instances: [] });
});

it('forgets what is released, says how many stay, and does not know every hash', () => {
  const clock = new TestClock();
  const retained = new RetainedInstances();
  retained.note('shop/a', plan('a:1'), 0);
  const { hash = '' } = retained.show(clock);
  retained.note('shop/b', plan('b:1'), 0);
  expect(retained.release('00000000', 0)).toEqual({ outcome: 'unknown' });
  expect(retained.release(hash, 0)).toEqual({
    outcome: 'released',
    instances: [{ service: 'orders', instance: 'a:1' }],
    staying: 1,
  });
  expect(retained.show(clock).instances.map(({ instance }) => instance)).toEqual(['b:1']);
});
