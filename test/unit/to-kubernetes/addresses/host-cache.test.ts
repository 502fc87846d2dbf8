import { afterEach, describe, expect, it } from '@jest/globals';
import {
  HostCache,
  type HostCacheOptions,
  type KnownHost,
} from '../../../../src/to-kubernetes/addresses/host-cache.ts';
import type { HostAnswer } from '../../../../src/to-kubernetes/addresses/host-lookup.ts';
import { until } from '../../../rig/until.ts';

type Answer = readonly string[] | Error | 'never';

/** What DNS says in this test, how often it was asked, and what the cache told. */
class World {
  readonly answers = new Map<string, Answer>();
  readonly asked: string[] = [];
  readonly told: string[] = [];
  readonly users = new Map([['vm-1', new Set(['billing'])]]);
  readonly #stop = new AbortController();
  readonly cache: HostCache;

  constructor(limits: HostCacheOptions['limits'] = {}, ttlMs = 1) {
    const lookUp = (host: string): Promise<HostAnswer> => {
      this.asked.push(host);
      const answer = this.answers.get(host) ?? new Error('there is no such name in DNS');
      if (answer === 'never')
        return new Promise((_, reject) =>
          this.#stop.signal.addEventListener('abort', () => reject(new Error('stopped'))),
        );
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve({ addresses: answer, ttlMs });
    };
    const isUsedBy = (host: string, service: string) => this.users.get(host)?.has(service) ?? false;
    const quick = { shortestMs: 1, retryMs: 1, longestRetryMs: 2, perSecond: 10_000 };
    this.cache = new HostCache({ lookUp, isUsedBy, limits: { ...quick, ...limits } }, this.#stop.signal);
    this.cache.subscribe((service) => this.told.push(service));
    worlds.push(this);
  }

  stop(): void {
    this.#stop.abort();
  }

  /** What is known of a host that a service wants. */
  ask(host: string, service = 'billing'): KnownHost | undefined {
    this.cache.want(host, service);
    return this.cache.known(host);
  }

  async known(...expected: unknown[]): Promise<void> {
    await until(JSON.stringify(expected), () => {
      const known = this.ask('vm-1');
      return Promise.resolve(JSON.stringify([known?.addresses, known?.failure]) === JSON.stringify(expected));
    });
  }
}

const worlds: World[] = [];
afterEach(() => {
  for (const world of worlds.splice(0)) world.stop();
});

describe('a host name', () => {
  it('is not known at first, then it is, and who asked is told once', async () => {
    const world = new World({ shortestMs: 100_000, longestMs: 100_000 });
    world.answers.set('vm-1', ['10.20.0.1']);
    expect(world.ask('VM-1.')).toBeUndefined();
    expect(world.ask('vm-1')).toBeUndefined();
    await world.cache.settled();
    expect(world.ask('vm-1')).toEqual({ addresses: ['10.20.0.1'], failure: '' });
    expect([world.asked, world.told]).toEqual([['vm-1'], ['billing']]);
  });

  it('is looked up again when its time is over; an answer that is the same is no news', async () => {
    const world = new World();
    world.answers.set('vm-1', ['10.20.0.1']);
    await world.known(['10.20.0.1'], '');
    const asked = world.asked.length;
    await until('two more look-ups', () => Promise.resolve(world.asked.length >= asked + 2));
    expect(world.told).toEqual(['billing']);
    world.answers.set('vm-1', ['10.20.0.2']);
    await world.known(['10.20.0.2'], '');
    expect(world.told).toEqual(['billing', 'billing']);
  });

  it('keeps its last good answer while DNS fails, and says why', async () => {
    const world = new World();
    world.answers.set('vm-1', ['10.20.0.1']);
    await world.known(['10.20.0.1'], '');
    world.answers.set('vm-1', new Error('DNS did not answer'));
    await world.known(['10.20.0.1'], 'DNS did not answer');
    world.answers.set('vm-1', ['10.20.0.1']);
    await world.known(['10.20.0.1'], '');
    expect(world.told).toEqual(['billing', 'billing', 'billing']);
  });

  it('that never was there is known not to be, and looked for again', async () => {
    const world = new World();
    await world.known([], 'there is no such name in DNS');
    world.answers.set('vm-1', ['10.20.0.1']);
    await world.known(['10.20.0.1'], '');
  });

  it('has the address that Kubernetes shows until there is a newer answer', async () => {
    const world = new World();
    world.answers.set('vm-1', 'never');
    world.cache.remember('VM-1', '10.20.0.1');
    expect(world.ask('vm-1')).toEqual({ addresses: ['10.20.0.1'], failure: '' });
    const other = new World();
    other.cache.remember('vm-1', '10.20.0.1');
    await other.known(['10.20.0.1'], 'there is no such name in DNS');
  });

  it('is forgotten when no instance has it any more', async () => {
    const world = new World();
    world.answers.set('vm-1', ['10.20.0.1']);
    world.users.get('vm-1')?.add('orders');
    world.ask('vm-1', 'orders');
    await world.known(['10.20.0.1'], '');
    expect([...world.told].sort()).toEqual(['billing', 'orders']);
    world.users.set('vm-1', new Set(['orders']));
    const asked = world.asked.length;
    await until('more look-ups', () => Promise.resolve(world.asked.length >= asked + 2));
    expect(world.cache.size).toBe(1);
    world.users.delete('vm-1');
    await until('an empty cache', () => Promise.resolve(world.cache.size === 0));
  });

  it('beyond the limit is refused, and the others are not', async () => {
    const world = new World({ most: 1 });
    world.answers.set('vm-1', ['10.20.0.1']);
    await world.known(['10.20.0.1'], '');
    expect(world.ask('vm-2')).toEqual({ addresses: [], failure: 'there are more than 1 host names' });
    expect(world.ask('vm-1')?.addresses).toEqual(['10.20.0.1']);
  });

  it('that takes for ever to look up does not hold up the others', async () => {
    const world = new World();
    world.users.set('vm-0', new Set(['billing']));
    world.answers.set('vm-0', 'never').set('vm-1', ['10.20.0.1']);
    expect(world.ask('vm-0')).toBeUndefined();
    await world.known(['10.20.0.1'], '');
    expect(world.ask('vm-0')).toBeUndefined();
  });

  it('is not looked up because somebody asks what is known of it', async () => {
    const world = new World({ most: 1 });
    world.answers.set('vm-1', ['10.20.0.1']);
    world.cache.remember('vm-2', '10.20.0.2');
    expect([world.cache.known('vm-1'), world.cache.known('vm-2')]).toEqual([
      undefined,
      { addresses: ['10.20.0.2'], failure: '' },
    ]);
    await world.cache.settled();
    expect([world.asked, world.cache.size]).toEqual([[], 0]);
  });

  it('is not looked up any more after the end', async () => {
    const world = new World();
    world.answers.set('vm-1', ['10.20.0.1']);
    await world.known(['10.20.0.1'], '');
    world.stop();
    const asked = world.asked.length;
    world.ask('vm-9');
    await world.cache.settled();
    expect(world.asked).toHaveLength(asked);
  });
});
