import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { startDaemon, type RunningDaemon } from '../../src/commands/run/run.ts';
import { parseConfig } from '../../src/config/load.ts';
import { createLog } from '../../src/observability/log.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { findConsul, openRunDirectory, type RunDirectory } from '../control-plane/index.ts';
import { freePort } from '../control-plane/ports.ts';
import { commandLine } from '../rig/command-line.ts';
import { ForwardProxy } from '../rig/forward-proxy.ts';
import { openRig, statusOf, until, untilEqual, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** A Consul whose name only the proxy knows; its certificate says `server.dc1.consul`. */
const PLAIN = 'http://consul.test:8500';
const TLS = 'https://server.dc1.consul:8501';

let rig: Rig;
let run: RunDirectory;
let names: Readonly<Record<string, string>>;
let proxy: ForwardProxy;
let daemon: RunningDaemon | undefined;
let log = '';

beforeAll(async () => {
  run = await openRunDirectory('proxies');
  const consul = await findConsul();
  await mkdir(run.path, { recursive: true });
  for (const args of [
    ['ca', 'create'],
    ['cert', 'create', '-server', '-dc', 'dc1'],
  ])
    expect(
      spawnSync(consul.file, [...consul.prefix, 'tls', ...args], { cwd: run.path, encoding: 'utf8' }),
    ).toMatchObject({ status: 0 });
  const https = await freePort();
  await copyFile(join(run.path, 'consul-agent-ca.pem'), join(run.path, 'ca.pem'));
  rig = await openRig({
    settings: {
      ports: { https },
      tls: {
        https: {
          ca_file: join(run.path, 'ca.pem'),
          cert_file: join(run.path, 'dc1-server-consul-0.pem'),
          key_file: join(run.path, 'dc1-server-consul-0-key.pem'),
        },
      },
    },
  });
  names = {
    'consul.test:8500': new URL(rig.consul.address).host,
    'server.dc1.consul:8501': `127.0.0.1:${https}`,
    'other.test:8501': `127.0.0.1:${https}`,
  };
  await rig.consul.registerOutside('vm', '192.0.2.80');
}, 90_000);
// One for each test: what a daemon asked just before its end may reach its proxy afterwards.
beforeEach(async () => {
  proxy = await ForwardProxy.open(names);
});
afterEach(async () => {
  await daemon?.stop();
  daemon = undefined;
  await proxy.close();
  log = '';
});
afterAll(async () => {
  await rig.close();
  await run.close();
}, 30_000);

/** The daemon, with these variables of the environment. */
async function start(environment: Record<string, string>, consul: object): Promise<RunningDaemon> {
  const { settings } = rig.settingsOf({ toKubernetes: { removalGrace: '0s' }, consul });
  const config = parseConfig(JSON.stringify(settings), environment);
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log += chunk.toString();
      done();
    },
  });
  daemon = await startDaemon({
    ...{ config, log: createLog({ level: 'debug', format: 'json', stream }) },
    ...{ metrics: createMetrics(), version: 'test', timings: {} },
  });
  return daemon;
}

const caFile = () => join(run.path, 'ca.pem');

async function expectBothDirections(name: string): Promise<void> {
  const mirrored = new Mirrored(rig);
  await rig.kubernetes.createPod(rig.namespace, name, { annotations: { 'consular.dev/service-name': name } });
  await until('the pod', async () => (await rig.consul.summary(name)).length === 1);
  await untilEqual('the mirror', () => mirrored.addresses('vm'), ['192.0.2.80:80']);
}

describe('a Consul behind a forward proxy', () => {
  it('is asked for whole URLs in plain text, with the credentials of the proxy, which nobody is shown', async () => {
    proxy.credentials = 'me:secret-of-the-proxy';
    await start({ http_proxy: `http://me:secret-of-the-proxy@${proxy.host}` }, { address: PLAIN });
    await expectBothDirections('plain');
    expect([...proxy.asked].sort()).toEqual([`GET ${PLAIN}`, `PUT ${PLAIN}`]);
    expect(log).not.toContain('secret-of-the-proxy');
  });

  it('is reached through a tunnel with TLS, where the certificate is that of Consul', async () => {
    proxy.credentials = 'me:secret-of-the-proxy';
    const environment = { HTTPS_PROXY: `http://me:secret-of-the-proxy@${proxy.host}` };
    await start(environment, { address: TLS, caFile: caFile() });
    await expectBothDirections('tls');
    expect([...proxy.asked]).toEqual(['CONNECT server.dc1.consul:8501']);
    expect(log).not.toContain('secret-of-the-proxy');
  });

  it('is asked through it by the doctor, which shows nobody the credentials', async () => {
    proxy.credentials = 'me:secret-of-the-proxy';
    const { settings } = rig.settingsOf({ consul: { address: TLS, caFile: caFile() } });
    const file = join(run.path, 'doctor.json');
    await writeFile(file, JSON.stringify(settings));
    const environment = { HTTPS_PROXY: `http://me:secret-of-the-proxy@${proxy.host}` };
    const { stdout, stderr } = await commandLine(environment)('doctor', '--config', file, '--output', 'json');
    const { findings } = JSON.parse(stdout) as { findings: { id: string; level: string; message: string }[] };
    const of = (wanted: string) => findings.filter(({ id }) => id === wanted);
    expect(of('consul.reach')[0]?.message).toContain(`${TLS} answers through the proxy http://${proxy.host}`);
    expect(of('consul.version')).toMatchObject([{ level: 'ok' }]);
    expect(stdout + stderr).not.toContain('secret-of-the-proxy');
  });

  it('is reached under another name when that is the one in its certificate', async () => {
    const consul = { address: 'https://other.test:8501', caFile: caFile(), serverName: 'server.dc1.consul' };
    await start({ HTTPS_PROXY: `http://${proxy.host}` }, consul);
    await expectBothDirections('named');
  });

  it.each([
    ['the certificate has another name', () => ({ address: 'https://other.test:8501', caFile: caFile() }), /altnames/],
    ['its CA is not known', () => ({ address: TLS }), /certificate/],
    ['there is no such host', () => ({ address: 'https://nowhere.test:8501', caFile: caFile() }), /found 502/],
    ['the proxy wants credentials', () => ({ address: TLS, caFile: caFile() }), /found 407/],
  ])('is not read when %s, and the reason is told', async (what, consul, why) => {
    if (what.includes('credentials')) proxy.credentials = 'me:secret';
    const { port } = await start({ HTTPS_PROXY: `http://${proxy.host}` }, consul());
    await until('the reason', async () => (await statusOf({ port })).waitingFor.some((text) => why.test(text)));
    expect((await statusOf({ port })).waitingFor.join()).toContain(`through the proxy http://${proxy.host}`);
  });

  it('is not read when nobody listens there, and the proxy is named', async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    const { port } = await start({ http_proxy: `http://me:secret@${nobody}` }, { address: PLAIN });
    const named = `through the proxy http://${nobody}: consul: Error: connect ECONNREFUSED`;
    await until('the proxy', async () => (await statusOf({ port })).waitingFor.some((text) => text.includes(named)));
    expect(log).not.toContain('secret');
  });

  it('is asked without it on the machine itself, and where NO_PROXY says so', async () => {
    await start({ HTTP_PROXY: `http://${proxy.host}` }, {});
    await expectBothDirections('straight');
    await daemon?.stop();
    const { port } = await start({ HTTP_PROXY: `http://${proxy.host}`, NO_PROXY: '.test' }, { address: PLAIN });
    await until('no such name', async () =>
      (await statusOf({ port })).waitingFor.some((why) => why.includes('consul.test')),
    );
    expect([...proxy.asked]).toEqual([]);
  });
});
