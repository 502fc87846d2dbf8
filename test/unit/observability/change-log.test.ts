import { describe, expect, it } from '@jest/globals';
import { ChangeLog } from '../../../src/observability/change-log.ts';
import { TestClock } from '../clock.ts';
import { TestLog } from '../log.ts';

function stage() {
  const [clock, log] = [new TestClock(), new TestLog()];
  const changes = new ChangeLog({ log, clock });
  const note = (key: string, times: number, action: 'registered' | 'deregistered' = 'registered') => {
    for (let i = 0; i < times; i++)
      changes.note('to-consul', key, action, key.split('-')[0] ?? '', () => ({ instance: `${key} ${i}` }));
  };
  return { clock, log, changes, note };
}

describe('the record of a change', () => {
  it('is written at once, with what it is about', () => {
    const { log, note } = stage();
    note('shop/a', 1, 'deregistered');
    expect(log.records).toEqual([
      {
        level: 'info',
        message: 'deregistered',
        fields: { direction: 'to-consul', service: 'shop/a', instance: 'shop/a 0' },
      },
    ]);
  });

  it('is one of 20 in a second; the rest is a sum for each action, and the next second has its own', async () => {
    const { clock, log, note } = stage();
    for (let i = 0; i < 30; i++) note(`orders-${i}`, 1);
    note('billing-x', 7, 'deregistered');
    expect(log.of('info')).toHaveLength(20);
    await clock.advance(1000);
    expect(log.records.slice(20)).toEqual([
      {
        level: 'info',
        message: 'and more changes',
        fields: { registered: 10, deregistered: 7, services: 'orders 10, billing 7' },
      },
    ]);
    note('shop/a', 1);
    expect(log.of('info')).toHaveLength(22);
  });

  it('of one key that changes all the time takes no record of the others', () => {
    const { log, note } = stage();
    note('shop/flaps', 1000);
    for (let i = 0; i < 15; i++) note(`shop/${i}`, 1);
    expect(log.records.map(({ fields }) => String(fields.instance).split(' ')[0])).toEqual([
      ...Array.from({ length: 5 }, () => 'shop/flaps'),
      ...Array.from({ length: 15 }, (_, i) => `shop/${i}`),
    ]);
  });

  it('is described only when it is written', () => {
    const { changes } = stage();
    let described = 0;
    for (let i = 0; i < 100; i++)
      changes.note('to-consul', `shop/${i}`, 'registered', 'orders', () => {
        described++;
        return {};
      });
    expect(described).toBe(20);
  });

  it('is summed up at the end too, and no timer is left when nothing changes', async () => {
    const { clock, log, changes, note } = stage();
    note('shop/a', 6);
    changes.flush();
    expect(log.of('info').at(-1)).toBe('and more changes');
    await clock.advance(5000);
    expect([log.records.length, clock.timers]).toEqual([6, 0]);
  });
});

it('the last change of each direction is known, also of those that have no record of their own', async () => {
  const { clock, changes, note } = stage();
  expect(changes.latest('to-consul')).toBeUndefined();
  note('orders-1', 30);
  await clock.advance(5000);
  const at = clock.date();
  note('billing-1', 1, 'deregistered');
  expect(changes.latest('to-consul')).toEqual({ at, action: 'deregistered', service: 'billing', object: 'billing-1' });
  expect(changes.latest('to-kubernetes')).toBeUndefined();
});
