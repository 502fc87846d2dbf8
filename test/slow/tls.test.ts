import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { makePlan } from '../../src/commands/plan.ts';
import { parseConfig } from '../../src/config/load.ts';
import { createLog } from '../../src/observability/log.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { findConsul, openRunDirectory, type RunDirectory } from '../control-plane/index.ts';
import { freePort } from '../control-plane/ports.ts';
import { expired } from '../rig/certificates.ts';
import { openRig, scrape, until, untilIdle, type Daemon, type Rig } from '../rig/index.ts';

let rig: Rig;
let run: RunDirectory;
let port = 0;

const file = (name: string) => join(run.path, name);

/** Consul makes the certificates itself: a CA in a folder, and what that CA signs. */
async function makeCertificates(folder: string, ...all: readonly (readonly string[])[]): Promise<void> {
  const consul = await findConsul();
  await mkdir(file(folder), { recursive: true });
  for (const args of all)
    expect(
      spawnSync(consul.file, [...consul.prefix, 'tls', ...args], { cwd: file(folder), encoding: 'utf8' }),
    ).toMatchObject({ status: 0 });
}
const CA = ['ca', 'create'];
const SERVER = ['cert', 'create', '-server', '-dc', 'dc1'];
const CLIENT = ['cert', 'create', '-client', '-dc', 'dc1'];

/** A Consul that its tests read in plain text, and daemons over TLS with a client certificate. */
beforeAll(async () => {
  run = await openRunDirectory('tls');
  await Promise.all([makeCertificates('old', CA, SERVER, CLIENT), makeCertificates('new', CA, SERVER, CLIENT)]);
  await mkdir(file('server'));
  await useServer('old');
  port = await freePort();
  rig = await openRig({
    settings: {
      ports: { https: port },
      tls: {
        defaults: {
          ca_file: file('server/ca.pem'),
          cert_file: file('server/cert.pem'),
          key_file: file('server/key.pem'),
          verify_incoming: true,
        },
      },
    },
  });
}, 60_000);
afterAll(async () => {
  await rig.close();
  await run.close();
}, 30_000);

/** What the server presents, and whose client certificates it takes, from its next reload. */
async function useServer(folder: string, trusted = [folder]): Promise<void> {
  const cas = await Promise.all(trusted.map((ca) => readFile(file(`${ca}/consul-agent-ca.pem`))));
  await writeFile(file('server/ca.pem'), Buffer.concat(cas));
  await copyFile(file(`${folder}/dc1-server-consul-0.pem`), file('server/cert.pem'));
  await copyFile(file(`${folder}/dc1-server-consul-0-key.pem`), file('server/key.pem'));
}

describe('a Consul behind TLS', () => {
  const certificates = () => ({
    CONSUL_CACERT: file('old/consul-agent-ca.pem'),
    CONSUL_CLIENT_CERT: file('old/dc1-client-consul-0.pem'),
    CONSUL_CLIENT_KEY: file('old/dc1-client-consul-0-key.pem'),
  });

  /** What the first `run` would write for itself: there is nothing else to do. */
  const OWN = [{ kind: 'ServiceInstance' }, { kind: 'Key' }];

  function plan(environment: Record<string, string>, consul: object = {}): ReturnType<typeof makePlan> {
    const settings = {
      cluster: rig.cluster,
      toConsul: { namespaces: { include: [rig.namespace] } },
      toKubernetes: { namespaces: [rig.namespace] },
      consul,
    };
    const config = parseConfig(JSON.stringify(settings), {
      KUBECONFIG: rig.kubeconfig,
      CONSUL_HTTP_ADDR: `https://localhost:${port}`,
      ...environment,
    });
    const log = createLog({ level: 'error', format: 'text' });
    return makePlan({ config, log, metrics: createMetrics(), version: 'test' }, 3000);
  }

  it('is read with its CA and a client certificate, from the variables of the consul command', async () => {
    await expect(plan(certificates())).resolves.toMatchObject({ changes: OWN });
  });

  it('is read under another name when that is the one in its certificate', async () => {
    await expect(plan(certificates(), { serverName: 'server.dc1.consul' })).resolves.toMatchObject({ changes: OWN });
  });

  it.each([
    ['an unknown CA', ['CONSUL_CACERT']],
    ['no client certificate', ['CONSUL_CLIENT_CERT', 'CONSUL_CLIENT_KEY']],
  ])('is not read with %s', async (_, without) => {
    const environment = Object.fromEntries(
      Object.entries(certificates()).filter(([variable]) => !without.includes(variable)),
    );
    await expect(plan(environment)).rejects.toThrow(
      /read both systems: not complete after 3 s: .*Consul .*no usable answer from Consul/,
    );
  });

  it('is not read when the name in its certificate is another', async () => {
    await expect(plan(certificates(), { serverName: 'server.dc2.consul' })).rejects.toThrow(
      /Hostname\/IP does not match certificate's altnames/,
    );
  });
});

describe('TLS files that change while the daemon runs', () => {
  let daemon: Daemon;
  let number = 0;

  beforeAll(async () => {
    await mkdir(file('daemon'));
    await useClient('old');
    // Not on the agent, which would forget it at a reload.
    await rig.consul.must('PUT', '/catalog/register', {
      ...{ Node: 'vm-1', Address: '192.0.2.80' },
      Service: { ID: 'vm-1', Service: 'vm', Address: '192.0.2.80', Port: 80 },
    });
    daemon = await rig.startDaemon({
      consulAddress: `https://localhost:${port}`,
      consul: { caFile: file('daemon/ca.pem'), certFile: file('daemon/cert.pem'), keyFile: file('daemon/key.pem') },
      toKubernetes: { removalGrace: '0s' },
    });
    await untilMirrored();
    await register();
  }, 60_000);

  async function useClient(folder: string, trusted = [folder]): Promise<void> {
    const cas = await Promise.all(trusted.map((ca) => readFile(file(`${ca}/consul-agent-ca.pem`))));
    await writeFile(file('daemon/ca.pem'), Buffer.concat(cas));
    await copyFile(file(`${folder}/dc1-client-consul-0.pem`), file('daemon/cert.pem'));
    await copyFile(file(`${folder}/dc1-client-consul-0-key.pem`), file('daemon/key.pem'));
  }

  /** A certificate of a folder, but valid until long ago. */
  const expiredIn = async (folder: string, name: string) =>
    expired(
      await readFile(file(`${folder}/${name}`), 'utf8'),
      await readFile(file(`${folder}/consul-agent-ca-key.pem`), 'utf8'),
    );

  const untilMirrored = () =>
    until('the mirror', () => rig.kubernetes.find(`/api/v1/namespaces/${rig.namespace}/endpoints/vm`));

  /** A new pod: each asks for a connection, and each that is registered shows that there is one. */
  async function createPod(): Promise<string> {
    const name = `pod-${number++}`;
    await rig.kubernetes.createPod(rig.namespace, name, { annotations: { 'consular.dev/service-name': name } });
    return name;
  }
  const untilRegistered = (name: string) =>
    until(`${name} in Consul`, async () => (await rig.consul.summary(name)).length === 1);
  const register = async () => untilRegistered(await createPod());

  const told = (message: string) => daemon.records.filter((record) => record.message === message);
  const CHANGED = 'TLS files for Consul changed, new connections use them';
  const UNUSABLE = 'TLS files for Consul cannot be used, going on with what was in them';

  /** Pods make the daemon ask, and look at the files. */
  async function untilTold(message: string, count: number): Promise<void> {
    await until(message, async () => {
      if (told(message).length >= count) return true;
      await createPod();
      return false;
    });
  }

  async function untilRefused(why: RegExp): Promise<void> {
    const known = daemon.records.length;
    await createPod();
    await until(`a refusal with ${String(why)}`, () =>
      Promise.resolve(daemon.records.slice(known).some(({ error }) => why.test(String(error)))),
    );
  }

  /** What must not be touched by any of it. */
  const mirror = () => rig.kubernetes.find(`/api/v1/namespaces/${rig.namespace}/endpoints/vm`);

  async function reload(): Promise<void> {
    process.kill(rig.consulServer.pid, 'SIGHUP');
    const { fingerprint256 } = new X509Certificate(await readFile(file('server/cert.pem')));
    await until('the certificate of the server', async () => (await presented()) === fingerprint256);
  }

  /** As a restart of Consul would: connections that are there go on without a look at the certificate. */
  async function reconnect(): Promise<void> {
    await appendFile(file('daemon/ca.pem'), '# nothing else\n');
    await untilTold(CHANGED, told(CHANGED).length + 1);
  }

  /** Of the certificate that a new connection gets to see. */
  async function presented(): Promise<string | undefined> {
    const socket = connect({ host: 'localhost', port, rejectUnauthorized: false });
    try {
      await once(socket, 'secureConnect');
      return socket.getPeerX509Certificate()?.fingerprint256;
    } finally {
      socket.destroy();
    }
  }

  it('costs nothing when they are half written, and is told once', async () => {
    const before = await mirror();
    const whole = await readFile(file('daemon/ca.pem'));
    await writeFile(file('daemon/ca.pem'), whole.subarray(0, whole.length / 2));
    await untilTold(UNUSABLE, 1);
    await register();
    await writeFile(file('daemon/cert.pem'), await readFile(file('new/dc1-client-consul-0.pem')));
    await writeFile(file('daemon/ca.pem'), whole);
    // Now it is the certificate that does not fit to the key.
    await untilTold(UNUSABLE, 2);
    await register();
    expect(told(UNUSABLE).map(({ error }) => String(error))).toEqual([
      expect.stringMatching(/ca\.pem: expected certificates in PEM, found 0 whole of 1$/),
      expect.stringMatching(/key\.pem: expected the key of the certificate in .*cert\.pem, found another one$/),
    ]);
    await useClient('old');
    await register();
    expect([told(CHANGED).length, await mirror()]).toEqual([0, before]);
  });

  /** When certificates end, as metrics say it. */
  const ends = async () => {
    const series = await scrape(daemon);
    return ['consul-ca', 'consul-client'].map((one) =>
      series.get(`consular_certificate_expiry_timestamp_seconds{certificate="${one}"}`),
    );
  };
  const endOf = async (name: string) =>
    new Date(new X509Certificate(await readFile(file(name))).validTo).getTime() / 1000;

  it('recovers by itself when a client certificate that has expired is replaced, and loses nothing', async () => {
    const before = await mirror();
    const caEnds = await endOf('daemon/ca.pem');
    expect(await ends()).toEqual([caEnds, await endOf('daemon/cert.pem')]);
    const registered = await rig.consul.instances('pod-0');
    await writeFile(file('daemon/cert.pem'), await expiredIn('old', 'dc1-client-consul-0.pem'));
    await untilTold(CHANGED, told(CHANGED).length + 1);
    await untilRefused(/certificate expired/);
    expect(await ends()).toEqual([caEnds, await endOf('daemon/cert.pem')]);
    const [waiting, goes] = [await createPod(), 'pod-1'];
    await rig.kubernetes.deletePod(rig.namespace, goes);
    await useClient('old');
    await untilRegistered(waiting);
    await until('the pod that went', async () => (await rig.consul.summary(goes)).length === 0);
    await untilIdle(daemon);
    expect([await mirror(), await rig.consul.instances('pod-0')]).toEqual([before, registered]);
  });

  it('recovers by itself when a certificate of Consul that has expired is replaced, and loses nothing', async () => {
    const before = await mirror();
    await writeFile(file('server/cert.pem'), await expiredIn('old', 'dc1-server-consul-0.pem'));
    await reload();
    await reconnect();
    await untilRefused(/certificate has expired/);
    const waiting = await createPod();
    await useServer('old');
    await reload();
    await untilRegistered(waiting);
    await untilIdle(daemon);
    expect(await mirror()).toEqual(before);
  });

  it('follows a new CA: at first both are trusted, then the new one', async () => {
    const changes = told(CHANGED).length;
    await useClient('old', ['old', 'new']);
    await untilTold(CHANGED, changes + 1);
    await useServer('new', ['old', 'new']);
    await reload();
    await useClient('new');
    await untilTold(CHANGED, changes + 2);
    await register();
    await untilIdle(daemon);
  });

  it('recovers by itself when the CA comes after the certificate that it signed', async () => {
    const before = await mirror();
    await useServer('old', ['old', 'new']);
    await reload();
    await reconnect();
    await untilRefused(/self-signed certificate in certificate chain|unable to (verify|get)/);
    const waiting = await createPod();
    await useClient('new', ['old', 'new']);
    await untilRegistered(waiting);
    await untilIdle(daemon);
    expect(await mirror()).toEqual(before);
  });
});
