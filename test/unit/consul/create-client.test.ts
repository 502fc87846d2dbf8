import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../../../src/config/load.ts';
import type { ConsulClient } from '../../../src/consul/client.ts';
import { createConsulClient } from '../../../src/consul/create-client.ts';
import { ConsulError } from '../../../src/consul/errors.ts';
import { QUIET } from '../log.ts';

/** Where nobody listens: what is said of a request that was never sent has another cause than that. */
const NOWHERE = 'http://127.0.0.1:1';
const NAMES = { purpose: 'read service names', path: '/catalog/services' };

let folder: string;
const clients: ConsulClient[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'consul-client-'));
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await rm(folder, { recursive: true });
});

function open(consul: object): ConsulClient {
  const config = parseConfig(JSON.stringify({ cluster: 'prod', consul: { address: NOWHERE, ...consul } }), {});
  const client = createConsulClient(config.consul, 'test', QUIET);
  clients.push(client);
  return client;
}

/** What a request fails with: its words, and those of its cause. */
async function refusal(client: ConsulClient, signal?: AbortSignal): Promise<string> {
  const refused = await client.get({ ...NAMES, ...(signal ? { signal } : {}) }).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(refused instanceof ConsulError)) throw new Error(`expected a ConsulError, found ${String(refused)}`);
  expect([refused.status, refused.message]).toEqual([0, expect.stringContaining('read service names')]);
  return String(refused.cause);
}

describe('a token file', () => {
  it.each([
    ['is missing', undefined, /ENOENT.*token/],
    ['is empty', ' \n', /read token file .*token: expected a token, found an empty file/],
  ])('that %s keeps requests from being sent without a token', async (_, text, why) => {
    const tokenFile = join(folder, 'token');
    if (text !== undefined) await writeFile(tokenFile, text);
    expect(await refusal(open({ tokenFile }))).toMatch(why);
  });

  it('is read anew after it could not be read', async () => {
    const tokenFile = join(folder, 'token');
    const client = open({ tokenFile });
    expect(await refusal(client)).toMatch(/ENOENT/);
    await writeFile(tokenFile, 'secret');
    expect(await refusal(client)).toMatch(/ECONNREFUSED/);
  });
});

describe('a request that gets no answer', () => {
  it.each([
    ['http', NOWHERE],
    ['https', 'https://127.0.0.1:1'],
  ])('says what was asked and why there is none, over %s', async (_, address) => {
    expect(await refusal(open({ address }))).toMatch(/ECONNREFUSED/);
  });
});

it('a request is counted by what came of it, and not when it was called off', async () => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const counted: (number | 'error')[] = [];
  const onAnswered = (status: number | 'error') => void counted.push(status);
  const ask = (address: string, signal: AbortSignal) => {
    const { consul } = parseConfig(JSON.stringify({ cluster: 'prod', consul: { address } }), {});
    const client = createConsulClient(consul, 'test', QUIET, { onAnswered });
    clients.push(client);
    return refusal(client, signal);
  };
  const stop = new AbortController();
  await ask(NOWHERE, stop.signal);
  expect(counted).toEqual(['error']);
  silent.once('connection', () => stop.abort());
  await ask(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`, stop.signal);
  expect(counted).toEqual(['error']);
  silent.close();
});

it('a request that is called off while its token is read is not sent', async () => {
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, 'secret');
  const stop = new AbortController();
  const refused = refusal(open({ tokenFile }), stop.signal);
  stop.abort();
  expect(await refused).toMatch(/AbortError/);
});

describe('a file for TLS', () => {
  it.each(['caFile', 'certFile', 'keyFile'])('that is missing is named at the start: %s', (setting) => {
    const path = join(folder, setting);
    expect(() => open({ address: 'https://127.0.0.1:1', [setting]: path })).toThrow(path);
  });
});
