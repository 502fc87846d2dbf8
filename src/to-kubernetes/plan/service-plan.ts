import type { Service } from '../../kubernetes/objects.ts';
import { compare, type Changes } from '../../reconcile/changes.ts';
import { toHashedServiceName, toServiceName } from '../names/service-name.ts';
import { desiredService, modeOf, sameService, type DesiredService, type Mode } from '../objects/service.ts';
import { hasOurs, ourService } from './holder.ts';
import { byName, type Target } from './target.ts';

/**
 * The Service is written where its name is free or ours. Any other Service with our marks for the same Consul service:
 *
 * | the Consul service                          | the Service                                       |
 * |---------------------------------------------|---------------------------------------------------|
 * | is mirrored into this namespace             | stays: a copy that somebody made                  |
 * | is mirrored, but not into this namespace    | goes at once, when objects of ours belong to it   |
 * | is gone, and its grace period is not over   | stays                                             |
 * | is gone, and its grace period is over       | goes, when its name and its selector are ours     |
 */
export function planService(target: Target, mode: Mode): Changes<DesiredService, Service> {
  const { wish, serviceName, holder, own, mirrored } = target;
  const ours = ourService(holder);
  const hasService = mirrored !== undefined && holder.kind !== 'released';
  const { create, update, remove } = compare(
    byName(hasService ? [desiredService(serviceName, mirrored, mode)] : []),
    byName(ours ? [...own.services, ours] : own.services),
    sameService,
  );
  const mayGo = (service: Service) => {
    if (wish.mirrored) return wish.assigned === undefined && hasOurs(own, service);
    return wish.expired && isMadeByUs(wish.name, service);
  };
  return { create, update, remove: remove.filter(mayGo) };
}

/** Not a copy that somebody made, labels and all, for pods of their own. */
function isMadeByUs(name: string, service: Service): boolean {
  const hasOurSelector = service.selector.size === 0 || modeOf(service) === 'istio';
  return hasOurSelector && [toServiceName(name), toHashedServiceName(name)].includes(service.name);
}
