import { selects } from '../../config/pattern.ts';
import { objectKey } from '../../kubernetes/objects.ts';
import { META } from '../../mark.ts';
import { mayHaveRegistrations, type DesiredConfig } from '../desired/desired-registrations.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import type { Proof } from '../observed/proof-reader.ts';
import { askedByService } from '../requests/requests.ts';
import type { Views } from '../views.ts';
import { namespaceOf } from './places.ts';
import type { PodIndex } from './pod-index.ts';

/** What a direct read has answered: the object that an instance needs does not exist. */
export interface Given {
  readonly proof: Proof;
  /** Whether an earlier read, long enough ago, has answered the same. */
  readonly isSecond: boolean;
}

/** Instances with what was proven of each. */
export type Proven = ReadonlyMap<OwnInstance, Given>;

/**
 * What must be read directly before an instance that is not wanted may be removed; undefined when that is evidenced.
 *
 * | pod                              | Service that was the reason             | the removal is                              |
 * |----------------------------------|-----------------------------------------|---------------------------------------------|
 * | its DELETED event was seen       |                                         | evidenced                                   |
 * | missing, its namespace selected  |                                         | inferred: needs a read of the pod           |
 * | missing, its namespace not selected |                                      | evidenced: the settings say no              |
 * | held, whatever its uid           | none                                    | evidenced: the pure function says no        |
 * | held                             | missing                                 | inferred: needs a read of the Service       |
 * | held, and may have registrations | held and asks, no slice targets the pod | inferred: needs a read of all of its slices |
 * | held                             | held                                    | evidenced: the pure function says no        |
 *
 * "Held" says that the view has the object. A slice that could not be read is not in the view, and says no more of itself
 * than one that is gone.
 */
export function proofNeeded(
  { pods, services }: Views,
  index: Pick<PodIndex, 'isTargeted'>,
  config: DesiredConfig,
  podKey: string,
  { podUid, registration }: OwnInstance,
): Proof | undefined {
  if (pods.sawDeletion(podUid)) return undefined;
  const pod = pods.get(podKey);
  if (pod === undefined) {
    const namespace = namespaceOf(podKey);
    if (!selects(config.namespaces, namespace)) return undefined;
    return { kind: 'Pod', namespace, name: podKey.slice(namespace.length + 1), uid: podUid };
  }
  const name = registration.meta.get(META.service) ?? '';
  if (name === '') return undefined;
  const { namespace } = pod;
  const key = objectKey({ namespace, name });
  const service = services.get(key);
  if (!service) return { kind: 'Service', namespace, name, uid: '' };
  const isAsking = askedByService(service, config.annotationPrefix) !== undefined;
  if (index.isTargeted(podKey, key) || !isAsking || !mayHaveRegistrations(pod, config)) return undefined;
  return { kind: 'EndpointSlice', namespace, name, uid: '' };
}

export type Verdict = 'read' | 'read again' | 'remove';

/**
 * What follows for an instance whose removal is inferred and needs that proof:
 *
 * | a direct read has proven                   | another instance of the Consul service has a pod | then                         |
 * |--------------------------------------------|--------------------------------------------------|------------------------------|
 * | nothing, or something else than is needed  |                                                  | read                         |
 * | that the pod is gone                       | yes                                              | remove                       |
 * | that the pod is gone                       | no: the last one                                 | read again, 30 s later       |
 * | that the pod is gone, twice, 30 s apart    |                                                  | remove                       |
 * | that the Service or its slices are gone    |                                                  | remove: the pod itself lives |
 *
 * So a mistake of the API server about many pods at once empties no service, unless it is made twice.
 */
export function judgeProof(needed: Proof, given: Given | undefined, hasLivingOther: () => boolean): Verdict {
  if (!given || !isSameProof(given.proof, needed)) return 'read';
  return needed.kind !== 'Pod' || given.isSecond || hasLivingOther() ? 'remove' : 'read again';
}

export function isSameProof(a: Proof, b: Proof): boolean {
  return a.kind === b.kind && a.namespace === b.namespace && a.name === b.name && a.uid === b.uid;
}
