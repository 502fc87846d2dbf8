import type { PodPlan } from '../plan/pod-plan.ts';
import type { Alike } from './reporter.ts';
import { severalPods } from './several-pods.ts';

/** Why an instance stays that is not wanted as it is. */
export const STAYS = 'it stays as long as what is wanted instead is broken or not known yet';
export const LAST_OF_ITS_SERVICE =
  'it is gone, and was the last of a Consul service: a second direct read has to say so';

interface Held {
  readonly instances: number;
  readonly why: string;
}

/** Pods with instances that stay although they are not wanted as they are. */
export class HeldInstances {
  readonly #pods = new Map<string, Held>();

  /** What the pod's latest plan, which was carried out, holds. */
  note(podKey: string, plan: Pick<PodPlan, 'held' | 'unconfirmed'> | undefined): void {
    const held = plan && heldBy(plan);
    if (held) this.#pods.set(podKey, held);
    else this.#pods.delete(podKey);
  }

  /** How many instances. */
  get count(): number {
    return [...this.#pods.values()].reduce((sum, { instances }) => sum + instances, 0);
  }

  /** Pods with why something of theirs is held. */
  *reasons(): Generator<readonly [podKey: string, why: string]> {
    for (const [podKey, { instances, why }] of this.#pods)
      yield [podKey, `${instances} instance${instances === 1 ? '' : 's'} held: ${why}`];
  }

  /**
   * What is rejected and what is held, an object each; what many pods are told in the same words once, with how many they are.
   * @param rejected objects with the reason, pods as `Pod namespace/name`
   */
  *troubles(rejected: ReadonlyMap<string, string>, alike: ReadonlyMap<string, Alike> = new Map()): Generator<string> {
    const held = new Map([...this.#pods].map(([key, { instances, why }]) => [`Pod ${key}`, { instances, why }]));
    const named = (object: string) => {
      const instances = held.get(object)?.instances;
      return instances === undefined ? object : `${object} (${instances} held)`;
    };
    const together = new Map<string, string[]>();
    for (const [object, { shared }] of alike) for (const why of shared) pushTo(together, why, object);
    for (const [why, objects] of together) yield `${namesOf(objects, named)}: ${why}`;
    for (const [object, all] of rejected) {
      const why = alike.get(object)?.others ?? all;
      if (why !== '') yield `${named(object)}: ${why}`;
    }
    for (const [object, { why }] of held) if (!rejected.has(object)) yield `${named(object)}: ${why}`;
  }
}

function pushTo(groups: Map<string, string[]>, key: string, value: string): void {
  const group = groups.get(key);
  if (group) group.push(value);
  else groups.set(key, [value]);
}

function namesOf(objects: readonly string[], named: (object: string) => string): string {
  const [only = ''] = objects;
  return objects.length === 1 ? named(only) : severalPods(objects.map((object) => object.replace(/^Pod /, '')));
}

function heldBy({ held, unconfirmed }: Pick<PodPlan, 'held' | 'unconfirmed'>): Held | undefined {
  const instances = held.length + unconfirmed.length;
  if (instances === 0) return undefined;
  const why = unconfirmed.length > 0 ? LAST_OF_ITS_SERVICE : 'what is to replace it is not known yet';
  return { instances, why };
}
