import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { rm, writeFile } from 'node:fs/promises';
import { commandLineOn } from '../rig/command-line.ts';
import { diagnose } from '../rig/doctor.ts';
import {
  openRig,
  statusOf,
  until,
  untilEqual,
  untilIdle,
  type Daemon,
  type DaemonOptions,
  type Rig,
} from '../rig/index.ts';
import { openLogin, type LoginRig } from '../rig/login.ts';
import { Mirrored } from '../rig/mirrored.ts';

describe('a daemon that logs in to Consul with the token of its service account', () => {
  let rig: Rig;
  let logins: LoginRig;
  let mirrored: Mirrored;
  let daemon: Daemon | undefined;

  beforeAll(async () => {
    rig = await openRig({ acl: true });
    logins = await openLogin(rig);
    mirrored = new Mirrored(rig);
    await rig.consul.registerOutside('vm', '192.0.2.80');
    await rig.kubernetes.createPod(rig.namespace, 'orders', {
      annotations: { 'consular.dev/service-name': 'dev-orders' },
    });
  }, 60_000);
  afterEach(async () => {
    await daemon?.stop();
    await logins.rotate();
  });
  afterAll(async () => {
    await rig.close();
    await logins.close();
  }, 30_000);

  async function start(options: DaemonOptions = {}): Promise<Daemon> {
    const consul = { login: { ...logins.login, meta: { pod: 'consular-1' } } };
    daemon = await rig.startDaemon({ token: '', consul, toKubernetes: { removalGrace: '0s' }, ...options });
    return daemon;
  }

  const untilBoth = async () => {
    await untilEqual('the mirror', () => mirrored.addresses('vm'), ['192.0.2.80:80']);
    await until('the pod', async () => (await rig.consul.summary('dev-orders')).length === 1);
  };

  it('does its work in both directions, and logs out at the end', async () => {
    const { records, ...daemon } = await start();
    await untilBoth();
    expect((await logins.sessions()).length).toBe(1);
    const bearer = await logins.bearer();
    const metrics = await daemon.metrics.registry.metrics();
    const status = await (await fetch(`http://127.0.0.1:${daemon.port}/status`)).text();
    await daemon.stop();
    expect(await logins.sessions()).toEqual([]);
    const [login] = records.filter(({ message }) => message === 'logged in to Consul');
    expect(login).toMatchObject({ authMethod: logins.login.authMethod, lives: 'without limit' });
    expect([JSON.stringify(records), metrics, status].filter((text) => text.includes(bearer))).toEqual([]);
    expect(records.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
  });

  it('logs in anew when its token is revoked, and takes nothing away for what it cannot see', async () => {
    const daemon = await start();
    await untilBoth();
    await untilIdle(daemon);
    const before = await mirrored.service('vm');
    const own = await rig.consul.instances('dev-orders');
    await logins.revoke(await logins.sessions());
    await until('a new token', async () => (await logins.sessions()).length === 1);
    await rig.consul.registerOutside('later', '192.0.2.81');
    await untilEqual('what comes later', () => mirrored.addresses('later'), ['192.0.2.81:80'], 60_000);
    await untilIdle(daemon);
    expect(await mirrored.service('vm')).toEqual(before);
    expect(await rig.consul.instances('dev-orders')).toEqual(own);
  });

  it('is not ready while it cannot log in, says why, and needs no restart', async () => {
    await writeFile(logins.login.bearerTokenFile, 'no.valid.token');
    const daemon = await start({ awaitStart: false });
    await until('the reason', async () =>
      (await statusOf(daemon)).waitingFor.some((why) =>
        /^Consul login\b.*: log in to Consul by the auth method jwt-\S+: log in: Consul answered 500: error parsing token/.test(
          why,
        ),
      ),
    );
    await rm(logins.login.bearerTokenFile);
    await until('the other reason', async () =>
      (await statusOf(daemon)).waitingFor.some((why) => /^Consul login\b.*read bearer token file/.test(why)),
    );
    await logins.rotate();
    await daemon.started;
    await until('a ready daemon', async () => (await statusOf(daemon)).ready);
  });

  it('plan and explain log in and out too', async () => {
    const call = commandLineOn(rig, {
      consul: { login: logins.login },
      toConsul: { namespaces: { include: [rig.namespace] } },
      toKubernetes: { namespaces: [rig.namespace] },
    });
    expect(await call('plan')).toMatchObject({ stderr: '' });
    expect(await call('explain', 'consul-service', 'vm')).toMatchObject({ stderr: '' });
    expect(await logins.sessions()).toEqual([]);
  });

  it('the doctor logs in and out too, and says of a login that fails what it is', async () => {
    const { cluster, kubeconfig, namespace, consul } = rig;
    const settings = (login: object = logins.login) => ({
      ...{ cluster, kubernetes: { kubeconfig }, consul: { address: consul.address, login } },
      toConsul: { namespaces: { include: [namespace] } },
      toKubernetes: { namespaces: [namespace] },
    });
    const well = await diagnose(settings());
    expect(well.of('consul.token')).toMatchObject([{ level: 'ok' }]);
    expect(well.of('consul.right').filter(({ level }) => level === 'error')).toEqual([]);
    expect(await logins.sessions()).toEqual([]);
    const fault = async (login: object) => {
      const { findings } = await diagnose(settings(login));
      return findings.filter(({ id, level }) => id === 'consul.token' && level === 'error').map(({ fix }) => fix);
    };
    expect(await fault({ ...logins.login, authMethod: 'other' })).toEqual([
      expect.stringContaining('consul acl auth-method create -name other'),
    ]);
    expect(await fault({ ...logins.login, bearerTokenFile: '/nowhere/token' })).toEqual([
      expect.stringContaining('deploy/kubernetes/consul-login'),
    ]);
    await logins.unbind();
    expect(await fault(logins.login)).toEqual([expect.stringContaining('consul acl binding-rule create')]);
  });
});
