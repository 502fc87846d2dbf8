import { describe, expect, it } from '@jest/globals';
import { NotBelieved } from '../../../src/consul/absence.ts';
import type { ConsulAnswer } from '../../../src/consul/client.ts';
import { UntrustworthyAnswer } from '../../../src/consul/errors.ts';
import { ServiceReader, type KnownService } from '../../../src/consul/service-reader.ts';
import { answer, Answers, row, type Said } from './answers.ts';

const ORDERS = '/health/service/orders';
const CONFIRMED = `${ORDERS} consistent=`;

/** A row of health/service for `orders`; the port tells where an instance is, whatever its ID. */
function instanceRow(id: string, { port = Number(id.slice(1)), status = 'passing' } = {}) {
  return { ...row, Service: { ...row.Service, ID: id, Service: 'orders', Port: port }, Checks: [{ Status: status }] };
}
const rows = (...ids: string[]) => ids.map((id) => instanceRow(id));
const orders = (index: number, ...ids: string[]) => answer(rows(...ids), { index });

/** Whether what is missing is believed to be gone, as the test says. */
class TestAbsence {
  isBelievable = true;
  /** How often somebody wanted to know. */
  asked = 0;
  /** What happens while it is found out. */
  meanwhile: () => Promise<unknown> = () => Promise.resolve();

  async assertBelievable(purpose: string): Promise<void> {
    this.asked++;
    await this.meanwhile();
    if (!this.isBelievable) throw new NotBelieved(purpose, 'the test says so');
  }
}
const idsOf = ({ instances }: KnownService) => instances?.map(({ id }) => id).sort();

/** A reader that knows i1 and i2 from an answer with index 5, and then gets these answers. */
async function stage(table: Readonly<Record<string, Said | (() => Said | Promise<Said>)>>) {
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
  const absence = new TestAbsence();
  const reader = new ServiceReader(consul, signal, absence, { onPart: (known) => parts.push(known) });
  const known: KnownService = { spelling: 'orders', index: 0, isComplete: false };
  expect(await reader.read(known)).toBe(true);
  consul.asked.length = 0;
  absence.asked = 0;
  return { absence, consul, known, parts, reader };
}

describe('an answer about a service', () => {
  it('with the index that is known is no news, and is not even decoded', async () => {
    const { reader, known } = await stage({ [ORDERS]: answer('no list at all', { index: 5 }) });
    expect(await reader.read(known)).toBe(false);
    expect(idsOf(known)).toEqual(['i1', 'i2']);
  });

  it.each([
    ['without an index', orders(0, 'i1')],
    ['without a leader', answer(rows('i1'), { index: 6, knownLeader: false })],
    ['that ACLs filtered', answer(rows('i1'), { index: 6, filteredByAcls: true })],
  ])('%s is an error, and nothing changes', async (_, flawed) => {
    const { absence, reader, known, consul } = await stage({ [ORDERS]: flawed });
    await expect(reader.read(known)).rejects.toThrow(UntrustworthyAnswer);
    expect([known.index, idsOf(known)]).toEqual([5, ['i1', 'i2']]);
    expect([consul.asked, absence.asked]).toEqual([[ORDERS], 0]);
  });

  it('that does not come is an error, and nothing changes', async () => {
    const { reader, known } = await stage({ [ORDERS]: new Error('connection reset') });
    await expect(reader.read(known)).rejects.toThrow('connection reset');
    expect([known.index, idsOf(known)]).toEqual([5, ['i1', 'i2']]);
  });

  it('with a lower index is asked for again, and what the leader confirms is taken', async () => {
    const { reader, known, consul } = await stage({
      [ORDERS]: orders(4, 'i1'),
      [CONFIRMED]: orders(6, 'i1', 'i2', 'i3'),
    });
    expect(await reader.read(known)).toBe(true);
    expect([known.index, idsOf(known)]).toEqual([6, ['i1', 'i2', 'i3']]);
    expect(consul.asked).toEqual([ORDERS, CONFIRMED]);
  });

  it('with a lower index that the leader confirms is taken when absence is believable: its last instance got another name', async () => {
    const { absence, reader, known } = await stage({ [ORDERS]: orders(4), [CONFIRMED]: orders(4) });
    expect(await reader.read(known)).toBe(true);
    expect([known.index, idsOf(known), absence.asked]).toEqual([4, [], 1]);
  });

  it('with a lower index that the leader confirms, with everything in it, needs no proof', async () => {
    const { absence, reader, known } = await stage({
      [ORDERS]: orders(4, 'i1', 'i2'),
      [CONFIRMED]: orders(4, 'i1', 'i2'),
    });
    expect(await reader.read(known)).toBe(false);
    expect([known.index, idsOf(known), absence.asked]).toEqual([4, ['i1', 'i2'], 0]);
  });

  it('that another overtakes while the leader is asked changes nothing', async () => {
    const { reader, known } = await stage({
      [ORDERS]: orders(4, 'i1'),
      [CONFIRMED]: async () => {
        await reader.take(known, orders(8, 'i1', 'i2', 'i3'));
        return orders(7, 'i1', 'i2');
      },
    });
    expect(await reader.read(known)).toBe(false);
    expect([known.index, idsOf(known)]).toEqual([8, ['i1', 'i2', 'i3']]);
  });

  it.each([
    ['an instance less', ['i1']],
    ['an instance in place of another', ['i1', 'i3']],
    ['no instance', []],
  ])('with %s is taken when absence is believable', async (_, ids) => {
    const { absence, reader, known } = await stage({ [ORDERS]: orders(6, ...ids) });
    expect(await reader.read(known)).toBe(true);
    expect([known.index, idsOf(known), absence.asked]).toEqual([6, ids, 1]);
  });

  it('takes the same ID on another node for another instance', async () => {
    const moved = { ...instanceRow('i2'), Node: { ...row.Node, Node: 'vm-2' } };
    const { absence, reader, known } = await stage({ [ORDERS]: answer([instanceRow('i1'), moved], { index: 6 }) });
    expect(await reader.read(known)).toBe(true);
    expect(known.instances?.map(({ node, id }) => `${node}/${id}`)).toEqual(['vm-1/i1', 'vm-2/i2']);
    expect(absence.asked).toBe(1);
  });

  it('that nothing is missing from needs no proof', async () => {
    const { absence, reader, known } = await stage({ [ORDERS]: orders(6, 'i1', 'i2', 'i3') });
    expect(await reader.read(known)).toBe(true);
    expect([idsOf(known), absence.asked]).toEqual([['i1', 'i2', 'i3'], 0]);
  });

  it('with another index and nothing that matters in it is taken without being news', async () => {
    const { reader, known } = await stage({ [ORDERS]: orders(6, 'i2', 'i1') });
    expect(await reader.read(known)).toBe(false);
    expect(known.index).toBe(6);
  });

  it('with another health is news', async () => {
    const changed = answer([instanceRow('i1'), instanceRow('i2', { status: 'critical' })], { index: 6 });
    const { reader, known } = await stage({ [ORDERS]: changed });
    expect(await reader.read(known)).toBe(true);
    expect(known.instances?.map(({ status }) => status)).toEqual(['passing', 'critical']);
  });

  it('that a newer one overtakes while absence is proven changes nothing', async () => {
    const { absence, reader, known } = await stage({ [ORDERS]: orders(6, 'i1') });
    absence.meanwhile = () => reader.take(known, orders(7, 'i1', 'i2'));
    expect(await reader.read(known)).toBe(false);
    expect([known.index, idsOf(known)]).toEqual([7, ['i1', 'i2']]);
  });
});

describe('a read that decides a removal', () => {
  it('is judged although its index is known', async () => {
    const { absence, reader, known } = await stage({ [CONFIRMED]: orders(5, 'i1') });
    expect(await reader.confirm(known)).toBe(true);
    expect([idsOf(known), absence.asked]).toEqual([['i1'], 1]);
  });

  it('needs proof although nothing is missing that was known', async () => {
    const { absence, reader, known } = await stage({ [ORDERS]: orders(6), [CONFIRMED]: orders(6) });
    await reader.read(known);
    expect(await reader.confirm(known)).toBe(false);
    expect(absence.asked).toBe(2);
    absence.isBelievable = false;
    await expect(reader.confirm(known)).rejects.toThrow(NotBelieved);
  });

  it('without an index is an error', async () => {
    const { reader, known } = await stage({ [CONFIRMED]: orders(0, 'i1') });
    await expect(reader.confirm(known)).rejects.toThrow('one without an index');
    expect([known.index, idsOf(known)]).toEqual([5, ['i1', 'i2']]);
  });

  it('that a newer answer overtakes decides nothing', async () => {
    const { reader, known } = await stage({
      [CONFIRMED]: async () => {
        await reader.take(known, orders(7, 'i1', 'i2'));
        return orders(6);
      },
    });
    await expect(reader.confirm(known)).rejects.toThrow('overtaken');
    expect(idsOf(known)).toEqual(['i1', 'i2']);
  });
});

describe('the first answer about a service', () => {
  const first = (said: Said) => {
    const absence = new TestAbsence();
    const consul = new Answers(() => said);
    const parts: KnownService[] = [];
    const reader = new ServiceReader(consul, new AbortController().signal, absence, {
      onPart: (part) => parts.push(part),
    });
    const known: KnownService = { spelling: 'orders', index: 0, isComplete: false };
    return { absence, parts, reader, known };
  };

  it('is all that there is when absence is believable', async () => {
    const { absence, reader, known } = first(orders(5, 'i1'));
    expect(await reader.read(known)).toBe(true);
    expect([known.index, idsOf(known), known.isComplete, absence.asked]).toEqual([5, ['i1'], true, 1]);
  });

  it('is taken when it is not, and may be a part of what there is, until it is believable', async () => {
    const { absence, parts, reader, known } = first(orders(5, 'i1'));
    absence.isBelievable = false;
    for (const look of [1, 2]) {
      await expect(reader.read(known)).rejects.toThrow(NotBelieved);
      expect([look, known.index, idsOf(known), known.isComplete, parts.length]).toEqual([look, 0, ['i1'], false, 1]);
    }
    absence.isBelievable = true;
    expect(await reader.read(known)).toBe(true);
    expect([known.index, idsOf(known), known.isComplete]).toEqual([5, ['i1'], true]);
  });

  it('that is empty is taken when absence is believable', async () => {
    const { reader, known } = first(orders(5));
    expect(await reader.read(known)).toBe(true);
    expect(idsOf(known)).toEqual([]);
  });

  it('that is empty is an error when it is not: the service stays unknown', async () => {
    const { absence, reader, known } = first(orders(5));
    absence.isBelievable = false;
    await expect(reader.read(known)).rejects.toThrow(NotBelieved);
    expect(known.instances).toBeUndefined();
  });
});

describe('two answers that wait for the same proof', () => {
  /** Both are given before it is known whether absence is believable. */
  async function both(first: ConsulAnswer, second: ConsulAnswer, isBelievable: boolean) {
    const { absence, reader, known } = await stage({});
    absence.isBelievable = isBelievable;
    let proven: () => void = () => undefined;
    const proof = new Promise<void>((resolve) => (proven = resolve));
    absence.meanwhile = () => proof;
    const taken = [first, second].map((said) => reader.take(known, said).catch((error: unknown) => error));
    proven();
    await Promise.all(taken);
    return known;
  }

  it('count both for what they have while it is not', async () => {
    const known = await both(orders(6, 'i1', 'i3'), orders(7, 'i1'), false);
    expect([known.index, idsOf(known)]).toEqual([0, ['i1', 'i2', 'i3']]);
  });

  it.each([
    ['the newer last', orders(6, 'i1', 'i3'), orders(7, 'i1')],
    ['the newer first', orders(7, 'i1'), orders(6, 'i1', 'i3')],
  ])('are settled by the newer when it is, %s', async (_, first, second) => {
    const known = await both(first, second, true);
    expect([known.index, idsOf(known)]).toEqual([7, ['i1']]);
  });
});

describe('while absence is not believable', () => {
  it('what an answer has is taken and what it has not stays, told once, and no index is known', async () => {
    const later = answer([instanceRow('i1', { status: 'critical' }), instanceRow('i3')], { index: 6 });
    const { absence, reader, known, parts } = await stage({ [ORDERS]: later });
    absence.isBelievable = false;
    for (const look of [1, 2]) {
      await expect(reader.read(known)).rejects.toThrow(NotBelieved);
      expect(known.instances?.map(({ id, status }) => `${id} ${status}`).sort()).toEqual([
        'i1 critical',
        'i2 passing',
        'i3 passing',
      ]);
      expect([look, parts.length, known.index]).toEqual([look, 1, 0]);
    }
  });

  it('an instance that comes back under another ID takes the place of its predecessor', async () => {
    const { absence, reader, known } = await stage({
      [ORDERS]: answer([instanceRow('i1'), instanceRow('other', { port: 2 })], { index: 6 }),
    });
    absence.isBelievable = false;
    await expect(reader.read(known)).rejects.toThrow(NotBelieved);
    expect(idsOf(known)).toEqual(['i1', 'other']);
  });

  it('the node of an instance without an address says where it is', async () => {
    const at = (id: string) => ({ ...row, Service: { ...row.Service, ID: id, Service: 'orders', Address: '' } });
    const { absence, reader, known } = await stage({});
    await reader.take(known, answer([...rows('i1', 'i2'), at('before')], { index: 6 }));
    absence.isBelievable = false;
    await expect(reader.take(known, answer([...rows('i1', 'i2'), at('after')], { index: 7 }))).rejects.toThrow(
      NotBelieved,
    );
    expect(idsOf(known)).toEqual(['after', 'i1', 'i2']);
  });

  it('a complete answer is taken', async () => {
    const { absence, reader, known } = await stage({ [ORDERS]: orders(6, 'i1', 'i2', 'i3') });
    absence.isBelievable = false;
    expect(await reader.read(known)).toBe(true);
    expect([known.index, idsOf(known)]).toEqual([6, ['i1', 'i2', 'i3']]);
  });

  it('the same answer is taken when it is believable again', async () => {
    const { absence, reader, known } = await stage({ [ORDERS]: orders(6, 'i1') });
    absence.isBelievable = false;
    await expect(reader.read(known)).rejects.toThrow(NotBelieved);
    absence.isBelievable = true;
    expect(await reader.read(known)).toBe(true);
    expect([known.index, idsOf(known)]).toEqual([6, ['i1']]);
  });
});
