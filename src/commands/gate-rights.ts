import type { Config } from '../config/schema.ts';
import { mayAccount, type ServiceAccount } from '../kubernetes/access.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import { objectKey, type Pod } from '../kubernetes/objects.ts';
import { explainError } from '../observability/log.ts';
import { gateOf, isShut } from '../to-consul/desired/readiness.ts';
import { gateAccess, gateRefused } from '../to-consul/report/readiness-gate.ts';
import { severalPods } from '../to-consul/report/several-pods.ts';
import type { Clients } from '../world/context.ts';
import { serviceAccountExists } from './namespace-rights.ts';
import type { Told } from './told.ts';

/**
 * Which gates the daemon's account has no right to open, one line for the pods of each namespace; nothing where the account is not
 * there, which may have another name. A caller that may not ask about the account is told so.
 * @param pods those that the caller asks about
 */
export async function toldOfGates(
  { kubernetes }: Pick<Clients, 'kubernetes'>,
  { toConsul }: Pick<Config, 'toConsul'>,
  pods: Iterable<Pod>,
  account: ServiceAccount,
): Promise<Told[]> {
  if (!toConsul.readinessGate) return [];
  const gate = gateOf(toConsul.annotationPrefix);
  const waiting = new Map<string, Pod[]>();
  for (const pod of pods)
    if (isShut(pod, gate) && pod.deletionTimestamp === '')
      waiting.set(pod.namespace, [...(waiting.get(pod.namespace) ?? []), pod]);
  try {
    if (waiting.size === 0 || !(await serviceAccountExists(kubernetes, account))) return [];
    const told = [...waiting].map(async ([namespace, shut]): Promise<Told[]> => {
      if ((await mayAccount(kubernetes, account, gateAccess(namespace))) !== false) return [];
      return [{ object: severalPods(shut.map(objectKey)), ...gateRefused(namespace, gate), isWarning: false }];
    });
    return (await Promise.all(told)).flat();
  } catch (error) {
    if (!hasStatus(error, 403)) throw error;
    const message = `it is not known whether it may open readiness gates: ${explainError(error)}`;
    return [
      {
        reason: 'GateRefused',
        object: `ServiceAccount ${account.namespace}/${account.name}`,
        message,
        isWarning: true,
      },
    ];
  }
}
