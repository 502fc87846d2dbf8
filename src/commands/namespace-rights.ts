import type { ToKubernetesConfig } from '../config/schema.ts';
import { describeAccess, mayAccount, type Access, type ServiceAccount } from '../kubernetes/access.ts';
import type { KubernetesRequester } from '../kubernetes/client.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import { missingRights, type NamespaceRights } from '../kubernetes/namespace-rights.ts';
import { explainError } from '../observability/log.ts';
import type { Clients } from '../world/context.ts';
import { importRights, mirrorRights, type Watch } from '../world/mirror-rights.ts';
import type { World } from '../world/world.ts';
import type { Told } from './told.ts';

/** The account that the manifests in deploy/ make for the daemon. */
export const SHIPPED_ACCOUNT: ServiceAccount = { namespace: 'consular', name: 'consular' };

/**
 * What keeps the daemon from writing into mirror namespaces, and into those of imports. A command runs with the rights of whoever calls it, so that the
 * daemon's account is asked about by its name:
 *
 * | the namespace                           | the daemon's account         | is told                              |
 * |-----------------------------------------|------------------------------|--------------------------------------|
 * | is not there, or cannot be read by us   |                              | rejected: nothing is planned for it  |
 * | is open to us                           | has all rights               | nothing                              |
 * | is open to us                           | lacks some, or all           | rejected; it is planned all the same |
 * | is open to us                           | is not there                 | nothing: it may have another name, or come later |
 * | is open to us                           | cannot be asked about by us  | a warning, one for all namespaces    |
 */
export async function toldOfNamespaces(
  clients: Pick<Clients, 'kubernetes' | 'resources'>,
  { toKubernetes }: World,
  { namespaces, importNamespaces }: Pick<ToKubernetesConfig, 'namespaces' | 'importNamespaces'>,
  account: ServiceAccount,
  watch: Watch,
): Promise<Told[]> {
  if (!toKubernetes) return [];
  const { closed } = toKubernetes.views.namespaces;
  const told = [...closed].map(([name, why]) => tellOf(`Namespace ${name}`, `nothing is planned for it: ${why}`));
  const { resources } = clients;
  const open = namespaces
    .filter((name) => !closed.has(name))
    .map((name) => [name, mirrorRights(resources, name, watch)] as const);
  // Where Services are mirrored too, the rights are those above.
  const imports = importNamespaces
    .filter((name) => !namespaces.includes(name))
    .map((name) => [name, importRights(resources, name)] as const);
  try {
    if (!(await serviceAccountExists(clients.kubernetes, account))) return told;
    const lacking = await Promise.all(
      [...open, ...imports].map(([name, rights]) => toldOfAccount(clients, account, name, rights)),
    );
    return [...told, ...lacking.flat()];
  } catch (error) {
    if (!hasStatus(error, 403)) throw error;
    const message = `it is not known what it may write: ${explainError(error)}`;
    return [...told, tellOf(described(account), message, true)];
  }
}

/** @throws KubernetesError 403 for whoever may not read it */
export async function serviceAccountExists(kubernetes: KubernetesRequester, account: ServiceAccount): Promise<boolean> {
  const { namespace, name } = account;
  try {
    await kubernetes.request({
      purpose: { verb: 'get', kind: 'ServiceAccount', object: `${namespace}/${name}` },
      path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(name)}`,
    });
    return true;
  } catch (error) {
    if (hasStatus(error, 404)) return false;
    throw error;
  }
}

async function toldOfAccount(
  { kubernetes }: Pick<Clients, 'kubernetes'>,
  account: ServiceAccount,
  namespace: string,
  rights: NamespaceRights,
): Promise<Told[]> {
  const may = (access: Access) => mayAccount(kubernetes, account, access);
  const missing = await missingRights(may, [...rights.read, ...rights.write]);
  const [first] = missing;
  if (!first) return [];
  const more = missing.length === 1 ? '' : `, and ${missing.length - 1} more of its rights are missing`;
  const isMissing = (access: Access) => missing.includes(access);
  const isClosed = rights.read.some(isMissing) || rights.write.every(isMissing);
  const follows = isClosed ? 'until it has, nothing is written there' : 'what needs it is refused';
  const message = `${described(account)} has no right to ${describeAccess(first)}${more}: ${follows}`;
  return [tellOf(`Namespace ${namespace}`, message)];
}

function tellOf(object: string, message: string, isWarning = false): Told {
  return { reason: 'NamespaceClosed', object, message, isWarning };
}

function described({ namespace, name }: ServiceAccount): string {
  return `ServiceAccount ${namespace}/${name}`;
}
