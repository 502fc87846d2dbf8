import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import { MANAGED_BY, META } from '../../../../src/mark.ts';
import { ForeignInstances, type ForeignSource } from '../../../../src/to-consul/observed/foreign-instances.ts';
import { instance, owner, strings } from '../../builders.ts';
import { TestClock } from '../../clock.ts';
import { TestLog } from '../../log.ts';
import { settled } from '../../clock.ts';

const OURS = strings({ [META.managedBy]: MANAGED_BY, [META.cluster]: 'prod' });

/** Services in a Consul that is a map. */
class MemoryServices implements ForeignSource {
  readonly services = new Map<string, readonly ServiceInstance[]>();
  readonly reads: string[] = [];
  readonly longPolls = new Map<string, (instances: readonly ServiceInstance[]) => void>();
  readonly #refuse = new Map<string, () => void>();
  failure: Error | undefined;

  names(): Promise<readonly string[]> {
    return Promise.resolve([...this.services.keys()]);
  }

  read(service: string): Promise<readonly ServiceInstance[]> {
    this.reads.push(service);
    return this.failure ? Promise.reject(this.failure) : Promise.resolve(this.services.get(service) ?? []);
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

beforeEach(async () => {
  source = new MemoryServices();
  source.services.set('Orders', [instance({ id: 'theirs', service: 'Orders' })]);
  clock = new TestClock();
  ended = new AbortController();
  told = [];
  log = new TestLog();
  foreign = await ForeignInstances.read({ source, owner, log, signal: ended.signal, clock });
  foreign.subscribe((name) => told.push(name));
});

const idsOf = (service: string) => foreign.of(service)?.map(({ id }) => id);

describe('the foreign instances of a service', () => {
  it('are none when nobody else has it, and have to be read when others do', () => {
    expect([foreign.of('billing'), foreign.of('ORDERS')]).toEqual([[], undefined]);
  });

  it('are known once they are read, in any spelling, for two seconds', async () => {
    await foreign.ensure('orders');
    expect([source.reads, idsOf('oRDERS')]).toEqual([['Orders'], ['theirs']]);
    await clock.advance(1999);
    await foreign.ensure('orders');
    expect([source.reads.length, idsOf('orders')]).toEqual([1, ['theirs']]);
    await clock.advance(1);
    expect(idsOf('orders')).toBeUndefined();
    await foreign.ensure('orders');
    expect([source.reads.length, idsOf('orders')]).toEqual([2, ['theirs']]);
  });

  it('are not read when nobody else has it', async () => {
    await foreign.ensure('billing');
    expect(source.reads).toEqual([]);
  });

  it('are not those of ours, but those with our mark on a node of others, and of others on a node of ours', async () => {
    await source.put(
      'Orders',
      instance({ id: 'ours', node: 'K8S-prod--worker-1', meta: OURS }),
      instance({ id: 'copied', node: 'vm-1', meta: OURS }),
      instance({ id: 'squatter', node: 'k8s-prod--worker-1' }),
    );
    await foreign.ensure('orders');
    expect(idsOf('orders')).toEqual(['copied', 'squatter']);
  });

  it('are forgotten when nobody else has it any more', async () => {
    await foreign.ensure('orders');
    foreign.takeNames([]);
    expect(foreign.of('orders')).toEqual([]);
    foreign.takeNames(['orders']);
    expect(foreign.of('orders')).toBeUndefined();
  });

  it('are read once for all that ask at the same time', async () => {
    await Promise.all(['Orders', 'orders', 'ORDERS'].map((name) => foreign.ensure(name)));
    expect(source.reads).toEqual(['Orders']);
  });

  it('that cannot be read are an error', async () => {
    source.failure = new Error('no leader');
    await expect(foreign.ensure('orders')).rejects.toThrow('no leader');
    expect(foreign.of('orders')).toBeUndefined();
  });
});

describe('a name that is followed', () => {
  beforeEach(async () => {
    await foreign.ensure('orders');
    foreign.follow('orders');
    foreign.follow('Orders');
  });

  it('is told once when its instances change, and is not followed any more then', async () => {
    expect([...source.longPolls.keys()]).toEqual(['Orders']);
    await source.put('Orders', instance({ id: 'another' }));
    await source.put('Orders', instance({ id: 'a third' }));
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
    await source.put('Orders', instance({ id: 'theirs', service: 'Orders', ...change }));
    expect(told).toEqual(isTold ? ['orders'] : []);
  });

  it('is told also when somebody else reads it first', async () => {
    source.services.set('Orders', []);
    await clock.advance(2000);
    await foreign.ensure('orders');
    expect(told).toEqual(['orders']);
  });

  it('is told when the last foreign instance is gone', () => {
    foreign.takeNames([]);
    expect([told, [...source.longPolls]]).toEqual([['orders'], []]);
  });

  it('can be followed again', async () => {
    await source.put('Orders', instance({ id: 'another' }));
    foreign.follow('orders');
    await source.put('Orders', instance({ id: 'a third' }));
    expect(told).toEqual(['orders', 'orders']);
  });

  it('is none that nobody else has', () => {
    foreign.follow('billing');
    expect([...source.longPolls.keys()]).toEqual(['Orders']);
  });
});

describe('names beyond ten that are followed', () => {
  const names = Array.from({ length: 13 }, (_, i) => `service-${i}`);

  beforeEach(async () => {
    for (const name of names) source.services.set(name, [instance({ id: `of ${name}`, service: name })]);
    foreign.takeNames(names);
    for (const name of names) await foreign.ensure(name);
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
    foreign.takeNames(names.slice(0, 11));
    await clock.advance(4100);
    expect([told, source.reads]).toEqual([
      ['service-11', 'service-12'],
      ['service-10', 'service-10'],
    ]);
    ended.abort();
    await clock.advance(10_000);
    expect([source.reads.length, clock.due]).toEqual([2, []]);
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
    foreign.takeNames(names.slice(0, 10));
    await clock.advance(10_000);
    expect([source.reads, clock.due]).toEqual([[], []]);
  });
});

describe('a name for whose long poll Consul allows no connection', () => {
  beforeEach(async () => {
    for (const name of ['one', 'two']) source.services.set(name, [instance({ id: `of ${name}`, service: name })]);
    foreign.takeNames(['one', 'two']);
    for (const name of ['one', 'two']) await foreign.ensure(name);
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
