import { isObject } from '../../json.ts';
import { type Service } from '../../kubernetes/objects.ts';
import type { PatchBody } from '../../kubernetes/object-api.ts';

/** An object as it is sent to the API server; its name and namespace are the writer's to add. */
export interface Body {
  /** A label or annotation that is null must not be there. */
  readonly metadata: {
    readonly labels: Readonly<Record<string, string | null>>;
    readonly annotations: Readonly<Record<string, string | null>>;
    readonly ownerReferences?: readonly object[];
  };
  /** What is written when the object is made, and when it changes. */
  readonly fields: Fields;
  /** What cannot be changed later. */
  readonly immutable: Fields;
}
export type Fields = Readonly<Record<string, unknown>>;
export type Labels = Readonly<Record<string, string>>;

export function toCreate({ metadata, fields, immutable }: Body, namespace: string, name: string): object {
  const { labels, annotations, ...rest } = metadata;
  const isThere = ([, value]: [string, string | null]) => value !== null;
  return {
    metadata: {
      ...{ namespace, name, ...rest },
      labels: Object.fromEntries(Object.entries(labels).filter(isThere)),
      annotations: Object.fromEntries(Object.entries(annotations).filter(isThere)),
    },
    ...fields,
    ...Object.fromEntries(
      Object.entries(immutable).map(([key, value]) => {
        const mutable = fields[key];
        return [key, isObject(mutable) && isObject(value) ? { ...mutable, ...value } : value];
      }),
    ),
  };
}

export function toPatch({ metadata, fields }: Body): PatchBody {
  return { metadata, ...fields };
}

/** No blockOwnerDeletion: that would need rights on finalizers of Services. */
export function ownerReference(service: Service | undefined, namespace: string, name: string): object {
  if (!service)
    throw new Error(`write what belongs to Service ${namespace}/${name}: expected it in the view, found none`);
  return { apiVersion: 'v1', kind: 'Service', name: service.name, uid: service.uid };
}

/** An empty string stands for a field that is not there. */
export function withoutEmpty(object: object): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== ''));
}
