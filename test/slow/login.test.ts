import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { counted, openRig, scrape, statusOf, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { openLogin, type LoginRig } from '../rig/login.ts';
import { Mirrored } from '../rig/mirrored.ts';

const LONG_MS = 90_000;

let rig: Rig;
let logins: LoginRig | undefined;

beforeAll(async () => void (rig = await openRig({ acl: true })), 60_000);
afterAll(async () => {
  await rig.close();
  await logins?.close();
}, 30_000);

it('a token that ends is renewed before, with what the file has by then, and nobody notices', async () => {
  logins = await openLogin(rig, { maxTokenTTL: '60s' });
  const mirrored = new Mirrored(rig);
  await rig.consul.registerOutside('vm', '192.0.2.80');
  const daemon = await rig.startDaemon({
    ...{ token: '', consul: { login: logins.login }, toKubernetes: { removalGrace: '0s' } },
    // So that nothing is read again but what waits.
    timings: { lookPace: undefined, sweepPace: undefined },
  });
  await untilEqual('the mirror', () => mirrored.addresses('vm'), ['192.0.2.80:80']);
  await untilIdle(daemon);
  const before = await mirrored.service('vm');
  const [first] = await logins.sessions();
  const end = async () => (await scrape(daemon)).get('consular_token_expiry_timestamp_seconds{token="consul"}');
  const endOfFirst = await until('the end of the token', end);
  expect(endOfFirst).toBeGreaterThan(Date.now() / 1000);
  expect(endOfFirst).toBeLessThanOrEqual(Date.now() / 1000 + 60);
  const seen = daemon.records.length;
  await logins.rotate();
  await until('another token', async () => (await logins?.sessions())?.some((session) => session !== first), LONG_MS);
  await until('the end of the first', async () => (await logins?.sessions())?.includes(first ?? '') === false);
  const second = await logins.sessions();
  expect(second.length).toBe(1);
  await until('the end of the second', async () => ((await end()) ?? 0) > endOfFirst);
  // Removals go on with the new token.
  await rig.consul.registerOutside('goes', '192.0.2.81');
  await untilEqual('the other', () => mirrored.addresses('goes'), ['192.0.2.81:80']);
  await rig.consul.deregisterFromCatalog({ node: 'outside-goes', id: 'goes-80' });
  await until('its end', async () => (await mirrored.service('goes')) === undefined);
  expect(await mirrored.service('vm')).toEqual(before);
  const told = daemon.records.slice(seen).filter(({ level }) => level === 'warn' || level === 'error');
  expect(told).toEqual([]);
  expect(await counted(daemon.metrics.watchFailures)).toEqual([]);
  await until('a third token', async () => !(await logins?.sessions())?.includes(second[0] ?? ''), LONG_MS);
  expect((await statusOf(daemon)).ready).toBe(true);
  await daemon.stop();
  expect(await logins.sessions()).toEqual([]);
});

it('an auth method of the type kubernetes takes the token of the service account', async () => {
  const kubernetes = await openLogin(rig, { type: 'kubernetes' });
  try {
    const daemon = await rig.startDaemon({ token: '', consul: { login: kubernetes.login } });
    await untilIdle(daemon);
    expect((await kubernetes.sessions()).length).toBe(1);
    await daemon.stop();
    expect(await kubernetes.sessions()).toEqual([]);
  } finally {
    await kubernetes.close();
  }
});
