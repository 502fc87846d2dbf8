import type { OwnInstance } from '../observed/own-instance.ts';
import type { Proof } from '../observed/proof-reader.ts';
import { isSameProof, type Given } from './proof.ts';

/** Long enough for whatever hides a pod for a moment (an API server that starts, or that is being put back) to show. */
export const SECOND_PROOF_MS = 30_000;

interface First {
  readonly proof: Proof;
  readonly atMs: number;
}

/** What first direct reads have proven, of instances that are not removed before a second read has proven the same. */
export class FirstProofs {
  readonly #distanceMs: number;
  readonly #byPod = new Map<string, Map<OwnInstance, First>>();

  /** @param distanceMs how far apart two reads have to be */
  constructor(distanceMs: number) {
    this.#distanceMs = distanceMs;
  }

  /** What a direct read proves that was asked for at that time and found nothing. */
  give(podKey: string, instance: OwnInstance, proof: Proof, askedAtMs: number): Given {
    const first = this.#byPod.get(podKey)?.get(instance);
    const isSecond =
      first !== undefined && isSameProof(first.proof, proof) && askedAtMs - first.atMs >= this.#distanceMs;
    return { proof, isSecond };
  }

  /** Each instance needs two reads again. */
  clear(): void {
    this.#byPod.clear();
  }

  /** What was proven of the instance is not so any more. */
  forget(podKey: string, instance: OwnInstance): void {
    this.#byPod.get(podKey)?.delete(instance);
  }

  /**
   * Notes what the pod's instances wait for, after a plan was made with what was given.
   * @param waiting those that wait for a second proof
   * @param unproven those that could not be asked about just now: what was proven of them before counts
   * @returns milliseconds until the earliest second read; undefined when none is due
   */
  settle(
    podKey: string,
    waiting: ReadonlyMap<OwnInstance, Proof>,
    unproven: readonly OwnInstance[],
    nowMs: number,
  ): number | undefined {
    const before = this.#byPod.get(podKey);
    const firsts = new Map<OwnInstance, First>();
    for (const instance of unproven) {
      const first = before?.get(instance);
      if (first) firsts.set(instance, first);
    }
    let earliestMs = Infinity;
    for (const [instance, proof] of waiting) {
      const known = before?.get(instance);
      const first = known && isSameProof(known.proof, proof) ? known : { proof, atMs: nowMs };
      firsts.set(instance, first);
      earliestMs = Math.min(earliestMs, first.atMs + this.#distanceMs);
    }
    if (firsts.size > 0) this.#byPod.set(podKey, firsts);
    else this.#byPod.delete(podKey);
    return waiting.size === 0 ? undefined : Math.max(0, earliestMs - nowMs);
  }
}
