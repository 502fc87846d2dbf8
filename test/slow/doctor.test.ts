import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { findConsul } from '../control-plane/index.ts';
import { freePort } from '../control-plane/ports.ts';
import { expired } from '../rig/certificates.ts';
import { diagnose, follow, type Diagnosis } from '../rig/doctor.ts';
import { openRig, until, type Rig } from '../rig/index.ts';
import { MANIFESTS, render } from '../rig/manifests.ts';
import { openStage, readPolicy, rightsOf, withoutRight, type ApiServer, type Stage } from '../rig/rights.ts';

const objects = [...render(MANIFESTS), ...render(join(MANIFESTS, 'readiness-gate'))];
const forImports = render(join(MANIFESTS, 'import-namespace'));
const policy = await readPolicy('dev');

let rig: Rig;
let shared: ApiServer;
let folder = '';
let stage: Stage | undefined;

beforeAll(async () => {
  rig = await openRig({ acl: true });
  shared = { api: rig.kubernetes, kubeconfig: rig.kubeconfig };
  folder = await mkdtemp(join(tmpdir(), 'consular-advice-'));
}, 60_000);
afterAll(async () => {
  for (const name of ['consular', 'consular-namespaces', 'consular-readiness-gate'])
    for (const kind of ['clusterroles', 'clusterrolebindings'])
      await rig.kubernetes.call('DELETE', `/apis/rbac.authorization.k8s.io/v1/${kind}/${name}`);
  await rig.close();
  await rm(folder, { recursive: true });
}, 30_000);
afterEach(async () => {
  await stage?.close();
  stage = undefined;
}, 30_000);

/** The settings of a stage's daemons, with its account and its token. */
async function settingsOf({ options, cluster }: Stage): Promise<object> {
  const tokenFile = join(folder, `${cluster}.token`);
  await writeFile(tokenFile, options.token ?? '');
  const { kubeconfig, leaderElection, toConsul, toKubernetes } = options;
  return {
    ...{ cluster, leaderElection, toConsul, toKubernetes },
    kubernetes: { kubeconfig },
    consul: { address: rig.consulServer.address, tokenFile },
    besides: [...rig.clusters].filter((other) => other !== cluster),
  };
}

const administrator = () => ({
  kubeconfig: rig.kubeconfig,
  consulAddress: rig.consulServer.address,
  consulToken: rig.consulServer.managementToken ?? '',
});

const wrong = ({ findings }: Diagnosis, id: string) =>
  findings.filter((one) => one.id === id && (one.level === 'error' || one.level === 'warning'));

/** Follows the advice on each finding of that check that is wrong, until none is. */
async function mend(settings: object, id: string): Promise<void> {
  for (const { fix } of wrong(await diagnose(settings), id)) await follow(fix ?? 'false', administrator(), folder);
  await until(`${id} to be mended`, async () => wrong(await diagnose(settings), id).length === 0);
}

describe('a right that is missing in Kubernetes is named, and given by the command that is advised', () => {
  const names = [...new Set(rightsOf(objects).map(({ name }) => name))];

  it.each(names)('%s', async (name) => {
    stage = await openStage({ rig, server: shared, objects: [...objects, ...forImports], without: name });
    const settings = await settingsOf(stage);
    const found = wrong(await diagnose(settings), 'kubernetes.right');
    expect(found.length).toBeGreaterThan(0);
    const [verb = '', resource = ''] = name.split(' ');
    for (const { message } of found) expect(message).toContain(` may not ${verb} ${resource}`);
    await mend(settings, 'kubernetes.right');
  });

  it.each(rightsOf(forImports).map(({ name }) => name))('%s, where Services take instances in', async (name) => {
    stage = await openStage({ rig, server: shared, objects: [...objects, ...withoutRight(forImports, name)] });
    const settings = await settingsOf(stage);
    const found = wrong(await diagnose(settings), 'kubernetes.right');
    expect(found).toHaveLength(1);
    expect(found[0]?.message).toContain(`may not ${name} in namespace ${stage.importNamespace}`);
    await mend(settings, 'kubernetes.right');
  });
});

describe('a right that is missing in Consul is named, and given by the command that is advised', () => {
  it.each(policy.map(({ name }) => name))('%s', async (name) => {
    stage = await openStage({ rig, server: shared, objects, without: name });
    const annotations = { 'consular.dev/service-name': stage.name('orders') };
    await rig.kubernetes.createPod(stage.namespace, 'orders', { annotations });
    const settings = await settingsOf(stage);
    const [, resource = '', segment = '', access = ''] = /^(\w+) "(.*)" (\w+)$/.exec(name) ?? [];
    const subject =
      name === 'service_prefix "dev-" write'
        ? `service "${stage.name('orders')}" write`
        : `${resource} "${segment.replace(/(?<=[-/]|^)dev(?=[-/]|$)/, stage.cluster)}" ${access}`;
    const found = wrong(await diagnose(settings), 'consul.right');
    expect(found.map((one) => one.subject)).toEqual([subject]);
    await mend(settings, 'consul.right');
  });
});

describe('another fault', () => {
  /** An installation in order, but for what the test breaks, with all rights. */
  async function installation(): Promise<{ cluster: string; namespace: string; settings: Settings }> {
    stage = await openStage({ rig, server: shared, objects: [...objects, ...forImports] });
    return { cluster: stage.cluster, namespace: stage.namespace, settings: (await settingsOf(stage)) as Settings };
  }

  it('a mirror namespace that is not there is made by the advice', async () => {
    stage = await openStage({ rig, server: shared, objects: [...objects, ...forImports], alsoInto: ['absent'] });
    const settings = (await settingsOf(stage)) as Settings;
    expect(wrong(await diagnose(settings), 'kubernetes.namespace')).toMatchObject([
      {
        ...{ level: 'error', subject: `${stage.cluster}-absent` },
        message: 'there is no such namespace (toKubernetes.namespaces)',
      },
    ]);
    await mend(settings, 'kubernetes.namespace');
    // Its Role is not there either.
    await mend(settings, 'kubernetes.right');
  });

  it('no token: policy and token are made by the advice', async () => {
    const { settings } = await installation();
    const { address } = settings.consul;
    const without = { ...settings, consul: { address } };
    const said = await diagnose(without);
    expect(said.status).toBe(1);
    expect(said.findings.filter(({ level }) => level === 'error')).toHaveLength(1);
    expect(wrong(said, 'consul.token')).toMatchObject([
      { message: 'Consul has ACLs, and no token is configured: nothing can be read or written' },
    ]);
    await follow(wrong(said, 'consul.token')[0]?.fix ?? 'false', administrator(), folder);
    const mended = await diagnose({ ...settings, consul: { address, tokenFile: join(folder, 'token.txt') } });
    expect([...wrong(mended, 'consul.token'), ...wrong(mended, 'consul.right')]).toEqual([]);
  });

  it('a token file that is not there is the cause, and nothing else is an error', async () => {
    const { settings } = await installation();
    const tokenFile = join(folder, 'no-token');
    const said = await diagnose({ ...settings, consul: { ...settings.consul, tokenFile } });
    expect(said.of('consul.token')[0]?.message).toContain(`expected a token in ${tokenFile}, found none`);
    expect(said.of('consul.reach')[0]?.level).toBe('ok');
    expect(said.findings.filter(({ level }) => level === 'error')).toHaveLength(1);
    expect(wrong(said, 'kubernetes.right')).toEqual([]);
  });

  it('a token that Consul does not know is another fault than none', async () => {
    const { settings } = await installation();
    await writeFile(settings.consul.tokenFile, '00000000-1111-2222-3333-444444444444');
    expect(wrong(await diagnose(settings), 'consul.token')).toMatchObject([
      { message: 'Consul does not know the token (ACL not found): nothing can be read or written' },
    ]);
  });

  it.each([
    ['no policy and no role', {}],
    ['a role only', { Roles: [{ Name: 'apps' }] }],
  ])('a token with %s gets its rights by the advice', async (_, links) => {
    const { settings } = await installation();
    if ('Roles' in links) await rig.consul.must('PUT', '/acl/role', { Name: 'apps' });
    const bare = (await rig.consul.must('PUT', '/acl/token', { Description: 'bare', ...links })) as {
      SecretID: string;
    };
    await writeFile(settings.consul.tokenFile, bare.SecretID);
    expect(wrong(await diagnose(settings), 'consul.right').length).toBeGreaterThan(5);
    await mend(settings, 'consul.right');
  });

  it('what an administrator asks about is the account of the daemon', async () => {
    const name = 'patch services';
    stage = await openStage({ rig, server: shared, objects: [...objects, ...forImports], without: name });
    const settings = { ...(await settingsOf(stage)), kubernetes: { kubeconfig: rig.kubeconfig } };
    const said = await diagnose(settings, '--account', `${stage.namespace}/consular`);
    expect(wrong(said, 'kubernetes.right').map(({ message }) => message)).toEqual([
      expect.stringContaining(`${stage.namespace}/consular may not ${name} in namespace ${stage.namespace}`),
    ]);
    expect(said.of('kubernetes.right', '')[0]?.message).toContain(
      `rights are those of account ${stage.namespace}/consular`,
    );
  });

  it('a Consul that accepts connections and never answers is waited for a while, which is said, and costs nothing else', async () => {
    const { settings } = await installation();
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await until('the silent server', () => Promise.resolve(silent.listening));
    const address = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const said = await diagnose({ ...settings, consul: { ...settings.consul, address } });
    expect(said.of('consul.reach')).toMatchObject([{ level: 'error', message: 'no answer within 5 s' }]);
    expect(said.progress).toContain('waiting for consul.reach');
    expect(wrong(said, 'kubernetes.right')).toEqual([]);
    silent.close();
  });

  it("a cluster name that is another cluster's gives way to the one that is advised", async () => {
    const { cluster, settings } = await installation();
    const meta = { 'managed-by': 'consular', 'k8s-cluster': cluster, 'k8s-cluster-uid': 'uid-of-another' };
    await rig.consul.must('PUT', '/catalog/register', { Node: `k8s-${cluster}`, Address: '192.0.2.1', NodeMeta: meta });
    const [found] = wrong(await diagnose(settings), 'cluster.name');
    expect(found?.message).toContain(`${cluster} belongs to another Kubernetes cluster: Consul node k8s-${cluster}`);
    const advised = parse(found?.fix ?? '') as { cluster: string };
    expect((await diagnose({ ...settings, ...advised })).of('cluster.name')).toMatchObject([{ level: 'ok' }]);
  });

  it('two installations in one cluster that do not know of each other get to know', async () => {
    const { settings } = await installation();
    const other = await rig.startDaemon({ cluster: `${rig.cluster}-two`, toKubernetes: { enabled: false } });
    const own = async (name: string) =>
      (await rig.consul.instances('consular')).some(({ Node }) => Node.Node === `k8s-${name}`);
    await until('the other installation in Consul', () => own(`${rig.cluster}-two`));
    const [found] = wrong(await diagnose({ ...settings, besides: [] }), 'cluster.others');
    expect(found?.message).toContain(`${rig.cluster}-two`);
    const advised = parse(found?.fix ?? '') as object;
    expect((await diagnose({ ...settings, ...advised })).of('cluster.others')).toMatchObject([{ level: 'ok' }]);
    await other.stop();
  });

  it('two installations under one name are told by the Lease of the one that writes', async () => {
    const { settings, namespace } = await installation();
    await stage?.start();
    await until('somebody who leads', async () => (await diagnose(settings)).of('leader.fence')[0]?.level === 'ok');
    // The second one looks for its Lease elsewhere.
    const second = `${namespace}-two`;
    await rig.kubernetes.must('POST', '/api/v1/namespaces', { metadata: { name: second } });
    const moved = { ...settings, leaderElection: { enabled: true, namespace: second } };
    await mend(moved, 'kubernetes.right');
    const lease = {
      metadata: { name: `consular-${settings.cluster}` },
      spec: {
        holderIdentity: 'second',
        leaseDurationSeconds: 15,
        renewTime: new Date().toISOString().replace('Z', '000Z'),
      },
    };
    await rig.kubernetes.must('POST', `/apis/coordination.k8s.io/v1/namespaces/${second}/leases`, lease);
    const [found] = wrong(await diagnose(moved), 'leader.fence');
    expect(found).toMatchObject({ level: 'error' });
    expect(found?.message).toContain('another installation has the name of this cluster');
    const listed = await follow(found?.fix ?? 'false', administrator(), folder);
    expect(listed.split('\n').filter((line) => line.includes(`consular-${settings.cluster}`))).toHaveLength(2);
  });

  it('the catalog sync of consul-k8s that has left its node is removed by the advice', async () => {
    const { settings } = await installation();
    await rig.consul.registerInCatalog({
      node: 'k8s-sync',
      id: 'orders-1',
      service: 'orders',
      address: '192.0.2.7',
      port: 80,
    });
    const [found] = wrong(await diagnose(settings), 'neighbour.consul-k8s');
    expect(found).toMatchObject({ level: 'warning' });
    expect(found?.message).toContain('its catalog sync has left entries; node k8s-sync has 1 instance');
    await mend(settings, 'neighbour.consul-k8s');
  });

  it('an entry of registrator for a pod is removed by the advice', async () => {
    const { settings } = await installation();
    const id = 'worker-1:k8s_app_orders-1_shop_0a1b_0:8080';
    await rig.consul.registerOnAgent({ id, name: `${settings.cluster}-registrator`, address: '192.0.2.9', port: 8080 });
    const [found] = wrong(await diagnose(settings), 'neighbour.registrator');
    expect(found?.message).toContain(
      `it has left entries: 1 of the instances that were looked at are pods by it, such as ${id}`,
    );
    // The agent of the tests does not listen where agents do.
    const advice = (found?.fix ?? '').replaceAll('http://127.0.0.1:8500', rig.consulServer.address);
    await follow(advice, administrator(), folder);
    expect(wrong(await diagnose(settings), 'neighbour.registrator')).toEqual([]);
  });

  it('a Consul that is not where the configuration says costs only what has to ask it', async () => {
    const { settings } = await installation();
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const said = await diagnose({ ...settings, consul: { ...settings.consul, address: nobody } });
    expect(wrong(said, 'consul.reach')).toMatchObject([{ level: 'error' }]);
    expect(said.of('consul.reach')[0]?.message).toContain(`${nobody} does not answer`);
    expect(said.of('consul.right')).toMatchObject([{ level: 'skipped', message: 'Consul cannot be asked' }]);
    expect(wrong(said, 'kubernetes.right')).toEqual([]);
    expect(said.findings.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  it('one of several addresses that nobody answers at is a warning, and the others are asked all the rest', async () => {
    const { settings } = await installation();
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const address = [nobody, settings.consul.address];
    const said = await diagnose({ ...settings, consul: { ...settings.consul, address } });
    expect(said.of('consul.reach').map(({ level, subject }) => [subject, level])).toEqual([
      [nobody, 'warning'],
      [settings.consul.address, 'ok'],
    ]);
    expect(said.findings.filter(({ level }) => level === 'error')).toEqual([]);
    expect(said.of('consul.token')[0]?.level).toBe('ok');
  });

  it('a host of Consul that DNS does not know is the cause, and told once', async () => {
    const { settings } = await installation();
    const said = await diagnose({
      ...settings,
      consul: { ...settings.consul, address: 'http://consul.nowhere.invalid:8500' },
    });
    expect(said.of('consul.dns')[0]?.message).toContain(
      'the host consul.nowhere.invalid of consul.address has no address',
    );
    expect(said.of('consul.reach')[0]?.fix).toContain('see what is said of its name');
  });

  it('an API server that is not where the kubeconfig says costs only what has to ask it', async () => {
    const { settings } = await installation();
    const text = await readFile(settings.kubernetes.kubeconfig, 'utf8');
    const file = join(folder, 'wrong-kubeconfig');
    await writeFile(file, text.replace(/https:\/\/127\.0\.0\.1:\d+/, `https://127.0.0.1:${await freePort()}`));
    const said = await diagnose({ ...settings, kubernetes: { kubeconfig: file } });
    expect(wrong(said, 'kubernetes.reach')).toMatchObject([{ level: 'error' }]);
    expect(wrong(said, 'consul.right')).toEqual([]);
    expect(said.of('cluster.name')).toMatchObject([{ level: 'skipped', message: 'Kubernetes cannot be asked' }]);
  });
});

describe('a Consul behind TLS', () => {
  let secure: Rig;
  let port = 0;
  const file = (name: string) => join(folder, name);
  const settings = (caFile: string, more: object = {}) => ({
    cluster: secure.cluster,
    kubernetes: { kubeconfig: secure.kubeconfig },
    consul: { address: `https://localhost:${port}`, caFile: file(caFile), ...more },
    toKubernetes: { namespaces: [secure.namespace] },
  });
  const CA = 'consul-agent-ca.pem';

  /** Consul makes the certificates itself. */
  async function make(name: string): Promise<void> {
    const { file: program, prefix } = await findConsul();
    await mkdir(file(name));
    for (const args of [
      ['ca', 'create'],
      ['cert', 'create', '-server', '-dc', 'dc1'],
      ['cert', 'create', '-client', '-dc', 'dc1'],
    ])
      expect(spawnSync(program, [...prefix, 'tls', ...args], { cwd: file(name) }).status).toBe(0);
  }

  beforeAll(async () => {
    await Promise.all([make('ours'), make('theirs')]);
    port = await freePort();
    const defaults = {
      ca_file: file(`ours/${CA}`),
      cert_file: file('ours/dc1-server-consul-0.pem'),
      key_file: file('ours/dc1-server-consul-0-key.pem'),
    };
    secure = await openRig({ settings: { ports: { https: port }, tls: { defaults } } });
  }, 60_000);
  afterAll(() => secure.close(), 30_000);

  it('is reached with its CA, and its certificate is told until when it is valid', async () => {
    const said = await diagnose(settings(`ours/${CA}`));
    expect(said.of('consul.reach')[0]?.level).toBe('ok');
    expect(said.of('consul.tls')[0]?.message).toMatch(/^its certificate is valid until 20\d\d-/);
  });

  it('is not believed with a wrong CA, until the file has the one that is named', async () => {
    await writeFile(file('ca.pem'), await readFile(file(`theirs/${CA}`)));
    const said = await diagnose(settings('ca.pem'));
    expect(said.of('consul.tls')[0]?.message).toMatch(
      /issued by .*is not believed: another CA than ours has signed it/,
    );
    expect(said.of('consul.tls')[0]?.fix).toContain(`${file('ca.pem')} has to have the certificate of the CA`);
    await writeFile(file('ca.pem'), await readFile(file(`ours/${CA}`)));
    expect(wrong(await diagnose(settings('ca.pem')), 'consul.tls')).toEqual([]);
  });

  it('is not believed under a name that its certificate has not, until that is the one which is advised', async () => {
    const said = await diagnose(settings(`ours/${CA}`, { serverName: 'server.dc2.consul' }));
    expect(said.of('consul.tls')[0]?.message).toMatch(/is not believed: it is for other names, .*server\.dc1\.consul/);
    const { consul } = parse(said.of('consul.tls')[0]?.fix ?? '') as { consul: object };
    const mended = await diagnose(settings(`ours/${CA}`, consul));
    expect(wrong(mended, 'consul.tls')).toEqual([]);
  });

  it('cannot be asked with a CA file that is not there', async () => {
    const said = await diagnose(settings('nowhere.pem'));
    expect(said.of('consul.tls')[0]?.fix).toContain(`ls -l ${file('nowhere.pem')}`);
    expect(said.of('consul.right')).toMatchObject([{ level: 'skipped' }]);
    expect(said.of('kubernetes.right', 'list, watch nodes')).toMatchObject([{ level: 'ok' }]);
  });

  it('is told that its certificate has expired, until there is a new one, and so is our own', async () => {
    const server = file('ours/dc1-server-consul-0.pem');
    const valid = await readFile(server, 'utf8');
    const key = await readFile(file('ours/consul-agent-ca-key.pem'), 'utf8');
    const ended = async (level: string) => {
      process.kill(secure.consulServer.pid, 'SIGHUP');
      await until(`a certificate that is ${level}`, async () => {
        const said = await diagnose(settings(`ours/${CA}`));
        return said.of('consul.tls')[0]?.level === level && said;
      });
      return diagnose(settings(`ours/${CA}`));
    };
    await writeFile(server, expired(valid, key));
    const said = await ended('error');
    expect(said.of('consul.tls')[0]?.message).toMatch(/has expired 2021-/);
    expect(said.of('consul.tls')[0]?.fix).toContain('consul tls cert create -server && consul reload');
    await writeFile(server, valid);
    expect(wrong(await ended('ok'), 'consul.reach')).toEqual([]);

    const own = await readFile(file('ours/dc1-client-consul-0.pem'), 'utf8');
    await writeFile(file('ended.pem'), expired(own, key));
    const keyFile = file('ours/dc1-client-consul-0-key.pem');
    const ours = await diagnose(settings(`ours/${CA}`, { certFile: file('ended.pem'), keyFile }));
    expect(ours.of('consul.client-certificate')[0]?.message).toMatch(/has expired 2021-/);
  });
});

interface Settings {
  readonly cluster: string;
  readonly kubernetes: { readonly kubeconfig: string };
  readonly consul: { readonly address: string; readonly tokenFile: string };
  readonly toKubernetes: object;
}
