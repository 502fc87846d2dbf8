import { describe, expect, it } from '@jest/globals';
import { KubernetesError } from '../../../../src/kubernetes/errors.ts';
import type { EndpointSlice } from '../../../../src/kubernetes/objects.ts';
import { desiredSlices, type DesiredSlice } from '../../../../src/to-kubernetes/objects/slice.ts';
import { slicesDivided, writeDivided } from '../../../../src/to-kubernetes/write/divided-write.ts';
import { RefusedEndpoints } from '../../../../src/to-kubernetes/write/refused-endpoints.ts';
import { endpoint, endpointPort, slice } from '../../builders.ts';
import { addresses, mirrored } from '../mirrored.ts';

const billing = mirrored({ endpoints: addresses(1) });
const [found] = desiredSlices('billing', billing, []);
if (!found) throw new Error('expected a slice');
const wished: DesiredSlice = found;
const MINUTE = 60_000;
const LONGEST = 10 * MINUTE;
const upTo = (count: number) => Array.from({ length: count }, (_, i) => `10.20.0.${i}`);

/** An API server whose policy refuses some addresses, and a slice that is to have some, as often as it is tried. */
function stage(now: readonly string[] = [], protocol: 'TCP' | 'UDP' = 'TCP') {
  const clock = { time: 0, now: () => clock.time };
  const refused = new RefusedEndpoints(clock);
  const ports = [endpointPort({ name: 'main', protocol })];
  const policy = { refuses: (_: string): boolean => false };
  const asked = { trials: 0 };
  const there: { slice: EndpointSlice | undefined } = {
    slice: now.length > 0 ? slice({ name: wished.name, ports, endpoints: now.map((at) => endpoint(at)) }) : undefined,
  };
  const attempt = ({ name, endpoints }: DesiredSlice, mode: string) => {
    if (mode === 'trial') asked.trials++;
    const found = endpoints.find(({ address }) => policy.refuses(address));
    if (!found)
      return Promise.resolve(slice({ name, ports, endpoints: endpoints.map(({ address }) => endpoint(address)) }));
    const purpose = { verb: 'patch', kind: 'EndpointSlice', object: `shop/${name}` } as const;
    return Promise.reject(new KubernetesError(purpose, 403, 'Forbidden', `${found.address} is not allowed`));
  };
  const placeOf = (address: string, as = protocol) => ({ address, port: 8080, protocol: as });
  const of = (address: string, as = protocol) => refused.of('EndpointSlice', 'shop', 'billing', placeOf(address, as));
  return {
    ...{ clock, policy, refused, of },
    addresses: () => there.slice?.endpoints.map(({ address }) => address) ?? [],
    /** @returns how many questions it took, and whether it failed */
    write: async (wanted: readonly string[]) => {
      asked.trials = 0;
      const endpoints = wanted.map((address) => ({ address, zone: '', host: '' }));
      const desired = { ...wished, ports, endpoints };
      const write = { namespace: 'shop', desired, observed: there.slice, attempt };
      const outcome = await writeDivided(refused, slicesDivided([]), write).catch((error: unknown) => {
        if (!(error instanceof KubernetesError)) throw error;
      });
      if (outcome) there.slice = outcome.written;
      return { trials: asked.trials, isWritten: outcome !== undefined };
    },
  };
}

describe('a slice of which the API server refuses some endpoints', () => {
  it('stays as it is when more live endpoints would go than left Consul', async () => {
    const all = upTo(99);
    const { policy, write, addresses, of } = stage(all);
    policy.refuses = (address) => address !== '10.20.0.0' && address !== '10.20.0.98';
    const { isWritten, trials } = await write(all.slice(0, -1));
    expect([isWritten, addresses(), of('10.20.0.1')]).toEqual([false, all, undefined]);
    expect(trials).toBeLessThan(25);
  });

  it('loses a live one for one that left, and takes what comes beside', async () => {
    const { policy, write, addresses } = stage(upTo(4));
    policy.refuses = (address) => address === '10.20.0.1';
    await write(['10.20.0.0', '10.20.0.1', '10.20.0.2', '10.20.0.9']);
    expect(addresses()).toEqual(['10.20.0.0', '10.20.0.2', '10.20.0.9']);
  });

  it('lets go what left and takes what comes, where only a newcomer is refused', async () => {
    const { policy, write, addresses } = stage(['10.74.0.1', '10.74.0.2', '10.74.0.3']);
    policy.refuses = (address) => !address.startsWith('10.74.');
    await write(['10.74.0.1', '10.74.0.2', '172.31.0.9', '10.74.0.4']);
    expect(addresses()).toEqual(['10.74.0.1', '10.74.0.2', '10.74.0.4']);
  });

  it('costs no endpoint of the same address and port that speaks another protocol', async () => {
    const { policy, write, of } = stage([], 'TCP');
    policy.refuses = () => true;
    await write(['10.20.0.1']);
    expect([of('10.20.0.1', 'TCP') !== undefined, of('10.20.0.1', 'UDP')]).toEqual([true, undefined]);
  });

  it('remembers for each the words that the API server had for it', async () => {
    const { policy, write, of } = stage();
    policy.refuses = (address) => address === '10.20.0.1' || address === '10.20.0.3';
    await write(upTo(5));
    expect(of('10.20.0.3')?.why).toContain('10.20.0.3 is not allowed');
  });

  it('is asked about seldom where all are refused, at each try, and takes them when they are allowed', async () => {
    const { policy, write, clock, addresses } = stage();
    policy.refuses = () => true;
    for (let i = 0; i < 40; i++) {
      expect((await write(upTo(100))).trials).toBeLessThanOrEqual(20);
      clock.time += LONGEST;
    }
    policy.refuses = () => false;
    await write(upTo(100));
    expect(addresses()).toEqual(upTo(100));
  });

  it('takes one of many when it is allowed at last, and each in its turn', async () => {
    const { policy, write, clock, addresses } = stage();
    policy.refuses = () => true;
    for (let i = 0; i < 30; i++) {
      await write(upTo(100));
      clock.time += LONGEST;
    }
    policy.refuses = (address) => address !== '10.20.0.77';
    for (let i = 0; i < 26 && addresses().length === 0; i++) {
      await write(upTo(100));
      clock.time += LONGEST;
    }
    expect(addresses()).toEqual(['10.20.0.77']);
  });

  it('has all that is allowed after some tries, however many are refused among them', async () => {
    const { policy, write, clock, addresses } = stage();
    const isRefused = (address: string) => Number(address.split('.')[3]) % 3 === 0;
    policy.refuses = isRefused;
    for (let i = 0; i < 5; i++) {
      expect((await write(upTo(100))).trials).toBeLessThanOrEqual(64);
      clock.time += LONGEST;
    }
    expect(addresses().toSorted()).toEqual(
      upTo(100)
        .filter((address) => !isRefused(address))
        .toSorted(),
    );
  });
});
