import type { KubernetesObject } from '../../kubernetes/objects.ts';

/** As much of a Namespace as an Event needs; `kubectl get events` of that namespace shows it. */
export function namespaceObject(name: string): KubernetesObject {
  const none: ReadonlyMap<string, string> = new Map();
  return {
    namespace: name,
    name,
    uid: '',
    resourceVersion: '',
    deletionTimestamp: '',
    labels: none,
    annotations: none,
  };
}
