import type { Pod, WorkloadEntry } from '../../kubernetes/objects.ts';
import { Index, type View } from '../../kubernetes/view.ts';
import type { Views } from '../views.ts';

/**
 * Which addresses are those of pods. An instance of Consul can be one: a pod that registers itself. It must not become a
 * WorkloadEntry, because Istio would then take the pod's proxy for that entry, in place of the Services that select the pod.
 */
export class KnownPods {
  #pods: Index<Pod> | undefined;
  #entries: readonly Index<WorkloadEntry>[] = [];

  constructor({ pods, workloadEntries }: Views) {
    const read = () => {
      const view = pods();
      if (view && !this.#pods) this.#pods = indexByAddress(view);
      const views = [...(workloadEntries.found?.views.values() ?? [])];
      this.#entries = views.map((entries) => new Index(entries, ({ address }) => [address]));
    };
    read();
    workloadEntries.subscribe(read);
  }

  has(address: string): boolean {
    return (this.#pods?.get(address).length ?? 0) > 0;
  }

  /** The WorkloadEntries that a pod is in the way of, now that it has these addresses. */
  entriesAt({ podIPs }: Pod): WorkloadEntry[] {
    return podIPs.flatMap((address) => this.#entries.flatMap((index) => index.get(address)));
  }
}

/** A pod on its node's network has no address of its own, and the address of a pod that has ended may be another pod's. */
function indexByAddress(pods: View<Pod>): Index<Pod> {
  return new Index(pods, ({ hostNetwork, phase, podIPs }) =>
    hostNetwork || phase === 'Succeeded' || phase === 'Failed' ? [] : podIPs,
  );
}
