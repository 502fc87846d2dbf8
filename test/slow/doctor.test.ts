import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
