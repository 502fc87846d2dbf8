import type { Operation } from '../../consul/transaction.ts';
import type { Update } from '../../reconcile/changes.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import { renewalOperations, toOperations, type PodChanges } from './operations.ts';
import { identityOf, type Registration } from '../registration/registration.ts';

/** Our picture of Consul, as far as late writes matter to it. */
export interface OwnOfPods {
  /** Our instances for the pod, by `node/id`. */
  ofPod(podKey: string): ReadonlyMap<string, OwnInstance>;
  /** False when a node of ours is not as we wrote it. */
  isIntact(node: string): boolean;
}

/** Operations that move the indexes of an instance, by its `node/id`. */
export type Renewals = ReadonlyMap<string, readonly Operation[]>;

/** The indexes that a write named: it can be applied for as long as one of them is where it was. */
interface Named {
  service?: number;
  check?: number;
}

/**
 * Writes of which nobody knows what became of them. Such a write may not have been applied when Consul is asked, and be
 * applied later: the request may wait in a connection or in a server's queue, and take an instance that is wanted again by
 * then. It is harmless once the index that it named has moved. So whatever it named is written again, even if nothing about
 * it is to change; when the late write arrives, Consul refuses it.
 *
 * | an instance that a late write named                 | outcome                                                    |
 * |-----------------------------------------------------|------------------------------------------------------------|
 * | is not there any more, or has moved its indexes     | forgotten: the late write is refused                       |
 * | is to be removed now                                | nothing more: the removal names the same index             |
 * | is to be updated now                                | updated, and what the update does not write is renewed     |
 * | stays as it is                                      | renewed; see renewalOperations                             |
 * | stays as it is, on a node that others have changed  | left alone until the node is repaired                      |
 *
 * A late creation is no concern: there is no index to move, and the instance that it makes is found and removed like any
 * drift.
 */
export class LateWrites {
  /** By key, then by `node/id`. */
  readonly #named = new Map<string, Map<string, Named>>();

  /** These operations may be applied at any time from now on. */
  add(key: string, operations: readonly Operation[]): void {
    for (const operation of operations) {
      if ('Service' in operation && operation.Service.Verb !== 'set') {
        const { Node, Service } = operation.Service;
        this.#remember(key, Node, Service.ID).service = Service.ModifyIndex;
      } else if ('Check' in operation && operation.Check.Verb !== 'set') {
        const { Node, CheckID, ModifyIndex } = operation.Check.Check;
        this.#remember(key, Node, CheckID).check = ModifyIndex;
      }
    }
  }

  /** Forgets the writes whose indexes have moved since; to be called after a commit for the key. */
  review(key: string, observed: ReadonlyMap<string, OwnInstance>): void {
    const ofKey = this.#named.get(key);
    for (const [identity, named] of ofKey ?? []) {
      const instance = observed.get(identity);
      if (!instance || !(isOpen(named, instance, 'Service') || isOpen(named, instance, 'Check')))
        ofKey?.delete(identity);
    }
    if (ofKey?.size === 0) this.#named.delete(key);
  }

  /** The changes, with the instances that are written only to move their indexes, and the operations that move these. */
  guard(key: string, changes: PodChanges, own: OwnOfPods): { changes: PodChanges; renewals: Renewals } {
    const observed = own.ofPod(key);
    this.review(key, observed);
    const ofKey = this.#named.get(key);
    if (!ofKey) return { changes, renewals: new Map() };
    const going = new Set(changes.remove.map(({ registration }) => identityOf(registration)));
    const updates = new Map(changes.update.map((update) => [identityOf(update.observed.registration), update]));
    const renewals = new Map<string, readonly Operation[]>();
    for (const [identity, named] of ofKey) {
      const instance = observed.get(identity);
      if (!instance || going.has(identity)) continue;
      if (!updates.has(identity) && !own.isIntact(instance.registration.node.name)) continue;
      const update = updates.get(identity) ?? { desired: instance.registration, observed: instance };
      updates.set(identity, update);
      const kinds = (['Service', 'Check'] as const).filter(
        (kind) => isOpen(named, instance, kind) && !writes(update, kind),
      );
      renewals.set(
        identity,
        kinds.flatMap((kind) => renewalOperations(update, kind)),
      );
    }
    return { changes: { ...changes, update: [...updates.values()] }, renewals };
  }

  #remember(key: string, node: string, id: string): Named {
    const ofKey = this.#named.get(key) ?? new Map<string, Named>();
    this.#named.set(key, ofKey);
    const identity = `${node}/${id}`.toLowerCase();
    const named = ofKey.get(identity) ?? {};
    ofKey.set(identity, named);
    return named;
  }
}

function isOpen(named: Named, { serviceIndex, checkIndex }: OwnInstance, kind: 'Service' | 'Check'): boolean {
  return kind === 'Service' ? named.service === serviceIndex : named.check === checkIndex;
}

function writes(update: Update<Registration, OwnInstance>, kind: 'Service' | 'Check'): boolean {
  return toOperations({ create: [], update: [update], remove: [] }).some((operation) => kind in operation);
}
