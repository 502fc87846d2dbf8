import type { Node, Pod } from '../../kubernetes/objects.ts';
import type { View } from '../../kubernetes/view.ts';

/**
 * The address of the Consul node that stands for a Kubernetes node. It is of the node as a whole, so that its pods never
 * write it to and fro:
 *
 * | status.hostIP of the pods that run there | the address is                                                        |
 * |------------------------------------------|-----------------------------------------------------------------------|
 * | the same for all pods that have any      | that hostIP                                                           |
 * | several                                  | the Node's InternalIP, else the smallest                              |
 * | none: virtual kubelets leave it empty    | the Node's InternalIP, else the smallest of the IPs of the pods there |
 */
export class NodeAddresses {
  readonly #nodes: View<Node>;
  readonly #hostIPs = new Map<string, Counted>();
  /** The first IPs of pods without a hostIP. */
  readonly #podIPs = new Map<string, Counted>();

  constructor(pods: View<Pod>, nodes: View<Node>) {
    this.#nodes = nodes;
    for (const pod of pods.values()) this.#count(pod, 1);
    pods.subscribe((before, after) => {
      if (
        before?.hostIP === after?.hostIP &&
        before?.podIPs[0] === after?.podIPs[0] &&
        before?.nodeName === after?.nodeName &&
        isRunning(before) === isRunning(after)
      )
        return;
      if (before) this.#count(before, -1);
      if (after) this.#count(after, 1);
    });
  }

  /** Empty when nobody knows. */
  of(nodeName: string): string {
    const hostIPs = this.#hostIPs.get(nodeName);
    if (hostIPs?.size === 1) return hostIPs.smallest;
    const known = hostIPs ?? this.#podIPs.get(nodeName);
    return this.#nodes.get(nodeName)?.internalIP || (known?.smallest ?? '');
  }

  #count({ nodeName, hostIP, podIPs: [podIP = ''], ...pod }: Pod, by: 1 | -1): void {
    if (nodeName === '' || !isRunning(pod)) return;
    if (hostIP !== '') count(this.#hostIPs, nodeName, hostIP, by);
    else if (podIP !== '') count(this.#podIPs, nodeName, podIP, by);
  }
}

function count(all: Map<string, Counted>, nodeName: string, address: string, by: 1 | -1): void {
  const counted = all.get(nodeName) ?? new Counted();
  counted.add(address, by);
  if (counted.size > 0) all.set(nodeName, counted);
  else all.delete(nodeName);
}

/** Texts with how many have each. A virtual node may have thousands, so the smallest is looked for only when that goes. */
class Counted {
  readonly #counts = new Map<string, number>();
  #smallest: string | undefined;

  get size(): number {
    return this.#counts.size;
  }

  /** Empty when there is none. */
  get smallest(): string {
    if (this.#smallest === undefined)
      for (const text of this.#counts.keys())
        if (this.#smallest === undefined || text < this.#smallest) this.#smallest = text;
    return this.#smallest ?? '';
  }

  add(text: string, by: 1 | -1): void {
    const count = (this.#counts.get(text) ?? 0) + by;
    if (count > 0) this.#counts.set(text, count);
    else this.#counts.delete(text);
    if (this.#smallest !== undefined && (count > 0 ? text < this.#smallest : text === this.#smallest))
      this.#smallest = count > 0 ? text : undefined;
  }
}

/** A pod that has ended keeps the address that its node had then. */
function isRunning(pod: Pick<Pod, 'phase'> | undefined): boolean {
  return pod !== undefined && pod.phase !== 'Succeeded' && pod.phase !== 'Failed';
}
