import type { Node, Pod } from '../../kubernetes/objects.ts';
import type { View } from '../../kubernetes/view.ts';

/**
 * The address of the Consul node that stands for a Kubernetes node. It is of the node as a whole, so that its pods never
 * write it to and fro:
 *
 * | status.hostIP of the pods that run there | the address is                                |
 * |------------------------------------------|-----------------------------------------------|
 * | the same for all pods that have any      | that hostIP                                   |
 * | several                                  | the Node's InternalIP, else the smallest      |
 * | none: virtual kubelets leave it empty    | the Node's InternalIP, else there is none yet |
 */
export class NodeAddresses {
  readonly #nodes: View<Node>;
  readonly #hostIPs = new Map<string, Map<string, number>>();

  constructor(pods: View<Pod>, nodes: View<Node>) {
    this.#nodes = nodes;
    for (const pod of pods.values()) this.#count(pod, 1);
    pods.subscribe((before, after) => {
      if (
        before?.hostIP === after?.hostIP &&
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
    const hostIPs = [...(this.#hostIPs.get(nodeName)?.keys() ?? [])];
    const [only] = hostIPs;
    if (only !== undefined && hostIPs.length === 1) return only;
    return this.#nodes.get(nodeName)?.internalIP || (hostIPs.sort()[0] ?? '');
  }

  #count(pod: Pod, by: 1 | -1): void {
    const { nodeName, hostIP } = pod;
    if (nodeName === '' || hostIP === '' || !isRunning(pod)) return;
    const counts = this.#hostIPs.get(nodeName) ?? new Map<string, number>();
    const count = (counts.get(hostIP) ?? 0) + by;
    if (count > 0) counts.set(hostIP, count);
    else counts.delete(hostIP);
    if (counts.size > 0) this.#hostIPs.set(nodeName, counts);
    else this.#hostIPs.delete(nodeName);
  }
}

/** A pod that has ended keeps the address that its node had then. */
function isRunning(pod: Pod | undefined): boolean {
  return pod !== undefined && pod.phase !== 'Succeeded' && pod.phase !== 'Failed';
}
