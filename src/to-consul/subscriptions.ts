import {
  objectKey,
  serviceKeyOf,
  zoneOf,
  type EndpointPort,
  type EndpointSlice,
  type Node,
  type Pod,
  type Service,
} from '../kubernetes/objects.ts';
import { holdSame } from './plan/address-holders.ts';
import type { PodIndex } from './plan/pod-index.ts';
import { podsOfSlice, type Views } from './views.ts';

export interface Subscriber {
  /** These pods have to be looked at. */
  readonly enqueue: (podKeys: Iterable<string>) => void;
  /** An address of these pods is another pod's by now, or is not any more. */
  readonly addressChanged: (podKeys: readonly string[]) => void;
  /** Addresses in the slices of a Service that belong to no pod: to be told, or with none not to be told any more. */
  readonly reportService: (service: Service, addressesWithoutPod: readonly string[]) => void;
  /** The pod is gone. */
  readonly forget: (pod: Pod) => void;
}

/**
 * From what changes in Kubernetes to the pods to look at:
 *
 * | what changed                          | the pods                                                          |
 * |---------------------------------------|-------------------------------------------------------------------|
 * | a pod                                 | that pod, and lost ones that have its address, or had it; also when it turns Ready |
 * | a Service                             | those that it asks for, before and now                            |
 * | the targets of a slice                | those that came and those that went                               |
 * | whose a slice is, or its ports        | those that it targets, before and now                             |
 * | the address or the zone of a node, or whether it is Unknown | those that run there                        |
 *
 * A Service or slice that changed is also a reason to look at what that Service targets and cannot be registered.
 */
export function subscribe(
  views: Views,
  index: PodIndex,
  { enqueue, addressChanged, reportService, forget }: Subscriber,
): void {
  views.pods.subscribe((before, after) => {
    const pod = after ?? before;
    if (pod) enqueue([objectKey(pod)]);
    if (!holdSame(before, after)) for (const one of [before, after]) if (one) addressChanged(index.sharingAddress(one));
    if (before && before.uid !== after?.uid) forget(before);
  });
  views.services.subscribe((before, after) => {
    for (const service of [before, after]) if (service) enqueue(index.podsOfService(service));
    if (after) reportService(after, index.addressesWithoutPod(after));
    else if (before) reportService(before, []);
  });
  views.endpointSlices.subscribe((before, after) => {
    const slices = [before, after].filter((slice) => slice !== undefined);
    enqueue(podsConcerned(before, after));
    for (const key of new Set(slices.map(serviceKeyOf))) {
      const service = views.services.get(key);
      if (service) reportService(service, index.addressesWithoutPod(service));
    }
  });
  views.nodes.subscribe((before, after) => {
    const node = after ?? before;
    if (!node || isSame(before, after)) return;
    enqueue(index.podsOfNode(node));
  });
  for (const service of views.services.values()) reportService(service, index.addressesWithoutPod(service));
}

/** Of a hundred pods of a slice one changes at a time, and what the slice says of its endpoints is the pods' own to say. */
function podsConcerned(before: EndpointSlice | undefined, after: EndpointSlice | undefined): Iterable<string> {
  const then = new Set(before ? podsOfSlice(before) : []);
  const now = new Set(after ? podsOfSlice(after) : []);
  if (!before || !after || !saysSame(before, after)) return new Set([...then, ...now]);
  return [...then, ...now].filter((key) => !then.has(key) || !now.has(key));
}

/** As far as any pod in Consul depends on the slice that targets it. */
function saysSame(a: EndpointSlice, b: EndpointSlice): boolean {
  return (
    serviceKeyOf(a) === serviceKeyOf(b) &&
    a.addressType === b.addressType &&
    a.ports.length === b.ports.length &&
    a.ports.every((port, i) => samePort(port, b.ports[i]))
  );
}

function samePort(a: EndpointPort, b: EndpointPort | undefined): boolean {
  return a.name === b?.name && a.port === b.port && a.protocol === b.protocol && a.appProtocol === b.appProtocol;
}

/** As far as a pod in Consul depends on its node. */
function isSame(a: Node | undefined, b: Node | undefined): boolean {
  return (
    a?.internalIP === b?.internalIP && zoneOf(a) === zoneOf(b) && (a?.ready === 'Unknown') === (b?.ready === 'Unknown')
  );
}
