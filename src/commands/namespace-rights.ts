import type { ToKubernetesConfig } from '../config/schema.ts';
import { describeAccess, mayAccount, type Access, type ServiceAccount } from '../kubernetes/access.ts';
import type { KubernetesRequester } from '../kubernetes/client.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import { missingRights, type NamespaceRights } from '../kubernetes/namespace-rights.ts';
import { explainError } from '../observability/log.ts';
import type { Clients } from '../world/context.ts';
import { adviceOnRights } from '../to-kubernetes/report/write-refusal.ts';
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
    .map((name) => ({ name, rights: mirrorRights(resources, name, watch), isImport: false }));
  // Where Services are mirrored too, the rights are those above.
  const imports = importNamespaces
    .filter((name) => !namespaces.includes(name))
    .map((name) => ({ name, rights: importRights(resources, name), isImport: true }));
  try {
    if (!(await serviceAccountExists(clients.kubernetes, account))) return told;
    const lacking = await Promise.all([...open, ...imports].map((one) => toldOfAccount(clients, account, one)));
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
  { name: namespace, rights, isImport }: Written,
): Promise<Told[]> {
  const may = (access: Access) => mayAccount(kubernetes, account, access);
  const missing = await missingRights(may, [...rights.read, ...rights.write]);
  const [first] = missing;
  if (!first) return [];
  const more = missing.length === 1 ? '' : `, and ${missing.length - 1} more of its rights are missing`;
  const isMissing = (access: Access) => missing.includes(access);
  const isNothingWritten = rights.read.some(isMissing) || rights.write.every(isMissing);
  const follows = isNothingWritten ? 'until it has, nothing is written there' : 'what needs it is refused';
  const advice = adviceOnRights(namespace, isImport);
  const message = `${described(account)} has no right to ${describeAccess(first)}${more}: ${follows}: ${advice}`;
  // Where nothing is mirrored, nothing is followed either that could be closed.
  const reason = isNothingWritten && !isImport ? 'NamespaceClosed' : 'WriteRefused';
  return [{ ...tellOf(`Namespace ${namespace}`, message), reason }];
}

/** A namespace that the daemon writes to, and what it needs for that. */
interface Written {
  readonly name: string;
  readonly rights: NamespaceRights;
  /** Whether it is one of imports alone. */
  readonly isImport: boolean;
}

function tellOf(object: string, message: string, isWarning = false): Told {
  return { reason: 'NamespaceClosed', object, message, isWarning };
}

function described({ namespace, name }: ServiceAccount): string {
  return `ServiceAccount ${namespace}/${name}`;
}
