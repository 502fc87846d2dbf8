import { objectKey } from '../../kubernetes/objects.ts';
import { META } from '../../mark.ts';
import { mayHaveRegistrations, type DesiredConfig } from '../desired/desired-registrations.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import type { Proof } from '../observed/proof-reader.ts';
import { askedByService } from '../requests/requests.ts';
import type { Views } from '../views.ts';
import { namespaceOf } from './places.ts';
import type { PodIndex } from './pod-index.ts';

/** Instances with the direct read that answered, each, that the object which they need does not exist. */
export type Proven = ReadonlyMap<OwnInstance, Proof>;

/**
 * What must be read directly before an instance that is not wanted may be removed; undefined when that is evidenced.
 *
 * | pod                              | Service that was the reason             | the removal is                              |
 * |----------------------------------|-----------------------------------------|---------------------------------------------|
 * | its DELETED event was seen       |                                         | evidenced                                   |
 * | missing                          |                                         | inferred: needs a read of the pod           |
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
    return { kind: 'Pod', namespace, name: podKey.slice(namespace.length + 1), uid: podUid };
  }
  const name = registration.meta.get(META.service) ?? '';
  if (name === '') return undefined;
  const { namespace } = pod;
  const key = objectKey({ namespace, name });
  const service = services.get(key);
  if (!service) return { kind: 'Service', namespace, name, uid: '' };
  if (index.isTargeted(podKey, key) || !askedByService(service) || !mayHaveRegistrations(pod, config)) return undefined;
  return { kind: 'EndpointSlice', namespace, name, uid: '' };
}

/** Whether a direct read gave exactly that proof: an earlier proof, of something else, says nothing. */
export function isProven(proven: Proven, instance: OwnInstance, { kind, namespace, name, uid }: Proof): boolean {
  const given = proven.get(instance);
  return given?.kind === kind && given.namespace === namespace && given.name === name && given.uid === uid;
}
