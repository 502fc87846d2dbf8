import { describe, expect, it } from '@jest/globals';
import { NotBelieved } from '../../../src/consul/absence.ts';
import { ConsulError, UntrustworthyAnswer } from '../../../src/consul/errors.ts';
import { readInstances } from '../../../src/consul/instance-filter.ts';
import { ServiceReader, type KnownService } from '../../../src/consul/service-reader.ts';
import { answer, Answers, row, type Said } from './answers.ts';

const FILTER = 'Service.Meta.env == prod';
const WHOLE = '/health/service/orders';
const PART = `${WHOLE} filter=${FILTER}`;

function rowOf(id: string, status = 'passing') {
  return { ...row, Service: { ...row.Service, ID: id, Service: 'orders' }, Checks: [{ Status: status }] };
}
const orders = (index: number, ...ids: string[]) =>
  answer(
    ids.map((id) => rowOf(id)),
    { index },
  );
/** Instances, those that are left out in brackets. */
const shown = ({ instances }: KnownService) =>
  instances?.map(({ id, isLeftOut }) => (isLeftOut ? `(${id})` : id)).sort();

/** A reader with the filter; each question is answered by the next of its answers, the last one for ever. */
function stage(table: Readonly<Record<string, readonly (Said | (() => Promise<Said>))[]>>) {
  const left = new Map(Object.entries(table).map(([question, said]) => [question, [...said]]));
  const consul = new Answers((question) => {
    const said = left.get(question) ?? [];
    const next = said.length > 1 ? said.shift() : said[0];
    return (typeof next === 'function' ? next() : next) ?? new Error(`nobody expected ${question}`);
  });
  const absence = { isBelievable: true, asked: 0, terms: [] as number[] };
  const assertBelievable = (purpose: string, tokenTerm: number) => {
    absence.asked++;
    absence.terms.push(tokenTerm);
    return absence.isBelievable ? Promise.resolve() : Promise.reject(new NotBelieved(purpose, 'the test says so'));
  };
  const parts: string[][] = [];
  const reader = new ServiceReader(
    consul,
    new AbortController().signal,
    { assertBelievable },
    {
      filter: FILTER,
      onPart: (part) => parts.push(shown(part) ?? []),
    },
  );
  const known: KnownService = { spelling: 'orders', index: 0, isComplete: false };
  return { absence, consul, known, parts, reader };
}

describe('instances that a filter does not select', () => {
  it('are known, and marked as left out', async () => {
    const { consul, known, reader } = stage({ [WHOLE]: [orders(5, 'i1', 'i2')], [PART]: [orders(5, 'i2')] });
    expect(await reader.read(known)).toBe(true);
    expect([known.index, shown(known)]).toEqual([5, ['(i1)', 'i2']]);
    expect(consul.asked).toEqual([WHOLE, PART]);
  });

  it('are not asked for while nothing has changed, nor of a service without instances', async () => {
    const { consul, known, reader } = stage({
      [WHOLE]: [orders(5, 'i1'), orders(5, 'i1'), orders(6)],
      [PART]: [orders(5, 'i1')],
    });
    await reader.read(known);
    expect(await reader.read(known)).toBe(false);
    expect(await reader.read(known)).toBe(true);
    expect(consul.asked).toEqual([WHOLE, PART, WHOLE, WHOLE]);
  });

  it('are news when it selects them, and when it does so no more', async () => {
    const { absence, known, reader } = stage({
      [WHOLE]: [orders(5, 'i1', 'i2'), orders(6, 'i1', 'i2'), orders(7, 'i1', 'i2'), orders(8, 'i1', 'i2')],
      [PART]: [orders(5, 'i1'), orders(6, 'i1', 'i2'), orders(7, 'i2'), orders(8, 'i2')],
    });
    const looks: unknown[] = [];
    for (let look = 0; look < 4; look++) {
      const isNews = await reader.read(known);
      looks.push([isNews, shown(known), absence.asked]);
    }
    expect(looks).toEqual([
      [true, ['(i2)', 'i1'], 1],
      [true, ['i1', 'i2'], 1],
      [true, ['(i1)', 'i2'], 2],
      [false, ['(i1)', 'i2'], 2],
    ]);
  });
});

describe('two answers that are not of the same moment', () => {
  it('are read again: what went in between is not left out, but gone', async () => {
    const { consul, known, reader } = stage({
      [WHOLE]: [orders(5, 'i1', 'i2'), orders(6, 'i1')],
      [PART]: [orders(6, 'i1'), orders(6, 'i1')],
    });
    await reader.read(known);
    expect([known.index, shown(known)]).toEqual([6, ['i1']]);
    expect(consul.asked).toEqual([WHOLE, PART, WHOLE, PART]);
  });

  it('are read again when another token was sent with the second', async () => {
    const withAnother = (said: ReturnType<typeof orders>) => ({ ...said, tokenTerm: 1 });
    const { absence, known, reader } = stage({
      [WHOLE]: [orders(5, 'i1'), withAnother(orders(5, 'i1'))],
      [PART]: [withAnother(orders(5)), withAnother(orders(5, 'i1'))],
    });
    await reader.read(known);
    expect([shown(known), absence.terms]).toEqual([['i1'], [1]]);
  });

  it('are an error when that never ends, and nothing changes', async () => {
    const { consul, known, reader } = stage({
      [WHOLE]: [orders(5, 'i1', 'i2'), orders(6, 'i1', 'i2')],
      [PART]: [orders(5, 'i1', 'i2'), orders(7, 'i1')],
    });
    await reader.read(known);
    consul.asked.length = 0;
    await expect(reader.read(known)).rejects.toThrow(UntrustworthyAnswer);
    expect([known.index, shown(known)]).toEqual([5, ['i1', 'i2']]);
    expect(consul.asked).toEqual([WHOLE, PART, WHOLE, PART, WHOLE, PART]);
  });

  it('are an error when the whole goes back in between', async () => {
    const { known, reader } = stage({ [WHOLE]: [orders(5, 'i1'), orders(4, 'i1')], [PART]: [orders(4, 'i1')] });
    await expect(reader.read(known)).rejects.toThrow('one older than the last');
    expect(known.instances).toBeUndefined();
  });

  it('change nothing when a newer one overtakes both', async () => {
    const { known, reader } = stage({
      [WHOLE]: [orders(5, 'i1', 'i2')],
      [PART]: [
        orders(5, 'i1', 'i2'),
        async () => {
          await reader.take(known, orders(8, 'i1', 'i2'));
          return orders(6, 'i1');
        },
        orders(8, 'i2'),
        orders(6, 'i1'),
      ],
    });
    await reader.read(known);
    expect(await reader.take(known, orders(6, 'i1', 'i2'))).toBe(false);
    expect([known.index, shown(known)]).toEqual([8, ['(i1)', 'i2']]);
  });
});

describe('a second answer that cannot be had', () => {
  it.each<[string, Said]>([
    ['because Consul fails', new ConsulError('read service orders', 500, 'rpc error')],
    ['because ACLs filtered it', { ...orders(6), filteredByAcls: true }],
    ['because its server knows no leader', { ...orders(6), knownLeader: false }],
  ])('%s is an error, and nothing changes', async (_, said) => {
    const { known, reader } = stage({
      [WHOLE]: [orders(5, 'i1', 'i2'), orders(6, 'i1', 'i2')],
      [PART]: [orders(5, 'i1', 'i2'), said],
    });
    await reader.read(known);
    await expect(reader.read(known)).rejects.toThrow();
    expect([known.index, shown(known)]).toEqual([5, ['i1', 'i2']]);
  });
});

describe('while absence is not believable', () => {
  it('what was selected stays so, with its health of now, until it is', async () => {
    const sick = answer([rowOf('i1', 'critical'), rowOf('i2')], { index: 6 });
    const { absence, known, parts, reader } = stage({
      [WHOLE]: [orders(5, 'i1', 'i2'), sick],
      [PART]: [orders(5, 'i1', 'i2'), orders(6, 'i2')],
    });
    await reader.read(known);
    absence.isBelievable = false;
    for (const look of [1, 2]) {
      await expect(reader.read(known)).rejects.toThrow(NotBelieved);
      const health = known.instances?.map(({ id, status }) => `${id} ${status}`);
      expect([look, shown(known), health]).toEqual([look, ['i1', 'i2'], ['i1 critical', 'i2 passing']]);
    }
    expect(parts).toEqual([['i1', 'i2']]);
    absence.isBelievable = true;
    expect(await reader.read(known)).toBe(true);
    expect([known.index, shown(known)]).toEqual([6, ['(i1)', 'i2']]);
  });

  it('at first sight what is left out is marked, in what is not complete', async () => {
    const { absence, known, reader } = stage({ [WHOLE]: [orders(5, 'i1', 'i2')], [PART]: [orders(5, 'i1')] });
    absence.isBelievable = false;
    await expect(reader.read(known)).rejects.toThrow(NotBelieved);
    expect([known.index, known.isComplete, shown(known)]).toEqual([0, false, ['(i2)', 'i1']]);
  });
});

describe('a read that decides a removal', () => {
  it('has both answers confirmed by the leader', async () => {
    const { absence, consul, known, reader } = stage({
      [`${WHOLE} consistent=`]: [orders(5, 'i1')],
      [`${PART} consistent=`]: [orders(5)],
    });
    await reader.confirm(known);
    expect([shown(known), absence.asked]).toEqual([['(i1)'], 1]);
    expect(consul.asked).toEqual([`${WHOLE} consistent=`, `${PART} consistent=`]);
  });
});

describe('a single look at a service', () => {
  it('asks once without a filter, and marks nothing', async () => {
    const consul = new Answers(() => orders(5, 'i1'));
    const instances = await readInstances(consul, 'orders', '');
    expect(instances.map(({ id, isLeftOut }) => [id, isLeftOut])).toEqual([['i1', undefined]]);
    expect(consul.asked).toEqual([WHOLE]);
  });
});
