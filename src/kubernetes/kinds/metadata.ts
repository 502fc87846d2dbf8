import {
  boolean,
  list,
  message,
  only,
  sharedString,
  string,
  strings,
  time,
  type Encoded,
  type ValueOf,
} from '../encoding/message.ts';
import { sharedMap } from '../encoding/shared.ts';
import type { KubernetesObject } from '../objects.ts';

/** What of an object is worth its memory. */
export interface Keep {
  readonly annotation: (key: string) => boolean;
  /** A container with such a variable is kept with its whole environment. @default none */
  readonly variable?: (name: string) => boolean;
}

const OWNER_REFERENCE = message({
  kind: [1, sharedString],
  name: [3, sharedString],
  uid: [4, sharedString],
  controller: [6, boolean],
});

/** metav1.ObjectMeta, with the labels and annotations that somebody here reads. */
export function metadataTable(keep: Keep, keepLabel?: (key: string) => boolean) {
  return message({
    name: [1, string],
    namespace: [3, sharedString],
    uid: [5, string],
    resourceVersion: [6, string],
    deletionTimestamp: [9, time],
    labels: [11, strings(keepLabel)],
    annotations: [12, strings(keep.annotation)],
    ownerReferences: [13, list(OWNER_REFERENCE)],
  });
}

export type Metadata = ValueOf<ReturnType<typeof metadataTable>>;

/** @throws TypeError when it is the metadata of no object at all. */
export function objectOf(kind: string, metadata: Metadata): KubernetesObject {
  const { namespace, name, uid, resourceVersion, deletionTimestamp, labels, annotations } = metadata;
  if (name === '' || uid === '') throw new TypeError(`read ${kind}: expected a name and a uid, found none`);
  return {
    namespace,
    name,
    uid,
    resourceVersion,
    deletionTimestamp,
    labels: sharedMap(labels),
    annotations: sharedMap(annotations),
  };
}

/** The uid of the Service that an object belongs to, or an empty string. */
export function ownerUidOf({ ownerReferences }: Metadata): string {
  return ownerReferences.find(({ kind }) => kind === 'Service')?.uid ?? '';
}

/** Makes the decoder of a kind of which only the metadata counts. */
export function metadataDecoder(kind: string, keep: Keep, keepLabel?: (key: string) => boolean) {
  const table = only('metadata', 1, metadataTable(keep, keepLabel));
  return (object: Encoded): KubernetesObject => objectOf(kind, object.as(table));
}
