import type { Operation } from '../../consul/transaction.ts';
import type { Update } from '../../reconcile/changes.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import type { OwnCatalog } from '../observed/own-catalog.ts';
import { renewalOperations, toOperations, type PodChanges } from './operations.ts';
import { identityOf, type Registration } from '../registration/registration.ts';

/** The indexes that writes named: they can be applied for as long as one of these is where it was. */
interface Named {
  service?: number;
  check?: number;
}

/**
 * Writes of which nobody knows what became of them. That Consul has not applied one when it is asked does not mean that it
 * never will: the request may wait in a connection or in a server's queue, and take an instance that is wanted again by
 * then. Only an index that has moved makes it harmless. So whatever such a write named is written again, even if nothing
 * about it is to change; what arrives late is then refused.
 *
 * A late creation is none of this: there is no index to move, and what it puts there is found and removed like any drift.
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

  /** Forgets what has moved since; to be asked after a commit for the key. */
  review(key: string, observed: ReadonlyMap<string, OwnInstance>): void {
    const ofKey = this.#named.get(key);
    for (const [identity, named] of ofKey ?? []) {
      const instance = observed.get(identity);
      if (!instance || !(isOpen(named, instance, 'Service') || isOpen(named, instance, 'Check')))
        ofKey?.delete(identity);
    }
    if (ofKey?.size === 0) this.#named.delete(key);
  }

  /** The changes with those instances that have to be written all the same, and the operations which do that. */
  guard(key: string, changes: PodChanges, own: OwnCatalog): { changes: PodChanges; renewals: readonly Operation[] } {
    const observed = own.ofPod(key);
    this.review(key, observed);
    const ofKey = this.#named.get(key);
    if (!ofKey) return { changes, renewals: [] };
    const going = new Set(changes.remove.map(({ registration }) => identityOf(registration)));
    const updates = new Map(changes.update.map((update) => [identityOf(update.observed.registration), update]));
    const renewals: Operation[] = [];
    for (const [identity, named] of ofKey) {
      const instance = observed.get(identity);
      // A removal that names the same index is as good. A spoilt node is not written as it was found.
      if (!instance || going.has(identity) || !(updates.has(identity) || own.isIntact(instance.registration.node.name)))
        continue;
      const update = updates.get(identity) ?? { desired: instance.registration, observed: instance };
      updates.set(identity, update);
      for (const kind of ['Service', 'Check'] as const)
        if (isOpen(named, instance, kind) && !writes(update, kind)) renewals.push(...renewalOperations(update, kind));
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
