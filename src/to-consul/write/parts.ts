import { canonicalAddress } from '../../address.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import type { Registration } from '../registration/registration.ts';
import type { PodChanges } from './operations.ts';

/**
 * The changes of a pod in the order in which they are written when they are more than a transaction, and in pieces that may
 * not be torn apart:
 *
 * 1. removals at an address where nothing of the pod is wanted: the address is dead, or another pod's by now;
 * 2. updates, those that bring an instance to another address first: each replaces an instance in its place;
 * 3. creations, each with the removal of the instance that it replaces;
 * 4. all other removals, when everything that could stand in for them is there.
 */
export function piecesOf({ create, update, remove }: PodChanges): PodChanges[] {
  const wanted = new Set([...create, ...update.map(({ desired }) => desired)].map(addressOf));
  const isDead = ({ registration }: OwnInstance) => wanted.size > 0 && !wanted.has(addressOf(registration));
  const living = remove.filter((instance) => !isDead(instance));
  const replaced = pairs(create, living);
  const replacedOnes = new Set(replaced.values());
  return [
    ...remove.filter(isDead).map(removal),
    ...update
      .toSorted((a, b) => Number(isInPlace(a)) - Number(isInPlace(b)))
      .map((one): PodChanges => ({ create: [], update: [one], remove: [] })),
    ...create.map((one): PodChanges => {
      const instance = replaced.get(one);
      return { create: [one], update: [], remove: instance ? [instance] : [] };
    }),
    ...living.filter((instance) => !replacedOnes.has(instance)).map(removal),
  ];
}

export function together(pieces: readonly PodChanges[]): PodChanges {
  return {
    create: pieces.flatMap(({ create }) => create),
    update: pieces.flatMap(({ update }) => update),
    remove: pieces.flatMap(({ remove }) => remove),
  };
}

const removal = (instance: OwnInstance): PodChanges => ({ create: [], update: [], remove: [instance] });
const addressOf = ({ address }: Registration) => canonicalAddress(address);

function isInPlace({ desired, observed }: PodChanges['update'][number]): boolean {
  return addressOf(desired) === addressOf(observed.registration);
}

/** By what a caller would take one instance for the other, the best first. */
const LIKENESSES: readonly ((registration: Registration) => string)[] = [
  ({ service, port }) => `${service.toLowerCase()} ${port}`,
  ({ service }) => service.toLowerCase(),
  ({ port }) => String(port),
];

/** Creations with the instance that each replaces: each instance has one replacement at most, and the reverse. */
function pairs(create: readonly Registration[], remove: readonly OwnInstance[]): Map<Registration, OwnInstance> {
  const found = new Map<Registration, OwnInstance>();
  let left = remove;
  for (const likeness of LIKENESSES) {
    const free = new Map<string, Registration[]>();
    for (const one of create) {
      if (found.has(one)) continue;
      const alike = free.get(likeness(one));
      if (alike) alike.push(one);
      else free.set(likeness(one), [one]);
    }
    left = left.filter((instance) => {
      const one = free.get(likeness(instance.registration))?.shift();
      if (one) found.set(one, instance);
      return !one;
    });
  }
  return found;
}
