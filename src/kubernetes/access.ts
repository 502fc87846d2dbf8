import { booleanField, expectObject, objectField, stringField } from '../json.ts';
import type { KubernetesClient } from './client.ts';

export interface Access {
  readonly verb: string;
  readonly group: string;
  /** Plural name of the kind. */
  readonly resource: string;
  readonly namespace: string;
}

/**
 * Whether we may do that, as the API server's own authorizers say; undefined when it is not allowed and one of them had
 * trouble to tell. Every account may ask.
 */
export async function mayWe(client: KubernetesClient, access: Access): Promise<boolean | undefined> {
  const kind = 'SelfSubjectAccessReview';
  const answer = await client.request({
    purpose: { verb: 'create', kind, object: `about ${access.verb} ${access.resource} in ${access.namespace}` },
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: { apiVersion: 'authorization.k8s.io/v1', kind, spec: { resourceAttributes: access } },
  });
  const status = objectField(expectObject(answer, kind), 'status');
  if (booleanField(status, 'allowed') === true) return true;
  return stringField(status, 'evaluationError') === '' ? false : undefined;
}
