import { afterEach, describe, expect, it } from '@jest/globals';
import { NotBelieved } from '../../../src/consul/absence.ts';
import type { ConsulAnswer } from '../../../src/consul/client.ts';
import { createCatalogLists } from '../../../src/consul/catalog-lists.ts';
import { ServiceCatalog, type ServiceCatalogOptions } from '../../../src/consul/service-catalog.ts';
import { ConsulError } from '../../../src/consul/errors.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { HeldBrake, NO_BRAKE } from '../brake.ts';
import { settled, TestClock } from '../clock.ts';
import { recordingLog } from '../log.ts';
import { answer, Answers, row, type Said } from './answers.ts';

const NAMES = '/catalog/services';
const SWEEP = '/catalog/services filter=not ours';
const CRITICAL = '/health/state/critical';
const read = (name: string) => `/health/service/${name}`;

const names = (index: number, ...names: string[]) =>
  answer(Object.fromEntries(['consul', ...names].map((name) => [name, []])), { index });
const instances = (service: string, index: number, ...ids: string[]) =>
  answer(
    ids.map((ID) => ({ ...row, Service: { ...row.Service, ID, Service: service } })),
    { index },
  );
const check = (name: string, Node = 'vm-1') => ({ Node, CheckID: `service:${name}`, ServiceName: name });

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

/** A catalog that reads what the table says; questions that wait for a change wait until the test tells one. */
function open(table: Record<string, Said>, overrides: Partial<Omit<ServiceCatalogOptions, 'lists'>> = {}) {
  const clock = new TestClock();
  /** How long answers take that do not wait for a change, in milliseconds. */
  const slow: Record<string, number> = {};
  const indexes: number[] = [];
  /** What is missing is believed to be gone, unless the test says otherwise. */
  const absence = { assertBelievable: () => Promise.resolve() };
  const stop = new AbortController();
  stops.push(stop);
  const { log, records } = recordingLog();
  const waiting = new Map<string, (said: Said) => void>();
  const consul = new Answers((question) => {
    const [path = ''] = question.split(/ (?:near=\S+ )?index=/);
    if (path !== question) return new Promise((resolve) => waiting.set(path, resolve));
    const said = table[question.replace(' near=_agent', '')] ?? new Error(`nobody expected ${question}`);
    const ms = slow[question];
    return ms === undefined ? said : new Promise((resolve) => clock.after(ms, () => resolve(said)));
  });
  const reading = {
    client: consul,
    timeLine: {
      early: () => undefined,
      answeredAgain: () => undefined,
      failed: () => undefined,
      takeNamesIndex: (index: number) => Promise.resolve(void indexes.push(index)),
    },
    brake: NO_BRAKE,
    metrics: createMetrics(),
    signal: stop.signal,
    ...{ log, clock },
    ...overrides,
  };
  const catalog = new ServiceCatalog({
    lists: createCatalogLists(reading),
    isCandidate: (name) => name !== 'consul' && !name.startsWith('excluded'),
    absence,
    filter: 'not ours',
    ...reading,
  });
  const told: string[] = [];
  catalog.subscribe((name) => told.push(name));
  /** Answers the question that waits there, and lets the rest happen that needs no time. */
  const tell = async (path: string, said: Said) => {
    waiting.get(path)?.(said);
    waiting.delete(path);
    await settled();
  };
  const idsOf = (name: string) => catalog.instances(name)?.map(({ id }) => id);
  const reads = (name: string) => consul.asked.filter((question) => question === read(name)).length;
  return { absence, catalog, clock, consul, idsOf, indexes, reads, records, slow, stop, table, tell, told, waiting };
}

/** Consul with two services of others, and one of Consular's own. */
function twoServices(): Record<string, Said> {
  return {
    [NAMES]: names(5, 'Orders', 'stock', 'own', 'excluded'),
    [SWEEP]: names(5, 'Orders', 'stock', 'excluded'),
    [CRITICAL]: answer([], { index: 5 }),
    '/health/state/warning': answer([], { index: 5 }),
    [read('Orders')]: instances('Orders', 5, 'o1'),
    [read('stock')]: instances('stock', 5, 's1'),
  };
}

async function synced(table = twoServices(), overrides: Partial<Omit<ServiceCatalogOptions, 'lists'>> = {}) {
  const stage = open(table, overrides);
  await stage.clock.advance(0);
  await stage.catalog.synced;
  stage.consul.asked.length = 0;
  stage.told.length = 0;
  return stage;
}

describe('the first reading', () => {
  it('reads the health before the names, and all that is worth reading and nothing else', async () => {
    const { catalog, clock, consul, idsOf, told } = open(twoServices());
    expect(catalog.failure).toBe('read service names: not read yet');
    await clock.advance(0);
    await catalog.synced;
    expect(consul.asked.slice(0, 2).sort()).toEqual([CRITICAL, '/health/state/warning']);
    expect(consul.asked.filter((question) => question.startsWith('/health/service')).sort()).toEqual([
      read('Orders'),
      read('stock'),
    ]);
    expect(catalog.failure).toBeUndefined();
    expect(catalog.names().sort()).toEqual(['orders', 'stock']);
    expect([idsOf('orders'), idsOf('stock'), idsOf('own')]).toEqual([['o1'], ['s1'], undefined]);
    expect([catalog.spelling('orders'), catalog.spelling('nobody')]).toEqual(['Orders', 'nobody']);
    expect(told.sort()).toEqual(['orders', 'stock']);
  });

  it('leaves a service unknown that cannot be read three times, and does not wait for it longer', async () => {
    const stage = open({ ...twoServices(), [read('stock')]: new Error('reset') });
    await stage.clock.advance(10_000);
    await stage.catalog.synced;
    expect(stage.reads('stock')).toBe(3);
    expect([stage.idsOf('orders'), stage.idsOf('stock')]).toEqual([['o1'], undefined]);
    expect(stage.records).toEqual(Array(3).fill('warn service could not be read'));
  });

  it('is begun again when the names worth reading cannot be read', async () => {
    const stage = open({ ...twoServices(), [SWEEP]: new Error('reset') });
    await stage.clock.advance(0);
    expect(stage.catalog.failure).toBe('read service names: reset');
    stage.table[SWEEP] = names(5, 'stock');
    await stage.clock.advance(30_000);
    await stage.catalog.synced;
    expect(stage.catalog.failure).toBeUndefined();
    expect(stage.idsOf('stock')).toEqual(['s1']);
  });
});

describe('a change of the list of names', () => {
  it('has new names and names that are gone read at once, and the rest in a sweep', async () => {
    const { clock, consul, idsOf, table, tell, told } = await synced();
    table[read('new')] = instances('new', 6, 'n1');
    table[read('stock')] = instances('stock', 6);
    table[read('Orders')] = instances('Orders', 6, 'o1', 'o2');
    table[SWEEP] = names(6, 'Orders', 'new');
    await tell(NAMES, names(6, 'Orders', 'own', 'new'));
    expect([idsOf('new'), idsOf('stock'), idsOf('orders')]).toEqual([['n1'], [], ['o1']]);
    await clock.advance(200);
    expect(idsOf('orders')).toEqual(['o1', 'o2']);
    expect(consul.asked).toContain(SWEEP);
    expect([...new Set(told)].sort()).toEqual(['new', 'orders', 'stock']);
  });

  it('leaves many new names to the sweep, which knows those of no interest', async () => {
    const { clock, reads, table, tell } = await synced();
    const many = Array.from({ length: 17 }, (_, i) => `many-${i}`);
    for (const name of many) table[read(name)] = instances(name, 6, 'm1');
    table[SWEEP] = names(6, 'Orders', 'stock', 'many-3');
    await tell(NAMES, names(6, 'Orders', 'stock', ...many));
    await clock.advance(200);
    expect(many.filter((name) => reads(name) > 0)).toEqual(['many-3']);
  });

  it('that goes on without a name of which instances are known has it read no more often than the brake allows', async () => {
    const brake = new HeldBrake();
    const { clock, reads, table, tell } = await synced(twoServices(), { brake });
    table[SWEEP] = names(6, 'stock');
    await tell(NAMES, names(6, 'stock'));
    expect(reads('Orders')).toBe(1);
    for (let index = 7; index < 12; index++) {
      await clock.advance(1000);
      await tell(NAMES, names(index, 'stock'));
    }
    expect(reads('Orders')).toBe(1);
    brake.line.shift()?.();
    await clock.advance(10_000);
    expect(reads('Orders')).toBe(2);
  });

  it('tells its index, from which others see that time went back', async () => {
    const { indexes, tell } = await synced();
    await tell(NAMES, names(4, 'Orders', 'stock'));
    expect(indexes).toContain(4);
  });
});

describe('other names that are worth reading, by the settings', () => {
  it('are read, and what was read of those that are not any more is forgotten', async () => {
    let include = ['orders', 'stock'];
    const { catalog, clock, idsOf, reads, table, tell } = await synced(twoServices(), {
      isCandidate: (name) => include.includes(name),
    });
    catalog.follow('stock');
    await settled();
    const before = reads('stock');
    include = ['orders'];
    catalog.selectAgain();
    for (let index = 60; index < 65; index++) {
      await tell(NAMES, names(index, 'Orders', 'stock'));
      await clock.advance(60_000);
    }
    expect([reads('stock') - before, idsOf('stock'), catalog.names()]).toEqual([0, undefined, ['orders']]);
    table[read('stock')] = instances('stock', 500, 's2');
    include = ['orders', 'stock'];
    catalog.selectAgain();
    expect(idsOf('stock')).toBeUndefined();
    await clock.advance(1000);
    expect(idsOf('stock')).toEqual(['s2']);
  });
});

describe('a catalog so large that its lists cost Consul much', () => {
  const large = async () => {
    const stage = await synced();
    stage.slow[SWEEP] = 110;
    await stage.tell(NAMES, names(6, 'Orders', 'stock', 'own'));
    await stage.clock.advance(310);
    stage.consul.asked.length = 0;
    return stage;
  };
  const lists = (asked: readonly string[]) => asked.filter((question) => question === SWEEP).length;

  it('is asked less often what is worth reading, and has read what was worth it all the same', async () => {
    const { clock, consul, idsOf, table, tell } = await large();
    table[read('Orders')] = instances('Orders', 7, 'o1', 'o2');
    await clock.advance(1000);
    await tell(NAMES, names(7, 'Orders', 'stock', 'own'));
    await clock.advance(2000);
    expect([idsOf('orders'), lists(consul.asked)]).toEqual([['o1', 'o2'], 0]);
    await clock.advance(20_000);
    expect(lists(consul.asked)).toBe(1);
  });

  it('is asked once more although nothing changes any more: somebody may have joined a name of ours', async () => {
    const { clock, idsOf, table, tell } = await large();
    await clock.advance(1000);
    table[read('own')] = instances('own', 7, 'vm');
    table[SWEEP] = names(7, 'Orders', 'stock', 'own');
    await tell(NAMES, names(7, 'Orders', 'stock', 'own'));
    await clock.advance(2000);
    expect(idsOf('own')).toBeUndefined();
    await clock.advance(20_000);
    expect(idsOf('own')).toEqual(['vm']);
  });

  it('is swept while the list of names rests', async () => {
    const stage = open(twoServices());
    stage.slow[NAMES] = 210;
    await stage.clock.advance(420);
    await stage.catalog.synced;
    stage.table[read('Orders')] = instances('Orders', 6, 'o1', 'o2');
    expect([...stage.waiting.keys()]).not.toContain(NAMES);
    await stage.clock.advance(9000);
    expect(stage.idsOf('orders')).toEqual(['o1', 'o2']);
    expect([...stage.waiting.keys()]).not.toContain(NAMES);
    await stage.clock.advance(6000);
    expect([...stage.waiting.keys()]).toContain(NAMES);
  });
});

describe('a change of health', () => {
  it('has the service read at once, by the name of its check or by its node', async () => {
    const { reads, table, tell } = await synced();
    table[read('Orders')] = instances('Orders', 6, 'o1', 'o2');
    await tell(CRITICAL, answer([check('Orders')], { index: 6 }));
    expect([reads('Orders'), reads('stock')]).toEqual([1, 0]);
    await tell(CRITICAL, answer([check('Orders'), check('')], { index: 7 }));
    expect([reads('Orders'), reads('stock')]).toEqual([2, 1]);
  });

  it('of what is not worth reading, or is not known, is none', async () => {
    const { consul, tell } = await synced();
    await tell(CRITICAL, answer([check('own'), check('nobody'), check('', 'vm-9')], { index: 6 }));
    expect(consul.asked.filter((question) => question.startsWith('/health/service'))).toEqual([]);
  });

  it('that cannot be read is a failure of the whole catalog, until the list is read again', async () => {
    const { catalog, clock, tell } = await synced();
    await tell(CRITICAL, answer('no list', { index: 6 }));
    expect(catalog.failure).toMatch(/^read critical checks: read read critical checks: expected an array/);
    await clock.advance(1000);
    expect(catalog.failure).toBeUndefined();
  });
});

describe('a service that cannot be read', () => {
  it('stays as it was and is read again at the next sweep; the log warns once', async () => {
    const { clock, idsOf, records, table, tell } = await synced();
    table[read('Orders')] = new Error('reset');
    await tell(CRITICAL, answer([check('Orders')], { index: 6 }));
    await clock.advance(5000);
    expect(idsOf('orders')).toEqual(['o1']);
    expect(records[0]).toBe('warn service could not be read as a whole, the rest stays as it was');
    expect(records.slice(1).every((record) => record.startsWith('debug '))).toBe(true);
    table[read('Orders')] = instances('Orders', 6, 'o1', 'o2');
    await clock.advance(20_000);
    expect(idsOf('orders')).toEqual(['o1', 'o2']);
  });

  it('with all others, when the sweep cannot be asked for, waits for the next', async () => {
    const { clock, idsOf, records, table, tell } = await synced();
    table[SWEEP] = new Error('reset');
    table[read('Orders')] = instances('Orders', 6, 'o1', 'o2');
    await tell(NAMES, names(6, 'Orders', 'stock'));
    await clock.advance(200);
    expect(records).toEqual(['warn names of services worth reading could not be read, will ask again']);
    table[SWEEP] = names(6, 'Orders', 'stock');
    await clock.advance(20_000);
    expect(idsOf('orders')).toEqual(['o1', 'o2']);
  });

  it('is not complained of at the end', async () => {
    const { clock, records, stop, table, tell } = await synced();
    table[SWEEP] = table[read('Orders')] = new Error('cancelled');
    const told = tell(NAMES, names(6, 'stock'));
    stop.abort();
    await told;
    await clock.advance(1000);
    expect(records).toEqual([]);
  });
});

describe('a followed service', () => {
  it('has a blocking query of its own, by which its changes are noticed', async () => {
    const { catalog, idsOf, tell, told, waiting } = await synced();
    catalog.follow('orders');
    catalog.follow('orders');
    await settled();
    expect(waiting.has(read('Orders'))).toBe(true);
    await tell(read('Orders'), instances('Orders', 6, 'o1', 'o2'));
    expect(idsOf('orders')).toEqual(['o1', 'o2']);
    await tell(read('Orders'), instances('Orders', 7, 'o2', 'o1'));
    expect(told).toEqual(['orders']);
  });

  it('is not read by sweeps, nor for its health', async () => {
    const { catalog, clock, consul, reads, tell } = await synced();
    for (const name of ['orders', 'stock']) catalog.follow(name);
    await clock.advance(125);
    await tell(CRITICAL, answer([check('Orders')], { index: 6 }));
    await tell(NAMES, names(6, 'Orders', 'stock', 'own'));
    await clock.advance(1000);
    expect([reads('Orders'), reads('stock')]).toEqual([0, 0]);
    expect(consul.asked).toContain(SWEEP);
  });

  it('whose query rests, after too many answers without news, is read like any other', async () => {
    const { catalog, clock, idsOf, table, tell } = await synced();
    catalog.follow('orders');
    await settled();
    for (let index = 6; index <= 16; index++) {
      await tell(read('Orders'), instances('Orders', index, 'o1'));
      await clock.advance(200);
    }
    table[read('Orders')] = instances('Orders', 17, 'o1', 'o2');
    await tell(NAMES, names(17, 'Orders', 'stock', 'own'));
    await clock.advance(200);
    expect(idsOf('orders')).toEqual(['o1', 'o2']);
  });

  it('of all that is listed leaves nothing for a sweep to ask', async () => {
    const { catalog, clock, consul, table, tell } = await synced();
    table[read('own')] = instances('own', 5);
    for (const name of ['orders', 'stock', 'own']) catalog.follow(name);
    await clock.advance(250);
    await tell(NAMES, names(6, 'Orders', 'stock', 'own'));
    await clock.advance(1000);
    expect(consul.asked).not.toContain(SWEEP);
  });

  it('is followed no more when nobody wants it, or when Consul does not list it any more', async () => {
    const { catalog, clock, consul, table, tell } = await synced();
    for (const name of ['orders', 'stock']) catalog.follow(name);
    await clock.advance(125);
    catalog.unfollow('stock');
    catalog.unfollow('stock');
    catalog.unfollow('nobody');
    table[read('Orders')] = instances('Orders', 6);
    await tell(NAMES, names(6, 'stock', 'own'));
    const before = consul.asked.length;
    await tell(read('Orders'), instances('Orders', 7));
    await tell(read('stock'), instances('stock', 7));
    expect(consul.asked.slice(before).filter((question) => question.includes('near='))).toEqual([]);
  });

  it('that loses its long poll is read by the next sweep, and followed again', async () => {
    const { catalog, clock, idsOf, table, tell, waiting } = await synced();
    catalog.follow('orders');
    await settled();
    table[read('Orders')] = instances('Orders', 6, 'o1', 'o2');
    await tell(read('Orders'), new Error('reset'));
    await clock.advance(200);
    expect(idsOf('orders')).toEqual(['o1', 'o2']);
    await clock.advance(400);
    expect(waiting.has(read('Orders'))).toBe(true);
  });

  it('that loses its long poll has the lists of checks asked again, which rest while nobody needs them', async () => {
    const { catalog, clock, consul, tell, waiting } = await synced();
    for (const name of ['orders', 'stock']) catalog.follow(name);
    await clock.advance(125);
    await tell(CRITICAL, answer([], { index: 6 }));
    consul.asked.length = 0;
    await clock.advance(1000);
    expect(waiting.has(CRITICAL)).toBe(false);
    await tell(read('Orders'), new Error('reset'));
    expect(waiting.has(CRITICAL)).toBe(true);
  });

  it('gives its long poll up when Consul allows none for the lists', async () => {
    const { catalog, clock, tell, waiting } = await synced();
    catalog.follow('orders');
    await settled();
    waiting.delete(read('Orders'));
    await tell(NAMES, new ConsulError('read service names', 429, 'too many connections'));
    await clock.advance(30_000);
    expect(waiting.has(read('Orders'))).toBe(false);
    await clock.advance(10_000);
    expect(waiting.has(read('Orders'))).toBe(true);
  });

  it('is one that Consul lists, and one of forty', async () => {
    const many = Array.from({ length: 41 }, (_, i) => `many-${i}`);
    const table: Record<string, Said> = { ...twoServices(), [NAMES]: names(5, ...many), [SWEEP]: names(5, ...many) };
    for (const name of many) table[read(name)] = instances(name, 5, 'm1');
    const { catalog, clock, waiting } = await synced(table);
    for (const name of ['nobody', ...many]) catalog.follow(name);
    await clock.advance(5000);
    const followed = () => [...waiting.keys()].filter((path) => path.startsWith(read('')));
    expect(followed()).toEqual(many.slice(0, 40).map(read));
    catalog.unfollow('many-0');
    await clock.advance(125);
    expect(followed()).toContain(read('many-40'));
  });
});

describe('a service that is no candidate', () => {
  it('is read and followed while somebody wants it, and forgotten afterwards', async () => {
    const { catalog, idsOf, table, waiting } = await synced();
    table[read('excluded')] = instances('excluded', 5, 'e1');
    catalog.want('excluded');
    await catalog.refresh('excluded');
    expect(idsOf('excluded')).toEqual(['e1']);
    catalog.follow('excluded');
    await settled();
    expect(waiting.has(read('excluded'))).toBe(true);
    catalog.unwant('excluded');
    catalog.unwant('nobody');
    expect(idsOf('excluded')).toBeUndefined();
  });

  it('that was read before it was listed is told of when it is listed, so that it is followed from then on', async () => {
    const { catalog, table, tell, told } = await synced();
    table[read('late')] = instances('late', 5, 'l1');
    catalog.want('late');
    await catalog.refresh('late');
    told.splice(0);
    await tell(NAMES, names(6, 'Orders', 'late'));
    expect(told).toContain('late');
  });

  it('that is wanted after it was read once starts unknown', async () => {
    const { catalog, idsOf, table } = await synced();
    table[read('excluded')] = instances('excluded', 5, 'e1');
    await catalog.refresh('excluded');
    catalog.want('excluded');
    expect(idsOf('excluded')).toBeUndefined();
  });
});

describe('a read on demand', () => {
  it('tells of what changed, and can be confirmed by the leader', async () => {
    const { catalog, consul, table, told } = await synced();
    await catalog.refresh('orders');
    expect(told).toEqual([]);
    table[`${read('Orders')} consistent=`] = instances('Orders', 6, 'o1', 'o2');
    await catalog.confirm('orders');
    expect(told).toEqual(['orders']);
    expect(consul.asked).toEqual([read('Orders'), `${read('Orders')} consistent=`]);
  });

  it('of a part, while absence is not believed, is told of too', async () => {
    const { absence, catalog, table, told } = await synced();
    absence.assertBelievable = notBelieved();
    table[read('Orders')] = instances('Orders', 6, 'o2');
    await expect(catalog.refresh('orders')).rejects.toThrow(NotBelieved);
    expect(told).toEqual(['orders']);
  });
});

describe('a service of which something is missing that is not believed to be gone', () => {
  it('that is followed waits for its next change as ever, and is read again when it can be believed', async () => {
    const { absence, catalog, clock, idsOf, reads, table, tell } = await synced();
    catalog.follow('orders');
    await settled();
    absence.assertBelievable = notBelieved(60_000);
    await tell(read('Orders'), elsewhere(6, 'o2'));
    expect(idsOf('orders')?.sort()).toEqual(['o1', 'o2']);
    await tell(read('Orders'), elsewhere(7, 'o2', 'o3'));
    expect(idsOf('orders')?.sort()).toEqual(['o1', 'o2', 'o3']);
    table[read('Orders')] = elsewhere(7, 'o2', 'o3');
    await clock.advance(59_999);
    expect(reads('Orders')).toBe(0);
    absence.assertBelievable = () => Promise.resolve();
    await clock.advance(1000);
    expect([reads('Orders'), idsOf('orders')]).toEqual([1, ['o2', 'o3']]);
  });

  it('is read again at the next sweep where nobody knows when it can be believed', async () => {
    const { absence, clock, idsOf, table, tell } = await synced();
    absence.assertBelievable = notBelieved();
    table[read('Orders')] = elsewhere(6, 'o2');
    await tell(CRITICAL, answer([check('Orders')], { index: 6 }));
    expect(idsOf('orders')?.sort()).toEqual(['o1', 'o2']);
    absence.assertBelievable = () => Promise.resolve();
    await clock.advance(20_000);
    expect(idsOf('orders')).toEqual(['o2']);
  });
});

/** Instances of Orders at other places than that of the first, which they would stand for else. */
function elsewhere(index: number, ...ids: string[]): ConsulAnswer {
  const rows = ids.map((ID, i) => ({ ...row, Service: { ...row.Service, ID, Service: 'Orders', Port: 9000 + i } }));
  return answer(rows, { index });
}

function notBelieved(inMs?: number): () => Promise<never> {
  return () => Promise.reject(new NotBelieved('read service Orders', 'the test says so', inMs));
}

describe('an instance that is registered under another name', () => {
  it('is looked for under its old name, although the index of that stood still', async () => {
    const { catalog, clock, idsOf, table, tell, told } = await synced({
      ...twoServices(),
      [read('Orders')]: instances('Orders', 5, 'o1', 'o2'),
      [read('shop')]: instances('shop', 6, 'o2'),
    });
    catalog.follow('orders');
    await clock.advance(200);
    table[read('Orders')] = instances('Orders', 5, 'o1');
    await tell(CRITICAL, answer([check('shop')], { index: 6 }));
    await tell(NAMES, names(6, 'Orders', 'stock', 'shop'));
    await clock.advance(10_000);
    expect(told).toEqual(['shop', 'orders']);
    expect([idsOf('orders'), idsOf('shop')]).toEqual([['o1'], ['o2']]);
  });

  it('and back again is under the name that it has in the end', async () => {
    const { clock, idsOf, table, tell } = await synced({
      ...twoServices(),
      [read('Orders')]: instances('Orders', 5, 'o1', 'o2'),
      [read('stock')]: instances('stock', 5, 's1'),
    });
    table[read('stock')] = instances('stock', 6, 's1', 'o2');
    // It is back before anybody looks for it.
    await tell(CRITICAL, answer([check('stock')], { index: 6 }));
    table[read('stock')] = instances('stock', 6, 's1');
    await clock.advance(2000);
    expect([idsOf('orders'), idsOf('stock')]).toEqual([['o1', 'o2'], ['s1']]);
  });

  it('while it is not believed that anything is gone leaves its old name when it is', async () => {
    const { absence, clock, idsOf, table, tell } = await synced({
      ...twoServices(),
      [read('Orders')]: instances('Orders', 5, 'o1', 'o2'),
    });
    absence.assertBelievable = notBelieved(60_000);
    table[read('Orders')] = instances('Orders', 5, 'o1');
    table[read('stock')] = instances('stock', 6, 's1', 'o2');
    await tell(CRITICAL, answer([check('stock')], { index: 6 }));
    expect([idsOf('orders')?.sort(), idsOf('stock')]).toEqual([
      ['o1', 'o2'],
      ['s1', 'o2'],
    ]);
    absence.assertBelievable = () => Promise.resolve();
    await clock.advance(62_000);
    expect([idsOf('orders'), idsOf('stock')]).toEqual([['o1'], ['s1', 'o2']]);
  });
});
