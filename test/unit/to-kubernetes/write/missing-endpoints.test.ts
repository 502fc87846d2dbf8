import { describe, expect, it } from '@jest/globals';
import { growingFirst, MissingEndpoints, staysError } from '../../../../src/to-kubernetes/write/missing-endpoints.ts';
import { slice as sliceObject, strings } from '../../builders.ts';

const slice = (port: number, ...addresses: string[]) => sliceOf('TCP', port, ...addresses);
const sliceOf = (protocol: 'TCP' | 'UDP', port: number, ...addresses: string[]) => ({
  ports: [
    { port, protocol },
    { port, protocol },
  ],
  endpoints: addresses.map((address) => ({ address })),
});

/** What would be lost by a change after the writing of some slices failed. */
function lost(failed: ReturnType<typeof slice>[], ...change: Parameters<MissingEndpoints['lost']>): string[] {
  const missing = new MissingEndpoints();
  for (const each of failed) missing.add(each);
  return missing.lost(...change).map(({ address }) => address);
}

describe('endpoints whose slice could not be written', () => {
  const failed = [slice(80, '192.0.2.1', '2001:DB8::1')];

  it('stay in the slice that has them', () => {
    expect(lost(failed, slice(80, '192.0.2.1'))).toEqual(['192.0.2.1']);
    expect(lost(failed, slice(80, '192.0.2.1'), slice(80, '192.0.2.2'))).toEqual(['192.0.2.1']);
    expect(lost(failed, slice(80, '2001:db8:0::1'))).toEqual(['2001:db8:0::1']);
  });

  it('are no reason to keep anything else, not even what shares the slice', () => {
    expect(lost(failed, slice(80, '192.0.2.2', '192.0.2.1', '192.0.2.3'))).toEqual(['192.0.2.1']);
    expect(lost(failed, slice(80, '192.0.2.2'))).toEqual([]);
    expect(lost(failed, slice(81, '192.0.2.1'))).toEqual([]);
    expect(lost(failed, slice(80, '192.0.2.1'), slice(80, '192.0.2.1', '192.0.2.3'))).toEqual([]);
    expect(lost([], slice(80, '192.0.2.1'))).toEqual([]);
  });

  it('need the WorkloadEntry that has them, and no other', () => {
    const missing = new MissingEndpoints();
    for (const each of failed) missing.add(each);
    const entry = (address: string, port: number) => ({ address, ports: new Map([['main', port]]) });
    expect(missing.needs(entry('192.0.2.1', 80))).toBe(true);
    expect(missing.needs(entry('2001:db8::1', 80))).toBe(true);
    expect(missing.needs(entry('192.0.2.1', 81))).toBe(false);
    expect(missing.needs(entry('192.0.2.2', 80))).toBe(false);
  });

  it('are told of with what was to be done to which object', () => {
    const { message } = staysError('delete', 'EndpointSlice', sliceObject({ name: 'orders-1', labels: strings() }));
    expect(message).toMatch(/^delete EndpointSlice shop\/orders-1: what it has stays/);
  });
});

describe('updates of slices', () => {
  const update = (name: string, before: ReturnType<typeof slice>, after: ReturnType<typeof slice>) => ({
    ...{ name, observed: before, desired: after },
  });
  const order = (...updates: ReturnType<typeof update>[]) => growingFirst(updates).map(({ name }) => name);

  it('that only take away come after those that add, and those that do both between them', () => {
    const shrinks = update('shrinks', slice(80, '192.0.2.1', '192.0.2.2'), slice(80, '192.0.2.2'));
    const changes = update('changes', slice(80, '192.0.2.3'), slice(80, '192.0.2.1'));
    const grows = update('grows', slice(80, '192.0.2.4'), slice(80, '192.0.2.4', '192.0.2.3'));
    const stays = update('stays', slice(80, '192.0.2.5'), slice(80, '192.0.2.5'));
    expect(order(shrinks, changes, grows, stays)).toEqual(['grows', 'stays', 'changes', 'shrinks']);
    expect(order(stays, grows, changes, shrinks)).toEqual(['stays', 'grows', 'changes', 'shrinks']);
  });

  it('add where they change the number of the port', () => {
    const shrinks = update('shrinks', slice(80, '192.0.2.1', '192.0.2.2'), slice(80, '192.0.2.2'));
    const moves = update('moves', slice(80, '192.0.2.9'), slice(81, '192.0.2.9'));
    expect(order(shrinks, moves)).toEqual(['moves', 'shrinks']);
  });
});
