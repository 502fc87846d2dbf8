import { objectKey, type Node, type Pod } from '../../kubernetes/objects.ts';
import type { Registration } from '../registration/registration.ts';
import type { Emptied } from './losses.ts';
import type { Wait } from './places.ts';
import type { Others } from './sources.ts';

/** An instance that stays although its pod is not Ready, because much was lost at once and its service would be empty. */
export interface RetainedInstance {
  readonly id: string;
  /** The Consul service, as it is spelled. */
  readonly service: string;
  /** In words. */
  readonly why: string;
  /** As it stays. */
  readonly registration: Registration;
}

export interface Retention {
  /** What is wanted of it. */
  readonly registrations: readonly Registration[];
  readonly retained: readonly RetainedInstance[];
  /** Services whose foreign instances have to be read before it can be said. */
  readonly unread: readonly string[];
  readonly waitsFor: readonly Wait[];
}

export interface RetentionSources {
  readonly pod: Pod;
  readonly node: Node | undefined;
  readonly emptied: Emptied;
  readonly others: Others;
  /** Other pods to which an address of the pod was given after it: they started later, or are Ready. */
  readonly heirs: readonly string[];
}

export const NOTHING_RETAINED: Retention = { registrations: [], retained: [], unread: [], waitsFor: [] };

/**
 * What of a pod that is not Ready stays in Consul where it would be deregistered. The first row that fits decides:
 *
 * | an instance                                                          | outcome                                      |
 * |----------------------------------------------------------------------|----------------------------------------------|
 * | that is not kept; see EmptiedServices                                | goes                                         |
 * | of a pod whose address was given to another pod, later               | goes                                         |
 * | of a service whose foreign instances are not read                    | they are read first                          |
 * | of a service that has a passing foreign instance                     | goes                                         |
 * | of a pod whose node is Unknown                                       | stays passing: nobody knows that the pod does not serve |
 * | of any other pod                                                     | stays, critical: who asks for passing ones only gets nobody, who asks for all gets somebody |
 *
 * A control plane that hears of no node makes all of their pods NotReady, although these run on.
 */
export function retain(unready: Iterable<Registration>, sources: RetentionSources): Retention {
  const { pod, node, emptied, others, heirs } = sources;
  const registrations: Registration[] = [];
  const retained: RetainedInstance[] = [];
  const unread = new Set<string>();
  const waitsFor: Wait[] = [];
  const isUnknown = node?.ready === 'Unknown';
  const because = isUnknown ? `node ${pod.nodeName} of its pod is Unknown` : 'its pod is not Ready';
  for (const registration of unready) {
    const { id, service, check } = registration;
    if (heirs.length > 0 || !emptied.isOfEmptied(service, id)) continue;
    const foreign = others.of(service, objectKey(pod));
    if (!foreign) {
      unread.add(service);
      continue;
    }
    // Whoever they are: when they change, another row may fit.
    if (foreign.length > 0) waitsFor.push({ name: service.toLowerCase() });
    if (foreign.some(({ status }) => status === 'passing')) continue;
    const why = `much was lost at once, and ${service} would be empty`;
    const output = `${check.output}; retained by Consular: ${because}, ${why}`;
    const staying = {
      ...registration,
      check: { ...check, status: isUnknown ? 'passing' : 'critical', output } as const,
    };
    registrations.push(staying);
    retained.push({ id, service, why: `${because}: ${why}`, registration: staying });
  }
  return retained.length + unread.size + waitsFor.length === 0
    ? NOTHING_RETAINED
    : { registrations, retained, unread: [...unread], waitsFor };
}
