import { objectKey, type Pod } from '../../kubernetes/objects.ts';
import type { View } from '../../kubernetes/view.ts';

/**
 * Which pods have an address: a single one, but where a node was lost. Its pods are still there when their addresses are given
 * to others. Pods on the network of their node share its address by right, and pods that are being deleted or have ended have
 * none.
 */
export class AddressHolders {
  /** The keys of pods; most often a single one, which costs no list. */
  readonly #holders = new Map<string, string | Set<string>>();

  constructor(pods: View<Pod>) {
    for (const pod of pods.values()) this.#add(pod);
    pods.subscribe((before, after) => {
      if (holdSame(before, after)) return;
      if (before) this.#remove(before);
      if (after) this.#add(after);
    });
  }

  /** Other pods that have an address of the pod. */
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

/** Whether a pod has the same addresses before and after a change. */
export function holdSame(before: Pod | undefined, after: Pod | undefined): boolean {
  return before !== undefined && after !== undefined && addressesOf(before).join() === addressesOf(after).join();
}

function addressesOf({ hostNetwork, phase, deletionTimestamp, podIPs }: Pod): readonly string[] {
  const hasEnded = phase === 'Succeeded' || phase === 'Failed';
  return hostNetwork || hasEnded || deletionTimestamp !== '' ? [] : podIPs;
}
