import { describe, expect, it } from '@jest/globals';
import type { Place } from '../../../../src/to-kubernetes/objects/ports.ts';
import { RefusedEndpoints } from '../../../../src/to-kubernetes/write/refused-endpoints.ts';

const OWNER = { namespace: 'shop', serviceName: 'billing', consulService: 'billing.v1' };
const PLACE: Place = { address: '172.31.0.9', port: 8080, protocol: 'TCP' };
const MINUTE = 60_000;

function stage() {
  const clock = { time: 0, now: () => clock.time };
  const refused = new RefusedEndpoints(clock);
  const told: string[] = [];
  refused.subscribe(({ serviceName }) => told.push(serviceName));
  const refuse = (isAsked = true) => refused.refuse('EndpointSlice', OWNER, [{ place: PLACE, why: 'no', isAsked }]);
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
  it('is known for its Service, kind, address, port and protocol', () => {
    const { look, refuse, told } = stage();
    refuse();
    expect(look()).toEqual({ why: 'no', isDue: false, askedAt: 0 });
    for (const other of [
      look('Endpoints'),
      look('EndpointSlice', 'orders'),
      look(undefined, undefined, { ...PLACE, port: 81 }),
      look(undefined, undefined, { ...PLACE, protocol: 'UDP' }),
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

  it('is known by when it was asked about alone, if it was', () => {
    const { clock, refuse, look } = stage();
    refuse(false);
    expect(look()?.askedAt).toBeUndefined();
    clock.time = MINUTE;
    refuse();
    clock.time = 2 * MINUTE;
    refuse(false);
    expect(look()?.askedAt).toBe(MINUTE);
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
    const place = { ...PLACE, address: '172.31.0.10' };
    refused.refuse('EndpointSlice', OWNER, [{ place, why: 'no', isAsked: true }]);
    expect(look()).toBeUndefined();
  });
});
