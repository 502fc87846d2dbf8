import { rightId } from '../../consul/rights.ts';
import type { Wait } from './places.ts';

/** Pods with what they wait for, according to the last plan of each that was about to be written. */
export class Waiting {
  readonly #pods = new Map<string, Set<string>>();
  readonly #reasons = new Map<string, readonly string[]>();

  /** From now on the pod waits for these, and for nothing else. */
  set(podKey: string, waits: readonly Wait[]): void {
    for (const reason of this.#reasons.get(podKey) ?? []) {
      const pods = this.#pods.get(reason);
      pods?.delete(podKey);
      if (pods?.size === 0) this.#pods.delete(reason);
    }
    const reasons = waits.map(reasonOf);
    if (reasons.length > 0) this.#reasons.set(podKey, reasons);
    else this.#reasons.delete(podKey);
    for (const reason of reasons) {
      const pods = this.#pods.get(reason) ?? new Set();
      this.#pods.set(reason, pods.add(podKey));
    }
  }

  /** The pods that wait for it; from now on none does: their next plans say whether they wait again. */
  take(wait: Wait): Iterable<string> {
    const reason = reasonOf(wait);
    const pods = this.#pods.get(reason) ?? [];
    this.#pods.delete(reason);
    return pods;
  }
}

function reasonOf(wait: Wait): string {
  if ('right' in wait) return `right ${rightId(wait.right)}`;
  return 'name' in wait ? `service ${wait.name}` : `namespace ${wait.namespace}`;
}
