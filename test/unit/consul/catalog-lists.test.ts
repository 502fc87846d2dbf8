import { afterEach, describe, expect, it } from '@jest/globals';
import { createCatalogLists } from '../../../src/consul/catalog-lists.ts';
import type { ListSubscriber } from '../../../src/consul/shared-list.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { NO_BRAKE } from '../brake.ts';
import { settled, TestClock } from '../clock.ts';
import { QUIET } from '../log.ts';
import { answer, Answers, type Said } from './answers.ts';

const NAMES = '/catalog/services';
const names = (index: number, ...services: string[]) =>
  answer(Object.fromEntries(['consul', ...services].map((name) => [name, []])), { index });

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

/** Lists of a Consul that says these things one after the other, and then lets the question wait. */
function stage(...says: Said[]) {
  const clock = new TestClock();
  const indexes: number[] = [];
  const stop = new AbortController();
  stops.push(stop);
  const consul = new Answers(() => says.shift() ?? new Promise(() => undefined));
  const lists = createCatalogLists({
    ...{ client: consul, brake: NO_BRAKE, log: QUIET, metrics: createMetrics(), clock, random: () => 1 },
    timeLine: {
      early: () => undefined,
      failed: () => undefined,
      answeredAgain: () => undefined,
      takeNamesIndex: (index) => Promise.resolve(void indexes.push(index)),
    },
    signal: stop.signal,
  });
  const told: string[] = [];
  const subscriber = (who: string, restMs = 0): ListSubscriber<readonly string[]> => ({
    take: (list, index) => Promise.resolve(void told.push(`${who}: ${list.join()} at ${index}`)),
    onFailure: (error) => told.push(`${who}: ${error instanceof Error ? 'failure' : 'again'}`),
    restMs: () => restMs,
  });
  return { clock, consul, indexes, lists, subscriber, told };
}

describe('a list of Consul that several follow', () => {
  it('is asked for once, from the first that follows it on, and told to all', async () => {
    const { clock, consul, lists, subscriber, told } = stage(names(5, 'Orders'));
    await clock.advance(1000);
    expect(consul.asked).toEqual([]);
    lists.names.subscribe(subscriber('a'));
    lists.names.subscribe(subscriber('b'));
    await clock.advance(0);
    expect(consul.asked).toEqual([NAMES, `${NAMES} index=5 wait=30s`]);
    expect(told).toEqual(['a: consul,Orders at 5', 'b: consul,Orders at 5']);
  });

  it('is told again to whoever came later and could not take it in, until it can', async () => {
    const { clock, lists, subscriber, told } = stage(names(5));
    lists.names.subscribe(subscriber('a'));
    await clock.advance(0);
    const late = subscriber('late');
    const refusals = [true, true];
    lists.names.subscribe({
      ...late,
      take: (...list) => (refusals.pop() ? Promise.reject(new Error('not read')) : late.take(...list)),
    });
    await clock.advance(60_000);
    expect(told).toEqual(['a: consul at 5', 'late: failure', 'late: failure', 'late: consul at 5', 'late: again']);
  });

  it('is told at once to whoever comes later, and so is that it cannot be read', async () => {
    const { clock, lists, subscriber, told } = stage(names(5), new Error('reset'));
    lists.names.subscribe(subscriber('a'));
    await clock.advance(0);
    told.length = 0;
    lists.names.subscribe(subscriber('b'));
    await settled();
    expect(told).toEqual(['b: failure', 'b: consul at 5']);
  });

  it('rests for as long as all of them allow', async () => {
    const { clock, consul, lists, subscriber } = stage(names(5));
    lists.names.subscribe(subscriber('a', 7000));
    lists.names.subscribe(subscriber('b', 3000));
    await clock.advance(2999);
    expect(consul.asked).toHaveLength(1);
    await clock.advance(1);
    expect(consul.asked).toHaveLength(2);
  });

  it('is told to the others where one cannot take it in, and asked for again', async () => {
    const { clock, lists, subscriber, told } = stage(names(5), names(5));
    const tries = [Promise.reject(new Error('stock cannot be read')), Promise.resolve()];
    tries[0]?.catch(() => undefined);
    lists.names.subscribe({ ...subscriber('a'), take: () => tries.shift() ?? Promise.resolve() });
    lists.names.subscribe(subscriber('b'));
    await clock.advance(400);
    expect(told).toEqual(['b: consul at 5', 'a: failure', 'b: failure', 'b: consul at 5', 'a: again', 'b: again']);
  });

  it.each([
    ['without the service that is always there', answer({ Orders: [] })],
    ['of a server that knows no leader', names(5, 'Orders')],
    ['that ACLs filtered', names(5, 'Orders')],
  ])('%s is told to nobody', async (what, said) => {
    const spoilt = { knownLeader: !what.includes('leader'), filteredByAcls: what.includes('ACLs') };
    const { clock, indexes, lists, subscriber, told } = stage({ ...said, ...spoilt });
    lists.names.subscribe(subscriber('a'));
    lists.names.subscribe(subscriber('b'));
    await clock.advance(0);
    expect(told).toEqual(['a: failure', 'b: failure']);
    expect(indexes).toEqual([]);
  });
});

it('the index of the list of names goes once to whoever looks whether Consul went back, before anybody is told', async () => {
  const { clock, indexes, lists, subscriber, told } = stage(names(5));
  for (const who of ['a', 'b']) {
    const take = () => Promise.resolve(void told.push(`${who} after ${indexes.join()}`));
    lists.names.subscribe({ ...subscriber(who), take });
  }
  await clock.advance(0);
  expect([indexes, told]).toEqual([[5], ['a after 5', 'b after 5']]);
});
