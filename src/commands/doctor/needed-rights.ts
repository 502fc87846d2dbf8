import type { Config } from '../../config/schema.ts';
import { watchedNamespaces } from '../../config/to-consul.ts';
import type { Access } from '../../kubernetes/access.ts';
import type { LeaseName } from '../../kubernetes/lease.ts';

/** One rule of a role, as RBAC has it. */
export interface NeededRule {
  readonly apiGroup: string;
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
  /** What does not work without it. */
  readonly without: string;
  /** How bad that is. */
  readonly level: 'warning' | 'error';
}

/** A role that the daemon's account has to be bound to; the names are those of the manifests in deploy/. */
export interface NeededRole {
  /** The file below deploy that has it. */
  readonly file: string;
  readonly kind: 'ClusterRole' | 'Role';
  readonly name: string;
  /** Empty for a ClusterRole. */
  readonly namespace: string;
  readonly rules: readonly NeededRule[];
}

type Installation = Pick<Config, 'toConsul' | 'toKubernetes' | 'kubernetes'>;

/**
 * Every right that `run` needs with these settings. The one list of them beside the manifests, to which a test holds it equal:
 * a setting that needs other rights changes both.
 *
 * @param lease of the leader election; undefined where there is none
 */
export function neededRoles(config: Installation, lease: LeaseName | undefined): NeededRole[] {
  const { toKubernetes } = config;
  const mirrors = toKubernetes.enabled ? toKubernetes.namespaces : [];
  const imports = toKubernetes.enabled ? toKubernetes.importNamespaces.filter((name) => !mirrors.includes(name)) : [];
  return [
    ...(config.toConsul.watch === 'cluster'
      ? clusterRoles(config, mirrors)
      : tenantRoles(config, [...mirrors, ...imports])),
    ...mirrors.map((name) => role('kubernetes/mirror-namespace/rights.yaml', 'consular-mirror', name, MIRROR_RULES)),
    ...imports.map((name) => role('kubernetes/import-namespace/rights.yaml', 'consular-import', name, IMPORT_RULES)),
    ...(toKubernetes.mode === 'istio'
      ? mirrors.map((name) => role('kubernetes/istio/rights.yaml', 'consular-istio', name, ISTIO_RULES))
      : []),
    ...(lease ? [role('kubernetes/leader-rights.yaml', 'consular-leader', lease.namespace, leaderRules(lease))] : []),
  ];
}

function clusterRoles(config: Installation, mirrors: readonly string[]): NeededRole[] {
  const file = 'kubernetes/cluster-rights.yaml';
  return [
    clusterRole(file, 'consular', clusterRules(config)),
    ...(mirrors.length > 0 ? [clusterRole(file, 'consular-namespaces', namespaceRules(mirrors))] : []),
    ...(hasGate(config)
      ? [clusterRole('kubernetes/readiness-gate/rights.yaml', 'consular-readiness-gate', GATE_RULES)]
      : []),
  ];
}

/** For whoever has no right to the whole cluster: one Role in each namespace that is read. */
function tenantRoles(config: Installation, others: readonly string[]): NeededRole[] {
  const { toConsul, kubernetes } = config;
  const withPods = toConsul.enabled ? watchedNamespaces(toConsul) : [];
  const gate = hasGate(config) ? GATE_RULES : [];
  return [
    role('tenant/identity.yaml', 'consular-identity', kubernetes.identityNamespace, [identityRule(config)]),
    ...[...new Set([...withPods, ...others])].map((name) => {
      const isOfPods = withPods.includes(name);
      const rules = [...watchRules(isOfPods), ...(isOfPods ? gate : [])];
      return role('kubernetes/watched-namespace/rights.yaml', 'consular-watch', name, rules);
    }),
  ];
}

function hasGate({ toConsul }: Installation): boolean {
  return toConsul.enabled && toConsul.readinessGate;
}

function clusterRole(file: string, name: string, rules: readonly NeededRule[]): NeededRole {
  return { file, kind: 'ClusterRole', name, namespace: '', rules };
}

function role(file: string, name: string, namespace: string, rules: readonly NeededRule[]): NeededRole {
  return { file, kind: 'Role', name, namespace, rules };
}

const DISCOVERY = 'discovery.k8s.io';

function clusterRules(config: Installation): NeededRule[] {
  const { toConsul, toKubernetes } = config;
  const ofPods = toConsul.enabled ? 'error' : 'warning';
  const all: (NeededRule & { readonly isNeeded?: boolean })[] = [
    {
      ...{ apiGroup: '', resources: ['pods', 'services'], verbs: ['list', 'watch', 'get'], level: ofPods },
      without: 'nothing is registered, or what is gone is not deregistered',
    },
    {
      ...{ apiGroup: DISCOVERY, resources: ['endpointslices'], verbs: ['list', 'watch'], level: 'error' },
      without: 'the daemon does not become ready',
    },
    {
      ...{ apiGroup: 'networking.k8s.io', resources: ['servicecidrs'], verbs: ['list', 'watch'], level: 'error' },
      without: 'the daemon does not become ready',
      isNeeded: toKubernetes.enabled,
    },
    {
      ...{ apiGroup: '', resources: ['nodes'], verbs: ['list', 'watch'], level: 'error' },
      without: 'the daemon does not become ready',
      isNeeded: toConsul.enabled,
    },
    identityRule(config),
    EVENTS_RULE,
  ];
  return all.filter(({ isNeeded }) => isNeeded !== false).map(({ isNeeded: _, ...rule }) => rule);
}

function identityRule({ kubernetes: { identityNamespace } }: Installation): NeededRule {
  return {
    ...{ apiGroup: '', resources: ['namespaces'], resourceNames: [identityNamespace], verbs: ['get'], level: 'error' },
    without: 'the cluster is not known, and the daemon does not become ready',
  };
}

const EVENTS_RULE: NeededRule = {
  ...{ apiGroup: 'events.k8s.io', resources: ['events'], verbs: ['create'], level: 'warning' },
  without: 'nobody is told on a pod or Service why it is not registered or mirrored',
};

function watchRules(isOfPods: boolean): NeededRule[] {
  const without = 'the namespace stands still: nothing of it is registered, changed or removed';
  const resources = isOfPods ? ['pods', 'services'] : ['services'];
  return [
    { apiGroup: '', resources, verbs: ['list', 'watch', 'get'], level: 'error', without },
    { apiGroup: DISCOVERY, resources: ['endpointslices'], verbs: ['list', 'watch'], level: 'error', without },
    EVENTS_RULE,
  ];
}

function namespaceRules(mirrors: readonly string[]): NeededRule[] {
  return [
    {
      ...{
        apiGroup: '',
        resources: ['namespaces'],
        resourceNames: mirrors,
        verbs: ['list', 'watch'],
        level: 'warning',
      },
      without: 'a mirror namespace that is made or deleted is noticed late, and not told by its name',
    },
  ];
}

const GATE_RULES: readonly NeededRule[] = [
  {
    ...{ apiGroup: '', resources: ['pods/status'], verbs: ['patch'], level: 'error' },
    without: 'pods with the readiness gate never become Ready',
  },
];

const WRITE = ['create', 'patch', 'delete'];

const MIRROR_RULES: readonly NeededRule[] = [
  {
    ...{ apiGroup: '', resources: ['services'], verbs: WRITE, level: 'error' },
    without: 'Services are not mirrored there as they should be',
  },
  {
    ...{ apiGroup: DISCOVERY, resources: ['endpointslices'], verbs: WRITE, level: 'error' },
    without: 'mirrored Services there have no endpoints, or old ones',
  },
  {
    ...{ apiGroup: '', resources: ['endpoints'], verbs: [...WRITE, 'list', 'watch'], level: 'error' },
    without: 'nothing is mirrored there, or v1 Endpoints are old',
  },
];

const IMPORT_RULES: readonly NeededRule[] = [
  {
    ...{ apiGroup: DISCOVERY, resources: ['endpointslices'], verbs: WRITE, level: 'error' },
    without: 'Services there take no Consul instances in, or keep old ones',
  },
];

const ISTIO_RULES: readonly NeededRule[] = [
  {
    ...{ apiGroup: 'networking.istio.io', resources: ['workloadentries'], verbs: ['list', 'watch', ...WRITE] },
    ...{ level: 'warning', without: 'it is mirrored there as if there were no Istio' },
  },
];

function leaderRules({ name }: LeaseName): NeededRule[] {
  const leases = { apiGroup: 'coordination.k8s.io', resources: ['leases'], level: 'error' } as const;
  return [
    { ...leases, verbs: ['create'], without: 'nobody leads, and nothing is written' },
    {
      ...{ ...leases, resourceNames: [name], verbs: ['get', 'watch', 'update'] },
      without: 'nobody leads or stands by, and nothing is written',
    },
    {
      ...{ apiGroup: 'apps', resources: ['replicasets'], verbs: ['get'], level: 'warning' },
      without: 'what is retained is not told on the Deployment',
    },
  ];
}

/** The rule as single questions to an authorizer. */
export function accessesOf({ namespace }: Pick<NeededRole, 'namespace'>, rule: NeededRule): Access[] {
  const { apiGroup: group, resources, resourceNames, verbs } = rule;
  const names = resourceNames ?? [undefined];
  return resources.flatMap((resource) =>
    verbs.flatMap((verb) =>
      names.map((name) => ({ verb, group, resource, namespace, ...(name === undefined ? {} : { name }) })),
    ),
  );
}
