import { objectKey, type Pod } from '../../kubernetes/objects.ts';
import type { View } from '../../kubernetes/view.ts';

/**
 * Which pods say that they have an address: a single one, but where a node was lost. Its pods are still there when their addresses
 * are given to others. Pods on the network of their node share its address by right, and pods that are being deleted or have ended have
 * none.
 */
export class AddressHolders {
  readonly #pods: View<Pod>;
  /** The keys of pods; most often a single one, which costs no list. */
  readonly #holders = new Map<string, string | Set<string>>();

  constructor(pods: View<Pod>) {
    this.#pods = pods;
    for (const pod of pods.values()) this.#add(pod);
    pods.subscribe((before, after) => {
      if (holdSame(before, after)) return;
      if (before) this.#remove(before);
      if (after) this.#add(after);
    });
  }

  /** Other pods to which an address of the pod was given after it, so that the pod does not have it any more. */
  heirs(pod: Pod): string[] {
    return this.besides(pod).filter((key) => {
      const other = this.#pods.get(key);
      return other !== undefined && (isReady(other) || !startedBefore(other, pod));
    });
  }

  /** Other pods that say that they have an address of the pod. */
  besides(pod: Pod): string[] {
    if (pod.hostNetwork) return [];
    const key = objectKey(pod);
    return pod.podIPs.flatMap((ip) => [...this.#at(ip)]).filter((other) => other !== key);
  }

  #add(pod: Pod): void {
    const key = objectKey(pod);
    for (const ip of addressesOf(pod)) {
      const holders = this.#holders.get(ip);
      if (holders === undefined) this.#holders.set(ip, key);
      else if (typeof holders === 'string') this.#holders.set(ip, new Set([holders, key]));
      else holders.add(key);
    }
  }

  #remove(pod: Pod): void {
    const key = objectKey(pod);
    for (const ip of addressesOf(pod)) {
      const holders = this.#holders.get(ip);
      if (holders instanceof Set) holders.delete(key);
      if (holders === key || (holders instanceof Set && holders.size === 0)) this.#holders.delete(ip);
    }
  }

  #at(ip: string): Iterable<string> {
    const holders = this.#holders.get(ip) ?? [];
    return typeof holders === 'string' ? [holders] : holders;
  }
}

/** Whether a pod is the same to those with its addresses before and after a change. */
export function holdSame(before: Pod | undefined, after: Pod | undefined): boolean {
  if (!before || !after) return false;
  return addressesOf(before).join() === addressesOf(after).join() && isReady(before) === isReady(after);
}

/** The kubelet has just reached the pod at its address. */
function isReady({ ready }: Pod): boolean {
  return ready?.status === 'True';
}

/** Or in the same second. Of a pod that does not say when it started nobody knows. */
function startedBefore(one: Pod, other: Pod): boolean {
  return Date.parse(one.startTime) <= Date.parse(other.startTime);
}

function addressesOf({ hostNetwork, phase, deletionTimestamp, podIPs }: Pod): readonly string[] {
  const hasEnded = phase === 'Succeeded' || phase === 'Failed';
  return hostNetwork || hasEnded || deletionTimestamp !== '' ? [] : podIPs;
}
