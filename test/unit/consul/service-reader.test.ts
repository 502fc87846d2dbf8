import { describe, expect, it } from '@jest/globals';
import { Distrust } from '../../../src/consul/distrust.ts';
import { UntrustworthyAnswer } from '../../../src/consul/errors.ts';
import { ServiceReader, type KnownService } from '../../../src/consul/service-reader.ts';
import { TestClock } from '../clock.ts';
import { answer, Answers, row, type Said } from './answers.ts';

const ORDERS = '/health/service/orders';
const CONFIRMED = `${ORDERS} consistent=`;
const WITNESS = '/health/service/consul';

/** A row of health/service for `orders`; the port tells where an instance is, whatever its ID. */
function instanceRow(id: string, { port = Number(id.slice(1)), status = 'passing' } = {}) {
  return { ...row, Service: { ...row.Service, ID: id, Service: 'orders', Port: port }, Checks: [{ Status: status }] };
}
const rows = (...ids: string[]) => ids.map((id) => instanceRow(id));
const orders = (index: number, ...ids: string[]) => answer(rows(...ids), { index });
const present = answer([row]);
const missing = answer([]);
const idsOf = ({ instances }: KnownService) => instances?.map(({ id }) => id).sort();

/** A reader that knows i1 and i2 from an answer with index 5, and then gets these answers. */
async function stage(table: Readonly<Record<string, Said | (() => Said | Promise<Said>)>>) {
  const clock = new TestClock();
  const parts: KnownService[] = [];
  let isFirst = true;
  const consul = new Answers((question) => {
    if (isFirst) {
      isFirst = false;
      return orders(5, 'i1', 'i2');
    }
    const said = table[question];
    return (typeof said === 'function' ? said() : said) ?? new Error(`nobody expected ${question}`);
  });
  const signal = new AbortController().signal;
  const reader = new ServiceReader(consul, signal, (known) => parts.push(known), new Distrust(clock));
  const known: KnownService = { spelling: 'orders', index: 0 };
  expect(await reader.read(known, false)).toBe(true);
  consul.asked.length = 0;
  return { clock, consul, known, parts, reader };
}

describe('an answer about a service', () => {
  it('with the index that is known is no news, and is not even decoded', async () => {
    const { reader, known } = await stage({ [ORDERS]: answer('no list at all', { index: 5 }) });
    expect(await reader.read(known, false)).toBe(false);
    expect(idsOf(known)).toEqual(['i1', 'i2']);
  });

  it.each([
    ['without an index', orders(0, 'i1')],
    ['without a leader', answer(rows('i1'), { index: 6, knownLeader: false })],
    ['that ACLs filtered', answer(rows('i1'), { index: 6, filteredByAcls: true })],
  ])('%s is an error, and nothing changes', async (_, flawed) => {
    const { reader, known, consul } = await stage({ [ORDERS]: flawed });
    await expect(reader.read(known, false)).rejects.toThrow(UntrustworthyAnswer);
    expect([known.index, idsOf(known)]).toEqual([5, ['i1', 'i2']]);
    expect(consul.asked).toEqual([ORDERS]);
  });

  it('that does not come is an error, and nothing changes', async () => {
    const { reader, known } = await stage({ [ORDERS]: new Error('connection reset') });
    await expect(reader.read(known, false)).rejects.toThrow('connection reset');
    expect([known.index, idsOf(known)]).toEqual([5, ['i1', 'i2']]);
  });

  it('with a lower index is asked for again, and what the leader confirms is taken', async () => {
    const { reader, known, consul } = await stage({
      [ORDERS]: orders(4, 'i1'),
      [CONFIRMED]: orders(6, 'i1', 'i2', 'i3'),
    });
    expect(await reader.read(known, false)).toBe(true);
    expect([known.index, idsOf(known)]).toEqual([6, ['i1', 'i2', 'i3']]);
    expect(consul.asked).toEqual([ORDERS, CONFIRMED]);
    expect(reader.distrust.lostAt).toBeUndefined();
  });

  it('with a lower index that the leader confirms means that Consul went back: what is missing stays', async () => {
    const { reader, known, clock, parts } = await stage({
      [ORDERS]: orders(4, 'i1'),
      [CONFIRMED]: orders(4, 'i1', 'i3'),
    });
    await expect(reader.read(known, false)).rejects.toThrow('went back in time');
    expect(reader.distrust.lostAt).toEqual(clock.date());
    expect([known.index, idsOf(known), parts]).toEqual([0, ['i1', 'i2', 'i3'], [known]]);
  });

  it('with a lower index from a Consul that went back, with everything in it, is taken', async () => {
    const { reader, known } = await stage({ [CONFIRMED]: orders(4, 'i1', 'i2') });
    expect(await reader.read(known, true)).toBe(false);
    expect([known.index, idsOf(known)]).toEqual([4, ['i1', 'i2']]);
    expect(reader.distrust.lostAt).toBeInstanceOf(Date);
  });

  it('confirmed by the leader without an index is an error, and no sign that Consul went back', async () => {
    const { reader, known } = await stage({ [CONFIRMED]: orders(0, 'i1') });
    await expect(reader.read(known, true)).rejects.toThrow('one without an index');
    expect([known.index, idsOf(known), reader.distrust.lostAt]).toEqual([5, ['i1', 'i2'], undefined]);
  });

  it('confirmed by the leader is judged although its index is known: it may decide a removal', async () => {
    const { reader, known, consul } = await stage({ [CONFIRMED]: orders(5, 'i1'), [WITNESS]: present });
    expect(await reader.read(known, true)).toBe(true);
    expect(idsOf(known)).toEqual(['i1']);
    expect(consul.asked).toEqual([CONFIRMED, WITNESS]);
  });

  it('with an instance less is taken when the witness is there', async () => {
    const { reader, known, consul } = await stage({ [ORDERS]: orders(6, 'i1'), [WITNESS]: present });
    expect(await reader.read(known, false)).toBe(true);
    expect([known.index, idsOf(known)]).toEqual([6, ['i1']]);
    expect(consul.asked).toEqual([ORDERS, WITNESS]);
  });

  it.each([
    ['an instance less', ['i1']],
    ['an instance in place of another', ['i1', 'i3']],
    ['no instance', []],
  ])('with %s is an error when the witness is missing, and nothing changes', async (_, ids) => {
    const { reader, known } = await stage({ [ORDERS]: orders(6, ...ids), [WITNESS]: missing });
    await expect(reader.read(known, false)).rejects.toThrow('has the token lost its rights?');
    expect([known.index, idsOf(known)]).toEqual([5, ['i1', 'i2']]);
  });

  it('takes the same ID on another node for another instance', async () => {
    const moved = { ...instanceRow('i2'), Node: { ...row.Node, Node: 'vm-2' } };
    const { reader, known, consul } = await stage({
      [ORDERS]: answer([instanceRow('i1'), moved], { index: 6 }),
      [WITNESS]: present,
    });
    expect(await reader.read(known, false)).toBe(true);
    expect(known.instances?.map(({ node, id }) => `${node}/${id}`)).toEqual(['vm-1/i1', 'vm-2/i2']);
    expect(consul.asked).toEqual([ORDERS, WITNESS]);
  });

  it('that nothing is missing from needs no witness', async () => {
    const { reader, known, consul } = await stage({ [ORDERS]: orders(6, 'i1', 'i2', 'i3') });
    expect(await reader.read(known, false)).toBe(true);
    expect(idsOf(known)).toEqual(['i1', 'i2', 'i3']);
    expect(consul.asked).toEqual([ORDERS]);
  });

  it('with another index and nothing that matters in it is taken without being news', async () => {
    const { reader, known } = await stage({ [ORDERS]: orders(6, 'i2', 'i1') });
    expect(await reader.read(known, false)).toBe(false);
    expect(known.index).toBe(6);
  });

  it('with another health is news', async () => {
    const changed = answer([instanceRow('i1'), instanceRow('i2', { status: 'critical' })], { index: 6 });
    const { reader, known } = await stage({ [ORDERS]: changed });
    expect(await reader.read(known, false)).toBe(true);
    expect(known.instances?.map(({ status }) => status)).toEqual(['passing', 'critical']);
  });

  it('of a long poll is judged as any other', async () => {
    const { reader, known } = await stage({ [WITNESS]: missing });
    expect(await reader.take(known, orders(5))).toBe(false);
    await expect(reader.take(known, orders(6))).rejects.toThrow(UntrustworthyAnswer);
    expect(await reader.take(known, orders(6, 'i1', 'i2', 'i3'))).toBe(true);
    expect(idsOf(known)).toEqual(['i1', 'i2', 'i3']);
  });

  it('that a newer one overtakes while the witness is asked for changes nothing', async () => {
    const { reader, known } = await stage({
      [ORDERS]: orders(6, 'i1'),
      [WITNESS]: async () => {
        await reader.take(known, orders(7, 'i1', 'i2'));
        return present;
      },
    });
    expect(await reader.read(known, false)).toBe(false);
    expect([known.index, idsOf(known)]).toEqual([7, ['i1', 'i2']]);
  });
});

describe('the first answer about a service', () => {
  const first = (said: Said, witness: Said) => {
    const consul = new Answers((question) => (question === ORDERS ? said : witness));
    const reader = new ServiceReader(consul, new AbortController().signal);
    const known: KnownService = { spelling: 'orders', index: 0 };
    return { reader, known, consul };
  };

  it('is taken', async () => {
    const { reader, known, consul } = first(orders(5, 'i1'), missing);
    expect(await reader.read(known, false)).toBe(true);
    expect(idsOf(known)).toEqual(['i1']);
    expect(consul.asked).toEqual([ORDERS]);
  });

  it('that is empty is taken when the witness is there', async () => {
    const { reader, known } = first(orders(5), present);
    expect(await reader.read(known, false)).toBe(true);
    expect(idsOf(known)).toEqual([]);
  });

  it('that is empty is an error when the witness is missing: the service stays unknown', async () => {
    const { reader, known } = first(orders(5), missing);
    await expect(reader.read(known, false)).rejects.toThrow(UntrustworthyAnswer);
    expect(known.instances).toBeUndefined();
  });

  it('that is empty is an error while Consul is distrusted: the service stays unknown', async () => {
    const { reader, known } = first(orders(5), present);
    reader.distrust.begin();
    await expect(reader.read(known, false)).rejects.toThrow('went back in time');
    expect(known.instances).toBeUndefined();
  });
});

describe('while Consul is distrusted', () => {
  it('what an answer has is taken and what it has not stays, told once, and the index stays as it was', async () => {
    const later = answer([instanceRow('i1', { status: 'critical' }), instanceRow('i3')], { index: 6 });
    const { reader, known, parts } = await stage({ [ORDERS]: later });
    reader.distrust.begin();
    for (const look of [1, 2]) {
      await expect(reader.read(known, false)).rejects.toThrow('may only not be back yet');
      expect(known.instances?.map(({ id, status }) => `${id} ${status}`).sort()).toEqual([
        'i1 critical',
        'i2 passing',
        'i3 passing',
      ]);
      expect([look, parts.length, known.index]).toEqual([look, 1, 5]);
    }
  });

  it('an instance that comes back under another ID takes the place of its predecessor', async () => {
    const { reader, known } = await stage({
      [ORDERS]: answer([instanceRow('i1'), instanceRow('other', { port: 2 })], { index: 6 }),
    });
    reader.distrust.begin();
    await expect(reader.read(known, false)).rejects.toThrow('may only not be back yet');
    expect(idsOf(known)).toEqual(['i1', 'other']);
  });

  it('the node of an instance without an address says where it is', async () => {
    const at = (id: string) => ({ ...row, Service: { ...row.Service, ID: id, Service: 'orders', Address: '' } });
    const { reader, known } = await stage({});
    await reader.take(known, answer([...rows('i1', 'i2'), at('before')], { index: 6 }));
    reader.distrust.begin();
    await expect(reader.take(known, answer([...rows('i1', 'i2'), at('after')], { index: 7 }))).rejects.toThrow(
      'may only',
    );
    expect(idsOf(known)).toEqual(['after', 'i1', 'i2']);
  });

  it('a complete answer is taken', async () => {
    const { reader, known, consul } = await stage({ [ORDERS]: orders(6, 'i1', 'i2', 'i3') });
    reader.distrust.begin();
    expect(await reader.read(known, false)).toBe(true);
    expect([known.index, idsOf(known)]).toEqual([6, ['i1', 'i2', 'i3']]);
    expect(consul.asked).toEqual([ORDERS]);
  });

  it('ten minutes are enough: then the witness counts again', async () => {
    const { reader, known, clock } = await stage({ [ORDERS]: orders(6, 'i1'), [WITNESS]: present });
    reader.distrust.begin();
    await clock.advance(10 * 60_000);
    expect(await reader.read(known, false)).toBe(true);
    expect(idsOf(known)).toEqual(['i1']);
  });
});
