import { describe, expect, it } from '@jest/globals';
import { holderOf } from '../../../../src/to-consul/plan/admission.ts';
import { instance, strings } from '../../builders.ts';

const HERE = { address: '10.1.0.7', port: 8080 };
const tcp = { ...HERE, id: 'prod.shop.dns:dns:8080', tags: [], meta: strings() };
const udp = { ...tcp, id: `${tcp.id}:udp` };

describe('an instance of somebody else', () => {
  it.each<[string, Parameters<typeof instance>[0], boolean]>([
    ['at the same address and port', HERE, true],
    ['that has a warning', { ...HERE, status: 'warning' }, true],
    ['that is critical', { ...HERE, status: 'critical' }, false],
    ['at another address', { ...HERE, address: '10.1.0.8' }, false],
    ['at another port', { ...HERE, port: 9090 }, false],
    ['without an address, on a node with it', { port: 8080, address: '', nodeAddress: HERE.address }, true],
    ['with an address, on a node with this one', { port: 8080, address: '10.1.0.8', nodeAddress: HERE.address }, false],
    ['with the port among named ones', { ...HERE, port: 9090, namedPorts: [9090, 8080] }, true],
    ['with named ports and no default', { ...HERE, port: 0, namedPorts: [8080] }, true],
    ['with other named ports', { ...HERE, port: 9090, namedPorts: [9090, 9091] }, false],
  ])('%s: does it hold the place?', (_, overrides, holds) => {
    expect(holderOf([instance(overrides)], tcp) !== undefined).toBe(holds);
  });

  it.each<[string, Parameters<typeof instance>[0], [tcp: boolean, udp: boolean]]>([
    ['that speaks UDP', { id: 'x:udp' }, [false, true]],
    ['with the tag udp', { tags: ['udp'] }, [false, true]],
    ['that says nothing', {}, [true, true]],
  ])('%s: does it hold the place of TCP, and of UDP?', (_, overrides, holds) => {
    const there = [instance({ ...HERE, ...overrides })];
    expect([tcp, udp].map((registration) => holderOf(there, registration) !== undefined)).toEqual(holds);
  });
});
