import { describe, expect, it } from '@jest/globals';
import { Addresses, isOfTheAddress, type Place } from '../../../src/consul/addresses.ts';
import { ConsulError } from '../../../src/consul/errors.ts';
import { settled, TestClock } from '../clock.ts';
import { TestLog } from '../log.ts';

const [A, B, C] = ['http://a:8500', 'http://b:8500', 'http://c:8500'] as const;
const SILENT = new ConsulError('read', 0, '', new Error('ECONNREFUSED'));

/** Several addresses, and which servers each of them tells of; an error for one that does not answer. */
function stage(servers: Record<string, readonly string[] | Error>) {
  const clock = new TestClock();
  const log = new TestLog();
  const asked: string[] = [];
  const addresses = new Addresses({
    addresses: Object.keys(servers),
    readServers: ({ address }: Place) => {
      asked.push(address);
      const said = servers[address] ?? [];
      return said instanceof Error ? Promise.reject(said) : Promise.resolve(new Set(said));
    },
    ...{ log, clock },
  });
  /** Where a request that goes well goes. */
  const ask = async () => {
    const place = await addresses.ready();
    addresses.answered(place);
    await settled();
    return place.address;
  };
  return { addresses, servers, ask, asked, log, clock };
}

describe('one of several addresses', () => {
  it('is used as long as it works', async () => {
    const { ask, asked } = stage({ [A]: ['s1'], [B]: ['s1'] });
    expect([await ask(), await ask(), await ask()]).toEqual([A, A, A]);
    expect(asked).toEqual([A]);
  });

  it('is left for the next one when it fails, and what waits there is called off', async () => {
    const { addresses, ask, log } = stage({ [A]: ['s1', 's2'], [B]: ['s2', 's3'] });
    await ask();
    const before = addresses.current;
    addresses.failed(before, SILENT);
    expect(before.left.aborted).toBe(true);
    expect([await ask(), await ask()]).toEqual([B, B]);
    expect(addresses.current.left.aborted).toBe(false);
    expect(log.records.filter(({ level }) => level === 'warn')).toEqual([
      {
        level: 'warn',
        message: 'Consul is asked at another address now',
        fields: { before: A, address: B, error: SILENT },
      },
    ]);
    addresses.failed(addresses.current, SILENT);
    expect(await ask()).toBe(A);
  });

  it('is left once, however many requests failed there', async () => {
    const { addresses, ask } = stage({ [A]: ['s1'], [B]: ['s1'], [C]: ['s1'] });
    await ask();
    const before = addresses.current;
    for (let i = 0; i < 5; i++) addresses.failed(before, SILENT);
    expect(await ask()).toBe(B);
  });

  it('is not used when another Consul answers there, and the next one is', async () => {
    const { addresses, ask } = stage({ [A]: ['s1'], [B]: ['other'], [C]: ['s1'] });
    await ask();
    addresses.failed(addresses.current, SILENT);
    await expect(ask()).rejects.toThrow(`ask Consul at ${B}: expected one of the servers of Consul that are known`);
    expect(await ask()).toBe(C);
  });

  it.each([
    ['its token shows no server', []],
    ['it refuses the token', new ConsulError('read servers', 403, 'ACL not found')],
    ['it does not answer', SILENT],
  ])('is not used when %s, and the next one is', async (_, said) => {
    const { addresses, ask } = stage({ [A]: ['s1'], [B]: said, [C]: ['s1'] });
    await ask();
    addresses.failed(addresses.current, SILENT);
    await expect(ask()).rejects.toThrow(`ask Consul at ${B}: `);
    expect(await ask()).toBe(C);
  });

  it('is left at a start when nobody answers there, and not for want of rights', async () => {
    const silent = stage({ [A]: SILENT, [B]: ['s1'] });
    await expect(silent.ask()).rejects.toThrow(`ask Consul at ${A}: `);
    expect(await silent.ask()).toBe(B);
    const refused = stage({ [A]: new ConsulError('read servers', 403, 'Permission denied'), [B]: ['s1'] });
    await expect(refused.ask()).rejects.toThrow(`ask Consul at ${A}: `);
    await expect(refused.ask()).rejects.toThrow(`ask Consul at ${A}: `);
  });

  it('is followed by one whose servers have all been replaced meanwhile', async () => {
    const { addresses, servers, ask, clock } = stage({ [A]: ['s1'], [B]: ['s3'] });
    await ask();
    servers[A] = ['s2', 's3'];
    await clock.advance(61_000);
    await ask();
    addresses.failed(addresses.current, SILENT);
    expect(await ask()).toBe(B);
  });
});

it('the only address is asked nothing, and never left', async () => {
  const { addresses, ask, asked } = stage({ [A]: ['s1'] });
  await ask();
  addresses.failed(addresses.current, SILENT);
  expect([await ask(), asked]).toEqual([A, []]);
});

it.each([
  [0, '', true],
  [502, 'Bad Gateway', true],
  [503, '', true],
  [504, '', true],
  [500, 'No cluster leader', true],
  [500, 'No known Consul servers', true],
  [500, 'Invalid service name', false],
  [403, 'ACL not found', false],
  [409, '', false],
  [429, '', false],
])('that another address may do better after %s "%s" is %s', (status, detail, expected) => {
  expect(isOfTheAddress(new ConsulError('read', status, detail))).toBe(expected);
});
