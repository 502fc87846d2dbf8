import { matchesAny, selects, type Patterns } from '../../config/pattern.ts';
import type { Registration } from '../registration/registration.ts';
import { quote, type Rejection } from '../registration/rejection.ts';

export interface Policy {
  readonly default: 'open' | 'deny';
  readonly rules: readonly { readonly namespaces: readonly string[]; readonly services: readonly string[] }[];
  readonly reserved: readonly string[];
  readonly tags: Patterns;
  readonly meta: Patterns;
  /** Of one namespace; 0: no limit. */
  readonly maxInstances: number;
}

/** What of Consul's present state a policy that denies by default looks at. */
export interface NameState {
  readonly hasForeignInstances: boolean;
  /** The namespace that published the name first, and still does. */
  readonly firstNamespace: string | undefined;
}

/**
 * May a namespace publish a name? Names compare without case, as Consul looks them up.
 *
 * | rules that name the service     | default | outcome                                                                     |
 * |---------------------------------|---------|-----------------------------------------------------------------------------|
 * | one for this namespace          |         | allowed                                                                     |
 * | only for others                 |         | refused                                                                     |
 * | none                            | open    | allowed                                                                     |
 * | none                            | deny    | refused when foreign instances have it, or another namespace had it first   |
 */
export function mayPublish(
  policy: Policy,
  namespace: string,
  service: string,
  state: NameState,
): Rejection | undefined {
  const name = service.toLowerCase();
  const rules = policy.rules.filter(({ services }) => matchesAny(services, name));
  if (rules.some(({ namespaces }) => matchesAny(namespaces, namespace))) return undefined;
  const refused = (why: string): Rejection => ({
    reason: 'PolicyDenied',
    message: `service name ${quote(service)}: toConsul.policy does not let namespace ${namespace} publish it: ${why}`,
  });
  if (rules.length > 0) return refused('its rules give the name to other namespaces');
  if (policy.default === 'open') return undefined;
  if (state.hasForeignInstances) return refused('others have registered instances of it, and no rule allows it');
  if (state.firstNamespace !== undefined && state.firstNamespace !== namespace)
    return refused(`namespace ${state.firstNamespace} published it first, and no rule allows it`);
  return undefined;
}

/** What the policy says of a registration, whatever else is in Consul. */
export function policyRejections(
  policy: Policy,
  namespace: string,
  { service, tags }: Pick<Registration, 'service' | 'tags'>,
  userMeta: ReadonlyMap<string, string>,
): Rejection[] {
  const rejections: Rejection[] = [];
  if (matchesAny(policy.reserved, service.toLowerCase()))
    rejections.push({
      reason: 'ReservedName',
      message: `service name ${quote(service)} is reserved (toConsul.policy.reserved)`,
    });
  const denied = mayPublish(policy, namespace, service, UNTOUCHED);
  if (denied) rejections.push(denied);
  const refuse = (what: string, setting: string) =>
    rejections.push({ reason: 'PolicyDenied', message: `${what}: toConsul.policy.${setting} does not allow it` });
  for (const tag of tags) if (!selects(policy.tags, tag)) refuse(`tag ${quote(tag)}`, 'tags');
  for (const key of userMeta.keys()) if (!selects(policy.meta, key)) refuse(`meta ${quote(key)}`, 'meta');
  return rejections;
}

const UNTOUCHED: NameState = { hasForeignInstances: false, firstNamespace: undefined };
