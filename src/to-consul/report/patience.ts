import type { Rejection, ServiceProblem } from '../registration/rejection.ts';
import { POD } from '../requests/requests.ts';

/** So long the slices of a Service may show what it was before: they follow within a second, or there is something wrong. */
export const SLICES_FOLLOW_MS = 10_000;

/** Waits with what is wrong only if it lasts. */
export class Patience {
  readonly #waitMs: number;
  /** By pod: since when it is known, by Service and what it is about. */
  readonly #since = new Map<string, Map<string, number>>();

  /** @param waitMs for how long nothing is said of it */
  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  /** @returns what is to be told by now, and in how many milliseconds the next of the rest is */
  judge(
    podKey: string,
    problems: readonly ServiceProblem[],
    nowMs: number,
  ): { readonly due: readonly ServiceProblem[]; readonly nextInMs: number | undefined } {
    const before = this.#since.get(podKey);
    const since = new Map<string, number>();
    const due: ServiceProblem[] = [];
    let nextInMs = Infinity;
    for (const problem of problems) {
      if (problem.kind !== 'late') {
        due.push(problem);
        continue;
      }
      const identity = `${problem.service} ${problem.about}`;
      const first = before?.get(identity) ?? nowMs;
      since.set(identity, first);
      const leftMs = first + this.#waitMs - nowMs;
      if (leftMs <= 0) due.push(problem);
      else nextInMs = Math.min(nextInMs, leftMs);
    }
    if (since.size > 0) this.#since.set(podKey, since);
    else this.#since.delete(podKey);
    return { due, nextInMs: nextInMs === Infinity ? undefined : nextInMs };
  }
}

/** As of the Services over a pod, beside which the pod itself stands. */
export function lateOfPod(rejection: Rejection): ServiceProblem {
  return { service: POD, about: rejection.message, kind: 'late', rejection };
}
