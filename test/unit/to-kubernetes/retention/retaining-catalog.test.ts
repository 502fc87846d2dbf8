import { afterEach, describe, expect, it } from '@jest/globals';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import type { EndpointSlice, Service } from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION, LABEL, SLICE_MANAGER } from '../../../../src/mark.ts';
import { RetainingCatalog } from '../../../../src/to-kubernetes/retention/retaining-catalog.ts';
import { endpoint, instance, owner, slice, strings, toKubernetesConfig } from '../../builders.ts';
import { HeldBrake, NO_BRAKE } from '../../brake.ts';
import { TestClock } from '../../clock.ts';
import { QUIET } from '../../log.ts';
import { views } from '../views.ts';

const SECOND_MS = 30_000;
const ends: AbortController[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end.abort();
});

const address = (i: number) => `10.20.${i >> 8}.${i & 255}`;
const some = (count: number, more: Partial<ServiceInstance> = {}) =>
  Array.from({ length: count }, (_, i) => instance({ id: `i-${i}`, address: address(i), ...more }));

interface Given {
  readonly consul: Record<string, readonly ServiceInstance[] | undefined>;
  /** Addresses that an earlier run has written, by service. */
  readonly written?: Record<string, readonly string[]>;
  readonly annotation?: string;
  /** The names that Consul lists. @default those with instances */
  readonly listed?: readonly string[];
  readonly config?: object;
  readonly brake?: HeldBrake | typeof NO_BRAKE;
  /** The services that are mirrored. @default those that Consul has */
  readonly followed?: readonly string[];
}

function stage({ consul, listed, written = {}, annotation = ANNOTATION.consulService, ...given }: Given) {
  const { config = {}, brake = NO_BRAKE, followed = Object.keys(consul) } = given;
  const clock = new TestClock();
  const end = new AbortController();
  ends.push(end);
  const listeners: ((name: string) => void)[] = [];
  const told: string[] = [];
  const state = { doubt: undefined as Error | undefined, incomplete: new Set<string>() };
  const confirmed: string[] = [];
  const catalog = new RetainingCatalog({
    catalog: {
      names: () => listed ?? Object.keys(consul).filter((name) => (consul[name]?.length ?? 0) > 0),
      spelling: (name) => name,
      instances: (name) => consul[name],
      isComplete: (name) => consul[name] !== undefined && !state.incomplete.has(name),
      subscribe: (listener) => void listeners.push(listener),
      refresh: (name) => {
        consul[name] ??= [];
        return Promise.resolve();
      },
      confirm: (name) => {
        confirmed.push(name);
        return state.doubt ? Promise.reject(state.doubt) : Promise.resolve();
      },
      ...{ want: () => undefined, unwant: () => undefined, follow: () => undefined, unfollow: () => undefined },
    },
    config: toKubernetesConfig({ namespaces: ['shop'], ...config }),
    ...{ owner, secondAnswerMs: SECOND_MS, brake, signal: end.signal, log: QUIET, clock },
  });
  catalog.subscribe((name) => told.push(name));
  const slices = Object.entries(written).map(([name, addresses]): EndpointSlice =>
    slice({
      name: `${name}-1`,
      annotations: strings({ [annotation]: name }),
      labels: strings({
        [LABEL.managedBy]: 'consular',
        [LABEL.cluster]: owner.cluster,
        [LABEL.sliceManagedBy]: SLICE_MANAGER,
      }),
      endpoints: addresses.map((one) => endpoint(one)),
    }),
  );
  const services: Service[] = [];
  catalog.begin(views({ services, slices }));
  for (const name of followed) catalog.follow(name);
  const answer = (name: string, instances: readonly ServiceInstance[]) => {
    consul[name] = instances;
    for (const listener of listeners) listener(name);
  };
  const count = (name: string) => catalog.instances(name)?.length;
  return { catalog, clock, told, confirmed, state, answer, count, consul };
}

describe('Consul as it is shown to those who write', () => {
  const steady = some(200, { service: 'steady' });

  it('has instances that vanished in masses as before, until a second answer says the same', async () => {
    const { clock, answer, count, catalog, confirmed, told } = stage({ consul: { steady, orders: some(40) } });
    answer('orders', []);
    expect([count('orders'), catalog.isComplete('orders'), catalog.retained]).toEqual([40, false, 40]);
    expect(catalog.instances('orders')?.[0]).toEqual(some(1)[0]);
    await clock.advance(SECOND_MS - 1);
    expect([count('orders'), confirmed]).toEqual([40, []]);
    told.length = 0;
    await clock.advance(1);
    expect([count('orders'), catalog.isComplete('orders'), confirmed, told]).toEqual([0, true, ['orders'], ['orders']]);
  });

  it('is asked again when it does not answer, and shows them until it does', async () => {
    const { clock, answer, count, state, confirmed } = stage({ consul: { steady, orders: some(40) } });
    answer('orders', []);
    state.doubt = new Error('no leader');
    await clock.advance(3 * SECOND_MS);
    expect(count('orders')).toBe(40);
    expect(confirmed.length).toBeGreaterThan(5);
    state.doubt = undefined;
    await clock.advance(SECOND_MS);
    expect(count('orders')).toBe(0);
  });

  it('is asked a second time no faster than the brake lets it, however many services failed', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `s${i}`);
    const brake = new HeldBrake();
    const consul = Object.fromEntries(names.map((name) => [name, some(1)]));
    const { clock, answer, state, confirmed, catalog } = stage({ consul, brake });
    for (const name of names) answer(name, []);
    expect(catalog.retained).toBe(60);
    state.doubt = new Error('no leader');
    await clock.advance(20 * SECOND_MS);
    expect([confirmed.length, brake.line.length]).toEqual([60, 60]);
    state.doubt = undefined;
    for (const letGo of brake.line.splice(0)) letGo();
    await clock.advance(SECOND_MS);
    expect([confirmed.length, catalog.retained, brake.givenBack.length]).toEqual([120, 0, 60]);
  });

  it('has what is there of other services, meanwhile and at once', () => {
    const { answer, count } = stage({ consul: { steady, orders: some(40) } });
    answer('orders', []);
    answer('steady', steady.slice(1));
    expect([count('steady'), count('orders')]).toEqual([199, 40]);
  });

  it('does not count instances that are not mirrored: pods that Consular registered itself', () => {
    const meta = strings({ 'managed-by': 'consular', 'external-source': 'kubernetes' });
    const { answer, count } = stage({ consul: { steady, orders: some(40, { meta }) } });
    answer('orders', []);
    expect(count('orders')).toBe(0);
  });

  it('does not count what is not mirrored: what waits for a place among the most that may be', () => {
    const { answer, count, catalog } = stage({ consul: { steady, orders: some(40) }, followed: ['steady'] });
    answer('orders', []);
    expect([count('orders'), catalog.retained]).toEqual([0, 0]);
    answer('orders', some(40));
    catalog.follow('orders');
    answer('orders', []);
    expect([count('orders'), catalog.retained]).toEqual([40, 40]);
  });

  it('has lost most of everything when most of what is mirrored is lost', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const services = Object.fromEntries(names.map((name) => [name, some(4)]));
    const { answer, catalog } = stage({ consul: { steady, ...services }, followed: names });
    for (const name of names) answer(name, []);
    expect(catalog.retained).toBe(24);
  });

  it('does not count what is mirrored no more though it is there', () => {
    const { answer, count, catalog } = stage({ consul: { steady, orders: some(40) } });
    catalog.unfollow('orders');
    answer('orders', []);
    expect([count('orders'), catalog.retained]).toEqual([0, 0]);
  });

  it('counts what is followed no more because it is missing', () => {
    const { answer, catalog } = stage({ consul: { steady, orders: some(40) } });
    answer('orders', []);
    catalog.unfollow('orders');
    expect(catalog.retained).toBe(40);
    answer('orders', some(40));
    catalog.follow('orders');
    answer('orders', some(39));
    expect(catalog.retained).toBe(0);
  });

  it('is forgotten where a service is gone and nobody follows it', async () => {
    const { answer, catalog, clock } = stage({ consul: { steady, orders: some(1) } });
    expect(catalog.remembered).toBe(2);
    answer('orders', []);
    catalog.unfollow('orders');
    await clock.advance(SECOND_MS);
    expect(catalog.remembered).toBe(1);
    catalog.instances('never heard of');
    expect(catalog.remembered).toBe(1);
  });

  it('shows what is released no more, at once, and says what was released', () => {
    const { answer, count, catalog, told } = stage({ consul: { steady, orders: some(40) } });
    answer('orders', []);
    const { hash = '', instances } = catalog.retaining();
    expect(instances).toHaveLength(40);
    expect(instances[0]).toMatchObject({ service: 'orders', instance: '10.20.0.0 8080' });
    told.length = 0;
    expect(catalog.release(hash)).toMatchObject({ outcome: 'released', staying: 0 });
    expect([count('orders'), catalog.isComplete('orders'), told]).toEqual([0, true, ['orders']]);
    expect(catalog.release('0000')).toEqual({ outcome: 'unknown' });
    expect(catalog.retaining()).toEqual({ hash: undefined, instances: [] });
  });

  it('keeps to what the answers say before it is told to begin', () => {
    const consul: Record<string, ServiceInstance[]> = { orders: some(40) };
    const catalog = new RetainingCatalog({
      catalog: {
        ...{ names: () => ['orders'], spelling: (name) => name, instances: () => consul.orders },
        ...{ isComplete: () => true, subscribe: () => undefined, refresh: () => Promise.resolve() },
        confirm: () => Promise.resolve(),
        ...{ want: () => undefined, unwant: () => undefined, follow: () => undefined, unfollow: () => undefined },
      },
      ...{ owner, config: toKubernetesConfig({}), signal: new AbortController().signal, log: QUIET },
      ...{ brake: NO_BRAKE, clock: new TestClock() },
    });
    expect(catalog.instances('orders')).toHaveLength(40);
    consul.orders = [];
    expect(catalog.instances('orders')).toHaveLength(0);
  });
});

describe('after a restart', () => {
  const written = { orders: some(40).map((one) => one.address) };
  const steady = some(200, { service: 'steady' });

  it('endpoints stay that are written, and that the first answer does not have', async () => {
    const { catalog, clock } = stage({ consul: { steady, orders: some(3) }, written });
    expect(catalog.isComplete('orders')).toBe(false);
    expect([5, 39].map((i) => catalog.stays('orders', address(i), 8080))).toEqual([true, true]);
    expect(catalog.stays('orders', address(1), 8080)).toBe(false);
    expect(catalog.stays('orders', '10.99.0.1', 8080)).toBe(false);
    await clock.advance(SECOND_MS);
    expect([catalog.isComplete('orders'), catalog.stays('orders', address(5), 8080)]).toEqual([true, false]);
  });

  it('a service of which nothing is left cannot be read before the second answer', async () => {
    const { catalog, clock } = stage({ consul: { steady }, written });
    await expect(catalog.refresh('orders')).rejects.toThrow('too much is missing at once');
    await expect(catalog.confirm('orders')).rejects.toThrow('too much is missing at once');
    await clock.advance(SECOND_MS);
    await catalog.refresh('orders');
    expect(catalog.isComplete('orders')).toBe(true);
  });

  it('a service that is listed and could not be read has lost nothing', () => {
    const { catalog, answer } = stage({ consul: { steady, orders: undefined }, written, listed: ['steady', 'orders'] });
    expect(catalog.retained).toBe(0);
    answer('orders', some(3));
    expect(catalog.retained).toBe(37);
  });

  it('few that are missing are gone', async () => {
    const { catalog } = stage({ consul: { steady }, written: { orders: [address(1), address(2)] } });
    await catalog.refresh('orders');
    expect([catalog.retained, catalog.stays('orders', address(1), 8080)]).toEqual([0, false]);
  });

  it('what the settings do not select any more is no loss', async () => {
    const config = { services: { include: ['*'], exclude: ['orders'] } };
    const { catalog } = stage({ consul: { steady }, written, config });
    await catalog.refresh('orders');
    expect(catalog.retained).toBe(0);
  });

  it('what was written for a tag that the settings do not name any more is no loss', async () => {
    const tagged = { ...written, 'orders/master': written.orders };
    const { catalog } = stage({ consul: { steady, orders: some(40) }, written: tagged });
    await catalog.refresh('orders/master');
    expect([catalog.retained, catalog.stays('orders/master', address(1), 8080)]).toEqual([0, false]);
  });

  it('a service with a slash in its name is a service', () => {
    const { catalog } = stage({ consul: { steady }, written: { 'shop/orders': written.orders } });
    expect(catalog.retained).toBe(40);
  });

  it('what is taken in counts once somebody wants it', () => {
    const config = { services: { include: ['steady'], exclude: [] } };
    const { catalog, answer } = stage({ consul: { steady }, written, config, annotation: ANNOTATION.importedFrom });
    catalog.want('orders');
    answer('orders', some(2));
    expect([catalog.retained, catalog.stays('orders', address(7), 8080)]).toEqual([38, true]);
    catalog.unwant('orders');
    expect(catalog.retained).toBe(0);
  });
});
