import { isObject } from '../../json.ts';
import { objectKey, type KubernetesObject } from '../../kubernetes/objects.ts';
import type { ChangeLog } from '../../observability/change-log.ts';
import type { Difference } from '../objects/differences.ts';
import type { Catalog } from '../views.ts';
import type { Written } from '../write/writer.ts';

export interface ChangeReportOptions {
  readonly changes: Pick<ChangeLog, 'note'>;
  readonly catalog: Pick<Catalog, 'instances'>;
  /** The Consul name that an object of ours stands for, lower case; nothing for anybody else's. */
  readonly nameOf: (object: KubernetesObject) => readonly string[];
}

/** A record shows so many differences, or addresses. */
const MOST_SHOWN = 5;

/** Tells the log what the API server took, an object at a time. */
export function createChangeReport({ changes, catalog, nameOf }: ChangeReportOptions): (written: Written) => void {
  /** Why an address left: what Consul says of the instances there. */
  const whyLeft = (address: string, service: string): string => {
    const there = (catalog.instances(service) ?? []).filter((one) => (one.address || one.nodeAddress) === address);
    if (there.length === 0) return 'Consul has no instance there any more';
    return `its instance is ${[...new Set(there.map(({ status }) => status))].join(' and ')}`;
  };
  const whyUpdated = (differences: readonly Difference[], service: string): string => {
    const shown = differences.slice(0, MOST_SHOWN).map(({ field, desired, observed }) => {
      const [, address] = /^(?:endpoint|address) (\S+)/.exec(field) ?? [];
      if (address !== undefined && desired === NONE) return `${address} left: ${whyLeft(address, service)}`;
      if (address !== undefined && observed === NONE) return `${address} came`;
      return `${field}: ${observed} -> ${desired}`;
    });
    const more = differences.length - shown.length;
    return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
  };
  const whyDeleted = (service: string): string => {
    const instances = catalog.instances(service);
    if (instances === undefined) return 'it is to be mirrored no more';
    if (instances.length === 0) return 'Consul has no instance of it any more';
    return 'none of its instances is to be there any more, or another object has them';
  };
  return ({ action, kind, object, differences }) => {
    const [service = ''] = nameOf(object);
    changes.note('to-kubernetes', `${kind} ${objectKey(object)}`, action, service, () => ({
      ...{ kind, object: objectKey(object), address: addressesOf(object) },
      reason:
        action === 'created'
          ? 'Consul has instances for it'
          : action === 'updated'
            ? whyUpdated(differences, service)
            : whyDeleted(service),
    }));
  };
}

const NONE = '(none)';

/** The first of its endpoints, or the address of its own. */
function addressesOf(object: KubernetesObject & { readonly endpoints?: unknown; readonly address?: unknown }): string {
  if (typeof object.address === 'string') return object.address;
  const endpoints = Array.isArray(object.endpoints) ? object.endpoints.filter(isObject) : [];
  const addresses = [...new Set(endpoints.map(({ address }) => String(address)))];
  const more = addresses.length - MOST_SHOWN;
  return [...addresses.slice(0, MOST_SHOWN), ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
}
