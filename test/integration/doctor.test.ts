import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandLine } from '../rig/command-line.ts';
import { diagnose, type Diagnosis } from '../rig/doctor.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { openRig, until, type Rig } from '../rig/index.ts';
import { openKubernetesProxy } from '../rig/kubernetes-proxy.ts';
import { MANIFESTS, render } from '../rig/manifests.ts';
import { openStage, type Stage } from '../rig/rights.ts';

const objects = [
  ...render(MANIFESTS),
  ...render(join(MANIFESTS, 'readiness-gate')),
  ...render(join(MANIFESTS, 'import-namespace')),
];

let rig: Rig;
let stage: Stage;
let folder = '';
let app: Server;

/** An installation in order, with a pod and a machine that answer, and a daemon that leads. */
beforeAll(async () => {
  rig = await openRig({ acl: true });
  folder = await mkdtemp(join(tmpdir(), 'consular-doctor-'));
  stage = await openStage({ rig, server: { api: rig.kubernetes, kubeconfig: rig.kubeconfig }, objects });
  app = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await until('a listening application', () => Promise.resolve(app.listening));
  const { port } = app.address() as AddressInfo;
  const annotations = { 'consular.dev/service-name': stage.name('orders') };
  const ports = [{ containerPort: port }];
  await rig.kubernetes.createPod(stage.namespace, 'orders', { ip: '127.0.0.1', annotations, ports });
  await rig.consul.registerOnAgent({ id: 'vm-1', name: stage.name('billing'), address: '127.0.0.1', port });
  await stage.start();
}, 60_000);
afterAll(async () => {
  app.close();
  await stage.close();
  await rig.close();
  await rm(folder, { recursive: true });
}, 30_000);

async function settings(changed: { kubeconfig?: string | undefined; address?: string } = {}): Promise<object> {
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, stage.options.token ?? '');
  const { cluster, options } = stage;
  return {
    ...{ cluster, leaderElection: options.leaderElection, toConsul: options.toConsul },
    toKubernetes: options.toKubernetes,
    kubernetes: { kubeconfig: changed.kubeconfig ?? options.kubeconfig },
    consul: { address: changed.address ?? rig.consulServer.address, tokenFile },
  };
}

const seen = ({ findings }: Diagnosis, ...levels: string[]) => findings.filter(({ level }) => levels.includes(level));

describe('consular doctor', () => {
  it('finds nothing wrong with an installation that is in order, and says what it looked at', async () => {
    let said: Diagnosis | undefined;
    await until('a leader with its entry in Consul', async () => {
      said = await diagnose(await settings());
      return said.of('cluster.name')[0]?.message === `${stage.cluster} is this cluster's in Consul`;
    });
    expect(said && seen(said, 'warning', 'error')).toEqual([]);
    expect(said?.status).toBe(0);
    expect(said && [...new Set(said.findings.map(({ id }) => id))]).toEqual([
      ...['kubernetes.reach', 'kubernetes.tls', 'kubernetes.version', 'kubernetes.clock'],
      ...['consul.reach', 'consul.clock', 'kubernetes.namespace', 'kubernetes.right'],
      ...['consul.version', 'consul.datacenter', 'consul.token', 'consul.right', 'consul.catalog'],
      ...['cluster.name', 'cluster.others', 'leader.lease', 'leader.fence', 'leader.standby'],
      ...['switch.writes', 'switch.removals', 'switch.file'],
      ...['neighbour.consul-k8s', 'neighbour.registrator', 'network.pod', 'network.instance', 'network.host-name'],
      'istio.mode',
    ]);
    expect(said?.of('leader.fence')[0]?.level).toBe('ok');
    for (const id of ['network.pod', 'network.instance']) expect(said?.of(id)[0]?.level).toBe('ok');
    expect(said?.of('consul.right', `service "${stage.name('orders')}" write`)[0]?.level).toBe('ok');
  });

  it('says it in one line each, with a summary', async () => {
    const file = join(folder, 'consular.json');
    await writeFile(file, JSON.stringify(await settings()));
    const { status, stdout } = await commandLine()('doctor', '--config', file);
    const lines = stdout.trimEnd().split('\n');
    expect(status).toBe(0);
    expect(lines.filter((line) => !/^(ok {5}|skipped) [a-z]+\.[a-z0-9-]+( .*)?: /.test(line))).toEqual([lines.at(-1)]);
    expect(lines.at(-1)).toMatch(
      new RegExp(`^Doctor of ${stage.cluster}: 0 errors, 0 warnings, \\d+ ok, \\d+ skipped\\.$`),
    );
  });

  it('warns of writes that are off, and of removals that never happen', async () => {
    const { toConsul, ...given } = (await settings()) as { toConsul: object };
    const said = await diagnose({ ...given, toConsul: { ...toConsul, removals: 'never' }, writes: 'off' });
    expect(said.status).toBe(2);
    expect(seen(said, 'warning', 'error').map(({ id, fix }) => [id, fix?.split('\n').at(-1)])).toEqual([
      ['switch.writes', 'writes: on'],
      ['switch.removals', '  removals: on'],
    ]);
  });

  it('writes nothing, in either system', async () => {
    await stage.stop();
    const consul = await FaultProxy.open(rig.consulServer.address, 'none');
    const kubernetes = await openKubernetesProxy(stage.options.kubeconfig ?? '', folder);
    const asked: string[] = [];
    consul.readFault = (path) => (asked.push(`Consul ${path}`), 'pass');
    kubernetes.isHeld = (method, path) => (asked.push(`${method} ${path}`), false);
    const state = async () => {
      const [keys, policies] = await Promise.all([
        rig.consul.call('GET', '/kv/?recurse'),
        rig.consul.call('GET', '/acl/policies'),
      ]);
      return [await rig.consul.catalogIndex(), keys.index, policies.body];
    };
    const before = await state();
    await diagnose(await settings({ kubeconfig: kubernetes.kubeconfig, address: consul.address }));
    expect(await state()).toEqual(before);
    expect(consul.transactions).toEqual([]);
    const isQuestion = (request: string) =>
      /^GET |^POST \/apis\/(authorization|authentication)\.k8s\.io\/v1\/self\w+reviews$|^POST .*\?dryRun=All$/.test(
        request,
      ) ||
      /^Consul \/(status|agent\/self|acl\/token\/self|internal\/acl\/authorize|catalog\/(services|nodes|node-services|datacenters)|health|kv)\b/.test(
        request,
      );
    expect(asked.length).toBeGreaterThan(50);
    expect(asked.filter((request) => !isQuestion(request))).toEqual([]);
    await Promise.all([consul.close(), kubernetes.close()]);
  });

  it('ends with 2 when there are warnings only, and with 1 when something does not work', async () => {
    await rig.consul.must('PUT', '/acl/policy', {
      Name: 'only-warnings',
      Rules: 'agent_prefix "" { policy = "read" }',
    });
    const policy = (await rig.consul.must('GET', `/acl/policy/name/${stage.cluster}`)) as {
      ID: string;
      Name: string;
      Rules: string;
    };
    const change = (Rules: string) => rig.consul.must('PUT', `/acl/policy/${policy.ID}`, { Name: policy.Name, Rules });
    await change(policy.Rules.replace(/key "[^"]*" \{[^}]*\}/, ''));
    const warned = await diagnose(await settings());
    expect([warned.status, seen(warned, 'error')]).toEqual([2, []]);
    await change(policy.Rules.replace(/node_prefix "k8s[^"]*" \{[^}]*\}/, ''));
    const broken = await diagnose(await settings());
    expect([broken.status, seen(broken, 'error').map(({ subject }) => subject)]).toEqual([
      1,
      [`node_prefix "k8s-${stage.cluster}--" write`],
    ]);
  });
});
