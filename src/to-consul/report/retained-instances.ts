import type { Clock } from '../../clock.ts';
import {
  Retained,
  shownSince,
  type Release,
  type RetainedMember,
  type Retaining,
  type ShownMember,
} from '../../guard/retained.ts';
import type { RetainedInstance } from '../plan/retention.ts';

/** A retained instance as it is shown to people, by its ID. */
export interface ShownInstance extends ShownMember {
  /** `namespace/name` */
  readonly pod: string;
}

/** A pod's plan, as far as it says what is retained. */
interface WhatRetains {
  readonly retained: readonly Pick<RetainedInstance, 'id' | 'service' | 'why'>[];
  /** Services of which it cannot be said: what others have there is not read. */
  readonly unread: readonly string[];
}

/** The instances that are retained right now, as the pods' latest plans say, and the hash under which they can be released. */
export class RetainedInstances {
  readonly #all = new Retained();
  /** Pods to their instances that are retained. */
  readonly #ofPods = new Map<string, readonly Pick<RetainedInstance, 'id' | 'service'>[]>();

  get count(): number {
    return this.#all.size;
  }

  /**
   * What the pod's latest plan retains. Where that cannot be said, what was noted stays: an instance that was let go and kept
   * anew would be one that was retained later than it was shown.
   */
  note(podKey: string, { retained, unread }: WhatRetains, nowMs: number): void {
    const before = this.#ofPods.get(podKey) ?? [];
    const others = before.filter(({ id }) => !retained.some((one) => one.id === id));
    const staying = others.filter(({ service }) => unread.includes(service));
    for (const one of others) if (!staying.includes(one)) this.#all.letGo(one.id);
    for (const { id, service, why } of retained) this.#all.keep({ service, member: id, why }, nowMs);
    const after = [...retained.map(({ id, service }) => ({ id, service })), ...staying];
    if (after.length > 0) this.#ofPods.set(podKey, after);
    else this.#ofPods.delete(podKey);
  }

  /** All with their hash, which is good for an hour from then on. */
  show(clock: Pick<Clock, 'now' | 'date'>): Retaining<ShownInstance> {
    const nowMs = clock.now();
    const shown = this.#all.show(nowMs);
    if (!shown) return { hash: undefined, instances: [] };
    const pods = new Map([...this.#ofPods].flatMap(([pod, all]) => all.map(({ id }) => [id, pod] as const)));
    const instanceOf = (one: RetainedMember): ShownInstance => ({
      ...{ service: one.service, instance: one.member, pod: pods.get(one.member) ?? '', why: one.why },
      since: shownSince(one, nowMs, clock.date()),
    });
    return { hash: shown.hash, instances: shown.members.map(instanceOf) };
  }

  /** Forgets what was shown under that hash and is retained still: to be let go by whoever asks. */
  release(hash: string, nowMs: number): Release {
    const released = this.#all.release(hash, nowMs);
    if (!released.isKnown) return { outcome: 'unknown' };
    const instances = released.members.map(({ service, member }) => ({ service, instance: member }));
    return { outcome: 'released', instances, staying: released.staying };
  }
}
