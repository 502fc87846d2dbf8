import { booleanField, expectObject, objectField, stringField } from '../json.ts';
import type { KubernetesRequester } from './client.ts';

export interface Access {
  readonly verb: string;
  readonly group: string;
  /** Plural name of the kind. */
  readonly resource: string;
  readonly namespace: string;
}

/**
 * Whether we may do that, as the API server's own authorizers say; undefined when it is not allowed and an authorizer had
 * trouble to tell. Every account may ask.
 */
export async function mayWe(client: KubernetesRequester, access: Access): Promise<boolean | undefined> {
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

export interface MissingRight {
  /** The first of some rights that we lack, in words; undefined when we have them all. */
  readonly missing: string | undefined;
  /** False when an authorizer had trouble to tell of some right: then it counts as it did until now. */
  readonly isCertain: boolean;
}

/**
 * Which of some rights we lack.
 * @param had whether we had them until now: an authorizer that is in trouble does not take them away
 */
export async function missingRight(
  client: KubernetesRequester,
  rights: readonly Access[],
  had: boolean,
): Promise<MissingRight> {
  const allowed = await Promise.all(rights.map((right) => mayWe(client, right)));
  const missing = rights.find((_, i) => allowed[i] === false || (allowed[i] === undefined && !had));
  return {
    missing: missing && `${missing.verb} ${missing.resource}.${missing.group} in namespace ${missing.namespace}`,
    isCertain: !allowed.includes(undefined),
  };
}
