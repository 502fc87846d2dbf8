import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Helm } from '../rig/helm.ts';
import { MANIFESTS, pathOf, render, ROOT, type Rendered } from '../rig/manifests.ts';
import { rightsOf } from '../rig/rights.ts';

/**
 * The tests of rights take each away from the files for kustomize, and name what breaks. Here the chart is held to the same rules, so
 * that no right of it can be missing or too many either.
 */

const RIGHTS = '/apis/rbac.authorization.k8s.io/';
const TENANT = join(ROOT, 'deploy/tenant');
/** In deploy/kubernetes; whoever needs them adds them. */
const OPTIONAL = ['import-namespace', 'istio', 'readiness-gate'];

let helm: Helm;
beforeAll(async () => {
  helm = await Helm.open();
}, 20 * 60_000);

/** What gives rights, by its path: what is allowed, and to whom. */
function rules(objects: readonly Rendered[]): Record<string, object> {
  const entries = objects.flatMap((object): [string, object][] => {
    const path = pathOf(object);
    const { rules, roleRef, subjects } = object;
    return path.startsWith(RIGHTS) ? [[path.slice(RIGHTS.length), { rules, roleRef, subjects }]] : [];
  });
  return Object.fromEntries(entries);
}

/** The same of the chart. */
const chart = async (config: object, rbac: object = {}) =>
  rules(await helm.render({ config: { cluster: 'dev', ...config }, rbac }));

/** What the second has that is not in the first. @throws Error when the second lacks something of the first, or has it otherwise */
function added(before: Record<string, object>, after: Record<string, object>): Record<string, object> {
  expect(after).toMatchObject(before);
  return Object.fromEntries(Object.entries(after).filter(([path]) => !(path in before)));
}

const namespacesOf = (objects: readonly Rendered[], role: string) =>
  objects
    .filter(({ kind, metadata }) => kind === 'Role' && metadata.name === role)
    .map(({ metadata }) => metadata.namespace);

describe('the rights of the chart', () => {
  const shipped = rules(render(MANIFESTS));
  const folder = (name: string) => rules(render(join(MANIFESTS, name)));
  /** @throws Error when none of the objects is at that path */
  const rulesOf = (objects: Record<string, object>, path: string) => {
    const { rules } = (objects[path] ?? {}) as { rules?: object[] };
    if (rules === undefined) throw new Error(`look for the rules of ${path}: expected some, found none`);
    return rules;
  };

  it('are those of deploy/kubernetes', async () => {
    expect(await chart({})).toEqual(shipped);
  });

  it('are in a namespace with imports those of import-namespace, and nothing more', async () => {
    const toKubernetes = { namespaces: ['shop'] };
    const before = await chart({ toKubernetes });
    const after = await chart({ toKubernetes: { ...toKubernetes, importNamespaces: ['default'] } });
    expect(added(before, after)).toEqual(folder('import-namespace'));
  });

  it.each([
    ['with toKubernetes.mode: istio', { toKubernetes: { mode: 'istio' } }, {}],
    ['with rbac.istio', {}, { istio: true }],
  ])('are with WorkloadEntries those of istio, and nothing more: %s', async (_, config, rbac) => {
    expect(added(shipped, await chart(config, rbac))).toEqual(folder('istio'));
  });

  it('are not those to WorkloadEntries where rbac.istio says so', async () => {
    expect(await chart({ toKubernetes: { mode: 'istio' } }, { istio: false })).toEqual(shipped);
  });

  it('are with the readiness gate those of readiness-gate, and nothing more', async () => {
    const gated = await chart({ toConsul: { readinessGate: true } });
    expect(added(shipped, gated)).toEqual(folder('readiness-gate'));
  });

  it('are without a ClusterRole those of deploy/tenant, and with the gate the same as in the whole cluster', async () => {
    const tenant = (toConsul: object) =>
      chart({
        kubernetes: { identityNamespace: 'consular' },
        toConsul: { watch: 'namespaces', namespaces: { include: ['default'] }, ...toConsul },
      });
    const plain = await tenant({});
    expect(plain).toEqual(rules(render(TENANT)));
    const gate = added(plain, await tenant({ readinessGate: true }));
    const role = 'v1/namespaces/default/roles/consular-readiness-gate';
    expect(Object.keys(gate)).toEqual([role, 'v1/namespaces/default/rolebindings/consular-readiness-gate']);
    expect(rulesOf(gate, role)).toEqual(rulesOf(folder('readiness-gate'), 'v1/clusterroles/consular-readiness-gate'));
  });

  it('are for a Lease elsewhere the same, the ReplicaSets stay in the own namespace', async () => {
    const elsewhere = await chart({ leaderElection: { namespace: 'leases' } });
    const leader = 'v1/namespaces/leases/roles/consular-leader';
    const deployment = 'v1/namespaces/consular/roles/consular-deployment';
    const whole = rulesOf(shipped, 'v1/namespaces/consular/roles/consular-leader');
    const ofLeases = (rule: object) => JSON.stringify(rule).includes('"leases"');
    expect(rulesOf(elsewhere, leader)).toEqual(whole.filter((rule) => ofLeases(rule)));
    expect(rulesOf(elsewhere, deployment)).toEqual(whole.filter((rule) => !ofLeases(rule)));
    const bindings = [leader, deployment].map((path) => path.replace('/roles/', '/rolebindings/'));
    const own = shipped['v1/namespaces/consular/rolebindings/consular-leader'] as { subjects: object[] };
    for (const binding of bindings) expect(elsewhere[binding]).toMatchObject({ subjects: own.subjects });
    expect(
      Object.keys(elsewhere)
        .filter((path) => !(path in shipped))
        .sort(),
    ).toEqual([leader, deployment, ...bindings].sort());
  });

  it('are for the identity of the cluster those of deploy/tenant, in the namespace that the setting names', async () => {
    const role = (namespace: string) => `v1/namespaces/${namespace}/roles/consular-identity`;
    const other = added(shipped, await chart({ kubernetes: { identityNamespace: 'platform' } }));
    expect(rulesOf(other, role('platform'))).toEqual(rulesOf(rules(render(TENANT)), role('consular')));
    expect(Object.keys(other)).toEqual([role('platform'), role('platform').replace('/roles/', '/rolebindings/')]);
  });

  it('are compared with all that deploy/kubernetes has', () => {
    const folders = readdirSync(MANIFESTS).filter((name) => existsSync(join(MANIFESTS, name, 'rights.yaml')));
    const compared = [shipped, rules(render(TENANT)), ...OPTIONAL.map((name) => folder(name))].flatMap(Object.keys);
    const paths = folders.flatMap((name) => Object.keys(folder(name)));
    expect(paths.filter((path) => !compared.includes(path))).toEqual([]);
    expect(folders).toEqual(expect.arrayContaining(OPTIONAL));
  });

  it('are given in each namespace that the configuration names, once', async () => {
    const toKubernetes = { namespaces: ['shop', 'web'], importNamespaces: ['web', 'batch'], mode: 'istio' };
    const objects = await helm.render({
      config: { cluster: 'dev', toKubernetes },
      rbac: { extraNamespaces: ['old', 'shop'] },
    });
    expect(namespacesOf(objects, 'consular-mirror')).toEqual(['old', 'shop', 'web']);
    expect(namespacesOf(objects, 'consular-istio')).toEqual(['old', 'shop', 'web']);
    expect(namespacesOf(objects, 'consular-import')).toEqual(['batch']);
    const watched = rightsOf(objects).filter(({ role }) => role === 'consular-namespaces');
    expect([...new Set(watched.map(({ resourceName }) => resourceName))]).toEqual(['old', 'shop', 'web']);
  });

  it('are none for a direction that is off, and none to the status of pods without the gate', async () => {
    const off = { cluster: 'dev', toKubernetes: { enabled: false, importNamespaces: ['web'] } };
    const objects = await helm.render({ config: off });
    expect(namespacesOf(objects, 'consular-mirror')).toEqual([]);
    expect(namespacesOf(objects, 'consular-import')).toEqual([]);
    expect(rightsOf(objects).map(({ name }) => name)).not.toContain('patch pods/status');
  });
});
