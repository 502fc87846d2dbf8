import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import { MANAGED_BY, META } from '../../../../src/mark.ts';
import { ForeignInstances } from '../../../../src/to-consul/observed/foreign-instances.ts';
import type { ForeignSource } from '../../../../src/to-consul/observed/foreign-source.ts';
import { instance, owner, strings } from '../../builders.ts';
import { TestClock } from '../../clock.ts';
import { TestLog } from '../../log.ts';
import { settled } from '../../clock.ts';

const POD = 'shop/a';
const OURS = strings({ [META.managedBy]: MANAGED_BY, [META.cluster]: 'prod' });

/** Services in a Consul that is a map, which ignores case. */
class MemoryServices implements ForeignSource {
  readonly #clock: TestClock;
  /** By lower-case name. */
  readonly services = new Map<string, readonly ServiceInstance[]>();
  readonly reads: string[] = [];
  readonly longPolls = new Map<string, (instances: readonly ServiceInstance[]) => void>();
  readonly #refuse = new Map<string, () => void>();
  failure: Error | undefined;
  /** How long an answer takes. */
  tookMs = 0;

  constructor(clock: TestClock) {
    this.#clock = clock;
  }

  names(): Promise<readonly string[]> {
    this.reads.push('all names');
    return this.#answer([...this.services.keys()]);
  }

  read(service: string): Promise<readonly ServiceInstance[]> {
    this.reads.push(service);
    return this.failure ? Promise.reject(this.failure) : this.#answer(this.services.get(service.toLowerCase()) ?? []);
  }

  #answer<T>(value: T): Promise<T> {
    if (this.tookMs === 0) return Promise.resolve(value);
    return new Promise((resolve) => this.#clock.after(this.tookMs, () => resolve(value)));
  }

  follow(
    service: string,
    onInstances: (instances: readonly ServiceInstance[]) => void,
    onRefused: () => void,
  ): () => void {
    this.longPolls.set(service, onInstances);
    this.#refuse.set(service, onRefused);
    return () => this.longPolls.delete(service);
  }

  /** Consul allows no connection for its long poll. */
  refuse(service: string): void {
    this.#refuse.get(service)?.();
  }

  /** A service changes, and its long poll is answered. */
  async put(service: string, ...instances: readonly ServiceInstance[]): Promise<void> {
    this.services.set(service, instances);
    this.longPolls.get(service)?.(instances);
    await settled();
  }
}

let source: MemoryServices;
let clock: TestClock;
let foreign: ForeignInstances;
let ended: AbortController;
let told: string[];
let log: TestLog;

beforeEach(() => {
  clock = new TestClock();
  source = new MemoryServices(clock);
  source.services.set('orders', [instance({ id: 'theirs', service: 'Orders' })]);
  ended = new AbortController();
  told = [];
  log = new TestLog();
  foreign = new ForeignInstances({ source, owner, log, signal: ended.signal, clock });
  foreign.subscribe((name) => told.push(name));
});

const idsOf = (service: string) => foreign.of(service, POD)?.map(({ id }) => id);

describe('the foreign instances of a service', () => {
  it('have to be read', () => {
    expect([foreign.of('billing', POD), foreign.of('ORDERS', POD)]).toEqual([undefined, undefined]);
  });

  it('are known once they are read, in any spelling, for two seconds', async () => {
    await foreign.ensure('orders', POD);
    await foreign.ensure('billing', POD);
    expect([source.reads, idsOf('oRDERS'), idsOf('billing')]).toEqual([['orders', 'billing'], ['theirs'], []]);
    await clock.advance(1999);
    await foreign.ensure('orders', POD);
    expect([source.reads.length, idsOf('orders')]).toEqual([2, ['theirs']]);
    await clock.advance(1);
    expect([idsOf('orders'), idsOf('billing')]).toEqual([undefined, undefined]);
    await foreign.ensure('orders', POD);
    expect([source.reads.length, idsOf('orders')]).toEqual([3, ['theirs']]);
  });

  it('are not those of ours, but those with our mark on a node of others, and of others on a node of ours', async () => {
    await source.put(
      'orders',
      instance({ id: 'ours', node: 'K8S-prod--worker-1', meta: OURS }),
      instance({ id: 'copied', node: 'vm-1', meta: OURS }),
      instance({ id: 'squatter', node: 'k8s-prod--worker-1' }),
    );
    await foreign.ensure('orders', POD);
    expect(idsOf('orders')).toEqual(['copied', 'squatter']);
  });

  it('are read once for all that ask at the same time', async () => {
    await Promise.all(['Orders', 'orders', 'ORDERS'].map((name) => foreign.ensure(name, POD)));
    expect(source.reads).toEqual(['Orders']);
  });

  it('are read again for a pod that changed since, once for all that changed meanwhile', async () => {
    await foreign.ensure('orders', POD);
    foreign.podsChanged(['shop/b', 'shop/c']);
    expect([idsOf('orders'), foreign.of('orders', 'shop/b')]).toEqual([['theirs'], undefined]);
    source.tookMs = 10;
    const reads = [foreign.ensure('orders', 'shop/b')];
    await clock.advance(5);
    foreign.podsChanged(['shop/d', 'shop/e']);
    reads.push(...['shop/b', 'shop/c', 'shop/d', 'shop/e'].map((pod) => foreign.ensure('orders', pod)));
    await clock.advance(15);
    await Promise.all(reads);
    expect(source.reads).toEqual(['orders', 'orders', 'orders']);
    for (const pod of ['shop/b', 'shop/c', 'shop/d', 'shop/e']) expect(foreign.of('orders', pod)).toHaveLength(1);
  });

  it('are read anew for a pod that changed, also while the name is followed', async () => {
    await foreign.ensure('orders', POD);
    foreign.follow('orders');
    foreign.podsChanged(['shop/b']);
    await foreign.ensure('orders', 'shop/b');
    expect(foreign.of('orders', 'shop/b')).toHaveLength(1);
  });

  it('that cannot be read are an error', async () => {
    source.failure = new Error('no leader');
    await expect(foreign.ensure('orders', POD)).rejects.toThrow('no leader');
    expect(foreign.of('orders', POD)).toBeUndefined();
  });
});

describe('where many names are asked for one after the other', () => {
  const names = Array.from({ length: 40 }, (_, i) => `service-${i}`);

  it('the list is read when as many were read as cost Consul as much', async () => {
    for (const name of names) await foreign.ensure(name, POD);
    expect(source.reads).toEqual([...names.slice(0, 32), 'all names']);
  });

  it('it is not, within a longer time', async () => {
    for (const name of names) {
      await foreign.ensure(name, POD);
      await clock.advance(100);
    }
    expect(source.reads).toEqual(names);
  });

  it('it is not for pods that change, each at another time', async () => {
    for (const name of names) {
      foreign.podsChanged([POD]);
      await foreign.ensure(name, POD);
    }
    expect(source.reads).toEqual(names);
  });
});

describe('where many names are asked for at a time', () => {
  const names = Array.from({ length: 40 }, (_, i) => `service-${i}`);
  const askFor = (all: readonly string[], pod = POD) => Promise.all(all.map((name) => foreign.ensure(name, pod)));

  beforeEach(() => askFor(names));

  it('the list of all that others have is read instead, and of these the names that are wanted', async () => {
    expect(source.reads).toEqual([...names.slice(0, 32), 'all names']);
    expect([foreign.of('never-asked-for', POD), idsOf('orders')]).toEqual([[], undefined]);
    await foreign.ensure('orders', POD);
    expect(idsOf('orders')).toEqual(['theirs']);
  });

  it('the list is not believed of a pod that changed since', async () => {
    foreign.podsChanged(['shop/b']);
    expect([foreign.of('late', 'shop/b'), foreign.of('late', POD)]).toEqual([undefined, []]);
    await foreign.ensure('late', 'shop/b');
    expect([source.reads.at(-1), foreign.of('late', 'shop/b')]).toEqual(['late', []]);
  });

  it('the list is believed for a while', async () => {
    await clock.advance(1999);
    expect(foreign.of('late', POD)).toEqual([]);
    await clock.advance(1);
    expect(foreign.of('late', POD)).toBeUndefined();
  });

  it('a list that took long is believed for longer, and is asked for only where it is the cheaper', async () => {
    await clock.advance(2000);
    source.tookMs = 100;
    const asked = askFor(names.map((name) => `again-${name}`));
    await clock.advance(100);
    await asked;
    await clock.advance(1899);
    expect(foreign.of('late', POD)).toEqual([]);
    await clock.advance(1);
    expect(foreign.of('late', POD)).toBeUndefined();
    source.reads.length = 0;
    source.tookMs = 0;
    await askFor(names.map((name) => `once-more-${name}`));
    expect(source.reads).not.toContain('all names');
  });

  it('a pod that changes while the list is read is asked for by itself', async () => {
    await clock.advance(2000);
    source.tookMs = 10;
    const listed = foreign.readNames();
    foreign.podsChanged(['shop/b']);
    await clock.advance(10);
    await listed;
    expect([foreign.of('late', 'shop/b'), foreign.of('late', POD)]).toEqual([undefined, []]);
  });
});

describe('a name that is followed', () => {
  beforeEach(async () => {
    await foreign.ensure('orders', POD);
    foreign.follow('orders');
    foreign.follow('Orders');
  });

  it('is told once when its instances change, and is not followed any more then', async () => {
    expect([...source.longPolls.keys()]).toEqual(['orders']);
    await source.put('orders', instance({ id: 'another' }));
    await source.put('orders', instance({ id: 'a third' }));
    expect([told, [...source.longPolls]]).toEqual([['orders'], []]);
  });

  it.each<[string, Partial<ServiceInstance>, boolean]>([
    ['its address', { address: '10.20.0.2' }, true],
    ['its port', { port: 9090 }, true],
    ['its named ports', { namedPorts: [8080] }, true],
    ['its status', { status: 'critical' }, true],
    ['its node', { node: 'vm-2' }, true],
    ['its tags', { tags: ['new'] }, false],
    ['its weight', { weight: 5 }, false],
  ])('is told when an instance changes %s', async (_, change, isTold) => {
    await source.put('orders', instance({ id: 'theirs', service: 'Orders', ...change }));
    expect(told).toEqual(isTold ? ['orders'] : []);
  });

  it('is told also when somebody else reads it first', async () => {
    source.services.set('orders', []);
    await clock.advance(2000);
    await foreign.ensure('orders', POD);
    expect(told).toEqual(['orders']);
  });

  it('is told when the last foreign instance is gone', async () => {
    await source.put('orders');
    expect([told, [...source.longPolls]]).toEqual([['orders'], []]);
  });

  it('can be followed again', async () => {
    await source.put('orders', instance({ id: 'another' }));
    foreign.follow('orders');
    await source.put('orders', instance({ id: 'a third' }));
    expect(told).toEqual(['orders', 'orders']);
  });

  it('is none that nobody else has', async () => {
    await foreign.ensure('billing', POD);
    foreign.follow('billing');
    expect([...source.longPolls.keys()]).toEqual(['orders']);
  });
});

describe('names beyond ten that are followed', () => {
  const names = Array.from({ length: 13 }, (_, i) => `service-${i}`);

  beforeEach(async () => {
    for (const name of names) source.services.set(name, [instance({ id: `of ${name}`, service: name })]);
    for (const name of names) await foreign.ensure(name, POD);
    for (const name of names) foreign.follow(name);
    source.reads.length = 0;
  });

  it('are read in turn, each every two seconds', async () => {
    expect([...source.longPolls.keys()]).toEqual(names.slice(0, 10));
    await clock.advance(1990);
    expect(source.reads).toEqual([]);
    await clock.advance(2700);
    expect(source.reads).toEqual(['service-10', 'service-11', 'service-12', 'service-10', 'service-11']);
    expect(told).toEqual([]);
  });

  it('are told when their instances change, and not read any more then', async () => {
    source.services.set('service-11', [instance({ id: 'another', service: 'service-11' })]);
    await clock.advance(6000);
    expect(told).toEqual(['service-11']);
    expect(source.reads.filter((name) => name === 'service-11')).toHaveLength(1);
    expect(source.reads.filter((name) => name === 'service-12').length).toBeGreaterThan(1);
  });

  it('get the long poll that became free', async () => {
    await source.put('service-7');
    expect(told).toEqual(['service-7']);
    expect([...source.longPolls.keys()]).toEqual([...names.filter((name) => name !== 'service-7').slice(0, 10)]);
    await source.put('service-10');
    expect(told).toEqual(['service-7', 'service-10']);
  });

  it('are not read any more when nobody else has them, and when the process ends', async () => {
    await Promise.all(names.slice(11).map((name) => source.put(name)));
    await clock.advance(4100);
    expect([told, source.reads]).toEqual([
      ['service-11', 'service-12'],
      ['service-10', 'service-11', 'service-12'],
    ]);
    await clock.advance(4000);
    expect(source.reads.slice(3)).toEqual(['service-10', 'service-10']);
    ended.abort();
    await clock.advance(10_000);
    expect([source.reads.length, clock.due]).toEqual([5, []]);
  });

  it('are read again after reads that failed, less often and with one word about it', async () => {
    source.failure = new Error('no leader');
    await clock.advance(120_000);
    const failed = source.reads.length;
    expect(failed).toBeLessThan(60);
    expect(log.of('warn')).toEqual(['service could not be read, will ask again']);
    source.failure = undefined;
    for (const name of names.slice(10)) source.services.set(name, []);
    await clock.advance(40_000);
    expect([...told].sort()).toEqual(['service-10', 'service-11', 'service-12']);
  });

  it('are not read at all when there are none left', async () => {
    for (const name of names.slice(10)) await source.put(name);
    await clock.advance(10_000);
    source.reads.length = 0;
    await clock.advance(10_000);
    expect([source.reads, clock.due]).toEqual([[], []]);
  });
});

describe('a name for whose long poll Consul allows no connection', () => {
  beforeEach(async () => {
    for (const name of ['one', 'two']) source.services.set(name, [instance({ id: `of ${name}`, service: name })]);
    for (const name of ['one', 'two']) await foreign.ensure(name, POD);
    source.reads.length = 0;
    foreign.follow('one');
    source.refuse('one');
  });

  it('is read in turn, and so is the next, until a minute has passed', async () => {
    foreign.follow('two');
    expect([...source.longPolls.keys()]).toEqual([]);
    await clock.advance(10_000);
    expect(new Set(source.reads)).toEqual(new Set(['one', 'two']));
    await clock.advance(55_000);
    expect([...source.longPolls.keys()].sort()).toEqual(['one', 'two']);
  });

  it('is told when its instances change', async () => {
    await clock.advance(4000);
    expect(told).toEqual([]);
    source.services.set('one', []);
    await clock.advance(4000);
    expect(told).toEqual(['one']);
  });
});
