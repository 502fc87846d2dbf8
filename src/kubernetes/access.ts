import { booleanField, expectObject, objectField, stringField } from '../json.ts';
import type { KubernetesRequester } from './client.ts';
import { hasStatus } from './errors.ts';

export interface Access {
  readonly verb: string;
  readonly group: string;
  /** Plural name of the kind. */
  readonly resource: string;
  /** Empty for a kind that is in no namespace. */
  readonly namespace: string;
  /** A part of the objects, such as `status`; the objects themselves when there is none. */
  readonly subresource?: string;
  /** The one object that is meant; all of them when there is none. */
  readonly name?: string;
}

/** Whether somebody may do that; undefined when it is not allowed and an authorizer had trouble to tell. */
export type MayAccess = (access: Access) => Promise<boolean | undefined>;

/** Somebody else, as the API server knows a service account. */
export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
}

/** Whether we may do that, as the API server's own authorizers say. Every account may ask. */
export function mayWe(client: KubernetesRequester, access: Access): Promise<boolean | undefined> {
  return review(client, 'SelfSubjectAccessReview', {}, access);
}

/** The same of a service account. @throws KubernetesError 403 for whoever may not ask about others */
export function mayAccount(
  client: KubernetesRequester,
  { namespace, name }: ServiceAccount,
  access: Access,
): Promise<boolean | undefined> {
  const user = `system:serviceaccount:${namespace}:${name}`;
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
  return review(client, 'SubjectAccessReview', { user, groups }, access);
}

async function review(
  client: KubernetesRequester,
  kind: string,
  who: object,
  access: Access,
): Promise<boolean | undefined> {
  const answer = await client.request({
    purpose: { verb: 'create', kind, object: `about ${describeAccess(access)}` },
    method: 'POST',
    path: `/apis/authorization.k8s.io/v1/${kind.toLowerCase()}s`,
    body: { apiVersion: 'authorization.k8s.io/v1', kind, spec: { ...who, resourceAttributes: access } },
  });
  const status = objectField(expectObject(answer, kind), 'status');
  if (booleanField(status, 'allowed') === true) return true;
  return stringField(status, 'evaluationError') === '' ? false : undefined;
}

/** `create services in namespace shop`, `watch namespaces shop`. */
export function describeAccess({ verb, group, resource, subresource, namespace, name }: Access): string {
  const part = subresource === undefined ? '' : `/${subresource}`;
  const what = `${verb} ${resource}${part}${group === '' ? '' : `.${group}`}${name === undefined ? '' : ` ${name}`}`;
  return namespace === '' ? what : `${what} in namespace ${namespace}`;
}

/**
 * The right for want of which the API server refused a request, read from its words (kube-apiserver 1.36.3): `User "u" cannot
 * patch resource "pods/status" in API group "" in the namespace "shop"`; undefined for any other failure, such as a quota or a
 * webhook that says no.
 */
export function lackedAccess(error: unknown): Access | undefined {
  if (!hasStatus(error, 403)) return undefined;
  const found = /User ".*" cannot (\w+) resource "([^"/]+)(?:\/([^"]+))?" in API group "([^"]*)"/.exec(error.message);
  const [text, verb, resource, subresource, group] = found ?? [];
  if (text === undefined || verb === undefined || resource === undefined || group === undefined) return undefined;
  const [, namespace = ''] = / in the namespace "([^"]*)"/.exec(error.message) ?? [];
  return { verb, group, resource, namespace, ...(subresource === undefined ? {} : { subresource }) };
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
  return { missing: missing && describeAccess(missing), isCertain: !allowed.includes(undefined) };
}
