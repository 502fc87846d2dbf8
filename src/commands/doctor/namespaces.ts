import type { Config } from '../../config/schema.ts';
import { watchedNamespaces } from '../../config/to-consul.ts';
import { arrayField, expectObject, objectField, isObject } from '../../json.ts';
import { hasStatus, KubernetesError } from '../../kubernetes/errors.ts';
import type { LeaseName } from '../../kubernetes/lease.ts';
import { findingsOf, type Finding } from './finding.ts';
import type { Check, Patient } from './patient.ts';

const find = findingsOf('kubernetes.namespace');

/** Whether each namespace is there that the configuration names, and that of the Lease. */
export const namespaces: Check = {
  id: 'kubernetes.namespace',
  needs: ['Kubernetes'],
  run: (patient) => {
    const uses = usesOf(patient.config, patient.lease);
    return Promise.all([...uses].map(async ([name, use]) => judgeNamespace(name, use, await look(patient, name))));
  },
};

/** What each namespace is named for. */
export function usesOf(
  { toConsul, toKubernetes, kubernetes }: Pick<Config, 'toConsul' | 'toKubernetes' | 'kubernetes'>,
  lease: LeaseName | undefined,
): ReadonlyMap<string, string> {
  const uses = new Map<string, string>();
  const { identityNamespace } = kubernetes;
  if (identityNamespace !== 'kube-system') uses.set(identityNamespace, 'kubernetes.identityNamespace');
  if (toConsul.enabled && toConsul.watch === 'namespaces')
    for (const name of watchedNamespaces(toConsul)) uses.set(name, 'toConsul.namespaces');
  if (toKubernetes.enabled) {
    for (const name of toKubernetes.importNamespaces) uses.set(name, 'toKubernetes.importNamespaces');
    for (const name of toKubernetes.namespaces) uses.set(name, 'toKubernetes.namespaces');
  }
  if (lease) uses.set(lease.namespace, 'the Lease of the leader election');
  return uses;
}

/** What is known of a namespace; undefined where it may not be read. */
export type Presence = 'there' | 'absent' | 'ending' | undefined;

export function judgeNamespace(name: string, use: string, presence: Presence): Finding {
  if (presence === 'there') return find.ok(`is there (${use})`, name);
  if (presence === undefined)
    return find.skipped(`may not be read, so whether it is there is not known (${use})`, name);
  if (presence === 'ending')
    return find.error(
      `is being deleted, and takes nothing (${use})`,
      `kubectl get namespace ${name} -o yaml   # what holds it`,
      name,
    );
  return find.error(`there is no such namespace (${use})`, `kubectl create namespace ${name}`, name);
}

/**
 * By its name, as the daemon watches it; where that is not allowed, by asking what would happen to an object there (a dry run,
 * which the API server answers and writes nothing of): one of those that the daemon has to make there.
 */
async function look({ kubernetes }: Patient, name: string): Promise<Presence> {
  try {
    const [found] = await listNamespaces(kubernetes, name);
    if (!found) return 'absent';
    return objectField(found, 'metadata').deletionTimestamp === undefined ? 'there' : 'ending';
  } catch (error) {
    if (!hasStatus(error, 403)) throw error;
  }
  for (const sample of SAMPLES) {
    const presence = await tryToMake(kubernetes, name, sample);
    if (presence !== undefined) return presence;
  }
  return undefined;
}

/** Of the Lease, of a mirror or an import, and of a namespace that is only read. */
const SAMPLES = [
  { apiVersion: 'coordination.k8s.io/v1', plural: 'leases', kind: 'Lease', body: { spec: {} } },
  {
    ...{ apiVersion: 'discovery.k8s.io/v1', plural: 'endpointslices', kind: 'EndpointSlice' },
    body: { addressType: 'IPv4', endpoints: [] },
  },
  { apiVersion: 'events.k8s.io/v1', plural: 'events', kind: 'Event', body: {} },
] as const;

async function tryToMake(
  kubernetes: Patient['kubernetes'],
  namespace: string,
  { apiVersion, plural, kind, body }: (typeof SAMPLES)[number],
): Promise<Presence> {
  try {
    await kubernetes.request({
      purpose: { verb: 'create', kind, object: `${namespace} (dry run)` },
      method: 'POST',
      path: `/apis/${apiVersion}/namespaces/${encodeURIComponent(namespace)}/${plural}`,
      query: { dryRun: 'All' },
      body: { apiVersion, kind, metadata: { name: 'consular-doctor' }, ...body },
    });
    return 'there';
  } catch (error) {
    if (!(error instanceof KubernetesError)) throw error;
    if (error.status === 404) return 'absent';
    // A namespace that ends is refused with that word; without the right to create anything is refused, whatever there is.
    if (error.status === 403) return error.message.includes('being terminated') ? 'ending' : undefined;
    return 'there';
  }
}

/** Namespaces of that name: one or none. */
export async function listNamespaces(kubernetes: Patient['kubernetes'], name: string) {
  const answer = await kubernetes.request({
    purpose: { verb: 'list', kind: 'Namespace', object: name },
    path: '/api/v1/namespaces',
    query: { fieldSelector: `metadata.name=${name}` },
  });
  return arrayField(expectObject(answer, 'Namespace list'), 'items').filter(isObject);
}
