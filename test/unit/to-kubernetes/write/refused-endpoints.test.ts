import { describe, expect, it } from '@jest/globals';
import { RefusedEndpoints } from '../../../../src/to-kubernetes/write/refused-endpoints.ts';

const OWNER = { namespace: 'shop', serviceName: 'billing', consulService: 'billing.v1' };
const PLACE = { address: '172.31.0.9', port: 8080 };
const MINUTE = 60_000;

function stage() {
  const clock = { time: 0, now: () => clock.time };
  const refused = new RefusedEndpoints(clock);
  const told: string[] = [];
  refused.subscribe(({ serviceName }) => told.push(serviceName));
  const refuse = () => refused.refuse('EndpointSlice', OWNER, [PLACE], 'no');
  const look = (kind: 'EndpointSlice' | 'Endpoints' = 'EndpointSlice', service = 'billing', place = PLACE) =>
    refused.of(kind, 'shop', service, place);
  return {
    clock,
    refused,
    told,
    refuse,
    look,
    wait: () => refused.waitMs(({ consulService }) => consulService === 'billing.v1'),
  };
}

describe('an endpoint that was refused', () => {
  it('is known for its Service, kind, address and port', () => {
    const { look, refuse, told } = stage();
    refuse();
    expect(look()).toEqual({ why: 'no', isDue: false });
    for (const other of [
      look('Endpoints'),
      look('EndpointSlice', 'orders'),
      look(undefined, undefined, { ...PLACE, port: 81 }),
    ])
      expect(other).toBeUndefined();
    expect(told).toEqual(['billing']);
  });

  it('is tried again after 1 minute, then 2, 4, 8 and always 10', () => {
    const { clock, refuse, look, wait } = stage();
    const waits = [1, 2, 3, 4, 5, 6].map(() => {
      refuse();
      const ms = wait() ?? 0;
      clock.time += ms;
      expect(look()?.isDue).toBe(true);
      expect(wait()).toBeUndefined();
      return ms / MINUTE;
    });
    expect(waits).toEqual([1, 2, 4, 8, 10, 10]);
  });

  it('is forgotten when it is taken, which is told once', () => {
    const { refused, refuse, look, told } = stage();
    refused.take('EndpointSlice', OWNER, [PLACE]);
    refuse();
    for (let i = 0; i < 2; i++) refused.take('EndpointSlice', OWNER, [PLACE]);
    expect(look()).toBeUndefined();
    expect(told).toEqual(['billing', 'billing']);
  });

  it('is forgotten when nobody tried it again for long', () => {
    const { clock, refused, refuse, look } = stage();
    refuse();
    clock.time += 12 * MINUTE;
    refused.refuse('EndpointSlice', OWNER, [{ address: '172.31.0.10', port: 80 }], 'no');
    expect(look()).toBeUndefined();
  });
});
