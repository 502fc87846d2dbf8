import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { aclRule, neededAcls } from '../../../../src/commands/doctor/needed-acl.ts';
import { listIn } from '../../../../src/commands/doctor/reads.ts';
import { usesOf } from '../../../../src/commands/doctor/namespaces.ts';
import { neededRoles, type NeededRole } from '../../../../src/commands/doctor/needed-rights.ts';
import { parseConfig } from '../../../../src/config/load.ts';
import { KubernetesError } from '../../../../src/kubernetes/errors.ts';
import { createResources } from '../../../../src/kubernetes/resources.ts';
import { mirrorRights } from '../../../../src/world/mirror-rights.ts';
import { MANIFESTS, render, ROOT, type Rendered } from '../../../rig/manifests.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}
type Shipped = Rendered & { readonly rules: Rule[] };

const config = (settings: object = {}) => parseConfig(JSON.stringify({ cluster: 'dev', ...settings }), {});
const LEASE = { namespace: 'consular', name: 'consular-dev' };

/** As a manifest has them. No Role names its own namespace: kustomize would take that for the name of a ConfigMap. */
const written = ({ kind, name, namespace, rules }: NeededRole) => ({
  ...{ kind, name, namespace },
  rules: rules.map(({ apiGroup, resources, resourceNames, verbs }) => ({
    apiGroups: [apiGroup],
    resources,
    ...(resourceNames && resourceNames.join() !== namespace ? { resourceNames } : {}),
    verbs,
  })),
});

const shippedIn = (folder: string) =>
  render(join(MANIFESTS, folder))
    .filter((object): object is Shipped => object.kind === 'Role' || object.kind === 'ClusterRole')
    .map(({ kind, metadata, rules }) => ({ kind, name: metadata.name, namespace: metadata.namespace ?? '', rules }));

/** Rules in no order, and verbs in none. */
const sorted = (roles: readonly { readonly rules: readonly Rule[]; readonly name: string }[]) =>
  roles
    .map((role) => ({
      ...role,
      rules: role.rules
        .map((rule) => ({ ...rule, resources: [...rule.resources].sort(), verbs: [...rule.verbs].sort() }))
        .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));

const needed = (settings: object, lease: typeof LEASE | undefined = LEASE) =>
  sorted(neededRoles(config(settings), lease).map(written));

describe('the rights that are needed', () => {
  it('are those of the shipped manifests, with the shipped configuration', () => {
    const shipped = parse(readFileSync(join(MANIFESTS, 'consular.yaml'), 'utf8')) as object;
    expect(needed(shipped)).toEqual(sorted(shippedIn('')));
  });

  it("are those of a tenant's manifests with a tenant's configuration: no ClusterRole", () => {
    const tenant = join(MANIFESTS, '../tenant');
    const shipped = parse(readFileSync(join(tenant, 'consular.yaml'), 'utf8')) as object;
    expect(needed(shipped)).toEqual(sorted(shippedIn('../tenant')));
    expect(neededRoles(config(shipped), LEASE).map(({ kind }) => kind)).not.toContain('ClusterRole');
  });

  it('are to read pods only where these are registered from, and there to write the readiness gate', () => {
    const settings = {
      kubernetes: { identityNamespace: 'shop' },
      toConsul: { watch: 'namespaces', namespaces: { include: ['shop'] }, readinessGate: true },
      toKubernetes: { namespaces: ['mirror'] },
    };
    const roles = neededRoles(config(settings), undefined).filter(({ name }) => name === 'consular-watch');
    const resources = roles.map(({ namespace, rules }) => [namespace, rules.flatMap((rule) => rule.resources)]);
    expect(resources).toEqual([
      ['shop', ['pods', 'services', 'endpointslices', 'events', 'pods/status']],
      ['mirror', ['services', 'endpointslices', 'events']],
    ]);
  });

  it('are to get the namespace that identifies the cluster, and not kube-system, where the settings name another', () => {
    const roles = neededRoles(config({ kubernetes: { identityNamespace: 'shop' } }), undefined);
    const got = roles.flatMap(({ rules }) => rules.filter(({ verbs }) => verbs.join() === 'get'));
    expect(got.map(({ resourceNames }) => resourceNames)).toEqual([['shop']]);
  });

  it.each([
    ['readiness-gate', { toConsul: { readinessGate: true } }],
    ['import-namespace', { toKubernetes: { namespaces: ['shop'], importNamespaces: ['default'] } }],
    ['istio', { toKubernetes: { mode: 'istio' } }],
  ])('have those of the folder %s where the settings want them', (folder, settings) => {
    const without = needed({}).map(({ name }) => name);
    const more = needed(settings).filter(({ name }) => !without.includes(name));
    expect(more).toEqual(sorted(shippedIn(folder)));
  });

  it('are in each mirror namespace those that the mirror itself asks for before it begins', () => {
    const resources = createResources({ annotation: () => false });
    const { read, write } = mirrorRights(resources, 'default');
    const [role] = neededRoles(config(), undefined).filter(({ name }) => name === 'consular-mirror');
    const rights = role?.rules.flatMap(({ apiGroup, resources, verbs }) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${apiGroup}/${resource}`)),
    );
    const asked = [...read, ...write].map(({ verb, group, resource }) => `${verb} ${group}/${resource}`);
    expect(rights?.sort()).toEqual(asked.sort());
  });

  it.each([
    ['none to Leases without an election', {}, undefined, 'leases'],
    ['none to nodes where nothing is registered', { toConsul: { enabled: false } }, LEASE, 'nodes'],
    ['none to ServiceCIDRs where nothing is mirrored', { toKubernetes: { enabled: false } }, LEASE, 'servicecidrs'],
    ['none to write where nothing is mirrored', { toKubernetes: { enabled: false } }, LEASE, 'endpoints'],
  ])('are %s', (_, settings, lease, resource) => {
    const resources = neededRoles(config(settings), lease).flatMap(({ rules }) =>
      rules.flatMap((rule) => rule.resources),
    );
    expect(resources).not.toContain(resource);
  });

  it('are named once for a namespace that is mirrored into and has imports', () => {
    const both = { toKubernetes: { namespaces: ['shop'], importNamespaces: ['shop', 'pay'] } };
    const places = neededRoles(config(both), undefined).map(({ name, namespace }) => `${name} ${namespace}`.trim());
    expect(places).toEqual(['consular', 'consular-namespaces', 'consular-mirror shop', 'consular-import pay']);
  });
});

describe('the rules of the ACL policy that are needed', () => {
  const shippedRules = readFileSync(join(ROOT, 'deploy/consul/policy.hcl'), 'utf8').replaceAll(/^#.*\n/gm, '');
  const rulesIn = (text: string) =>
    text
      .trim()
      .split(/\n(?=\w+ ")/)
      .map((rule) => rule.trim());

  it('are those of the shipped policy, but for the names of services', () => {
    const shipped = rulesIn(shippedRules).filter((rule) => !rule.startsWith('service_prefix "dev-"'));
    const text = neededAcls(config(), []).map((acl) => aclRule(acl).trim());
    expect(text.sort()).toEqual(shipped.sort());
  });

  it('are one for each name that pods ask for', () => {
    const text = neededAcls(config(), ['orders', 'pay']).map((acl) => aclRule(acl));
    expect(text).toEqual(
      expect.arrayContaining([
        'service "orders" {\n  policy = "write"\n}\n',
        'service "pay" {\n  policy = "write"\n}\n',
      ]),
    );
  });

  it('are none to write pods where nothing is registered', () => {
    const written = neededAcls(config({ toConsul: { enabled: false } }), ['orders']).map(({ segment }) => segment);
    expect(written).not.toContain('k8s-dev--');
    expect(written).not.toContain('orders');
  });
});

describe('the namespaces that are looked at', () => {
  it('are those that are read, that which identifies the cluster, and those that are written to, each for its last use', () => {
    const settings = config({
      kubernetes: { identityNamespace: 'own' },
      toConsul: { watch: 'namespaces', namespaces: { include: ['shop', 'pay'] } },
      toKubernetes: { namespaces: ['shop'] },
    });
    expect([...usesOf(settings, LEASE)]).toEqual([
      ['own', 'kubernetes.identityNamespace'],
      ['shop', 'toKubernetes.namespaces'],
      ['pay', 'toConsul.namespaces'],
      ['consular', 'the Lease of the leader election'],
    ]);
  });

  it('are no patterns where all are read', () => {
    expect([...usesOf(config(), undefined).keys()]).toEqual(['default']);
  });
});

describe('what is read of several namespaces', () => {
  const refusal = new KubernetesError({ verb: 'list', kind: 'Pod', object: 'pay' }, 403, 'Forbidden', 'no');
  const read = (place: string) =>
    place === 'pay' ? Promise.reject(refusal) : Promise.resolve({ items: [place], isWhole: true });

  it('lacks what is in one that may not be read, and says that it is not the whole', async () => {
    expect(await listIn(['shop', 'pay'], read)).toEqual({ items: ['shop'], isWhole: false });
    expect(await listIn(['shop', 'web'], read)).toEqual({ items: ['shop', 'web'], isWhole: true });
  });

  it('is refused where none may be read', async () => {
    await expect(listIn(['pay'], read)).rejects.toBe(refusal);
  });
});
