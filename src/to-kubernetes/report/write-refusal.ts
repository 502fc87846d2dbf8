import { describeAccess, lackedAccess } from '../../kubernetes/access.ts';
import { isRefusal, KubernetesError } from '../../kubernetes/errors.ts';
import { namespaceClosed, problem, type Problem } from '../problem.ts';
import { NameTaken } from '../write/writer.ts';

/**
 * What the API server says no to because of that one object, and trying again alone does not mend; undefined for what passes by
 * itself. What it refuses to all objects alike is `sharedRefusalOf`'s.
 */
export function refusalOf(name: string, error: unknown): Problem | undefined {
  // A Service of that name is seen before; slices take another name.
  if (error instanceof NameTaken && error.kind === 'Endpoints')
    return problem(
      'NameConflict',
      `Consul service ${name} is mirrored without v1 Endpoints of Consular: there are some of that name that are not, and what they have callers may reach too: delete them`,
    );
  if (!isRefusal(error)) return undefined;
  return problem('WriteRefused', `Consul service ${name} is not mirrored as it should be: ${error.message}`);
}

/**
 * A refusal that all Consul services have in common that need the same in that namespace, in words that are the same for each
 * of them; undefined for any other failure. The texts are those of kube-apiserver (1.36.3):
 *
 * | the API server                                         | reason               |
 * |--------------------------------------------------------|----------------------|
 * | has no such namespace                                  | `NamespaceClosed`    |
 * | is about to delete the namespace                       | `NamespaceClosed`    |
 * | has no ClusterIP left                                  | `ClusterIPRangeFull` |
 * | keeps to a ResourceQuota that is used up               | `WriteRefused`       |
 * | gives us no right to do that to objects of that kind   | `WriteRefused`       |
 * @param isImport whether the endpoints of somebody else's Service are refused, which needs fewer rights than a mirrored Service
 */
export function sharedRefusalOf(namespace: string, error: unknown, isImport = false): Problem | undefined {
  if (!(error instanceof KubernetesError)) return undefined;
  const { status, message, purpose } = error;
  if (status === 404 && message.includes(`namespaces "${namespace}" not found`))
    return namespaceClosed(namespace, 'there is no such namespace');
  if (status === 403 && message.includes('because it is being terminated'))
    return namespaceClosed(namespace, 'it is being deleted');
  if (purpose.kind === 'Service' && message.includes('range is full'))
    return problem(
      'ClusterIPRangeFull',
      `Consul services cannot be mirrored into namespace ${namespace}: the cluster has no ClusterIP left for them`,
    );
  const lacked = lackedAccess(error);
  if (lacked)
    return problem(
      'WriteRefused',
      `what belongs into namespace ${namespace} is refused: there is no right to ${describeAccess(lacked)}: ${adviceOnRights(namespace, isImport)}`,
    );
  const cause = status === 403 ? causeOf(message) : undefined;
  if (cause === undefined) return undefined;
  const what = `${purpose.verb} ${purpose.kind}`;
  return problem(
    'WriteRefused',
    `what belongs into namespace ${namespace} is refused, whatever it is for: ${what}: ${cause}`,
  );
}

/** What follows the name of the object; of a quota without what is used of it, which moves. */
function causeOf(message: string): string | undefined {
  const [quota] = /exceeded quota: .*/.exec(message) ?? [];
  return quota?.replace(/, used: \S+(?=, limited: )/, '');
}

/** Which of the manifests gives the rights that are missing. */
export function adviceOnRights(namespace: string, isImport: boolean): string {
  return `apply the Role in deploy/kubernetes/${isImport ? 'import' : 'mirror'}-namespace for namespace ${namespace}`;
}

/** True for a refusal that may be one of the whole namespace: it is gone or going, or we have no rights there any more. */
export function isSignOfClosing(error: unknown): boolean {
  if (!(error instanceof KubernetesError)) return false;
  return error.status === 403 || (error.status === 404 && error.purpose.verb === 'create');
}
