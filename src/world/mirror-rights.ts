import type { Access } from '../kubernetes/access.ts';
import type { NamespaceRights } from '../kubernetes/namespace-rights.ts';
import type { Resource, Resources } from '../kubernetes/resources.ts';
import type { KubernetesObject } from '../kubernetes/objects.ts';

/** Services and slices are read everywhere, or where only some namespaces are read, there. */
export type Watch = 'cluster' | 'namespaces';
type Written = Pick<Resources, 'services' | 'endpointSlices' | 'endpoints'>;

/** What `run` does in a namespace of imports beside reading; the Role in deploy/kubernetes/import-namespace grants exactly that. */
export function importRights({ endpointSlices }: Pick<Written, 'endpointSlices'>, namespace: string): NamespaceRights {
  return { read: [], write: accessIn(namespace, ['create', 'patch', 'delete'], endpointSlices) };
}

/** What `run` does in a mirror namespace; the Role in deploy/kubernetes/mirror-namespace grants exactly that. */
export function mirrorRights(
  { services, endpointSlices, endpoints }: Written,
  namespace: string,
  watch: Watch = 'cluster',
): NamespaceRights {
  const to = (verbs: readonly string[], kind: Resource<KubernetesObject>) => accessIn(namespace, verbs, kind);
  return {
    read: [...(watch === 'cluster' ? [] : [services, endpointSlices]), endpoints].flatMap((kind) =>
      to(['list', 'watch'], kind),
    ),
    write: [services, endpointSlices, endpoints].flatMap((kind) => to(['create', 'patch', 'delete'], kind)),
  };
}

function accessIn(
  namespace: string,
  verbs: readonly string[],
  { apiVersion, plural: resource }: Resource<KubernetesObject>,
): Access[] {
  const group = apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
  return verbs.map((verb) => ({ verb, group, resource, namespace }));
}
