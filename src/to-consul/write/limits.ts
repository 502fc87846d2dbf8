import type { ConsulError } from '../../consul/errors.ts';
import type { OperationList } from '../../consul/transaction.ts';

/** How much goes into one transaction. */
export interface Limits {
  readonly operations: number;
  readonly bytes: number;
}

/** What goes in front of every transaction: the check that nobody else writes for this cluster. */
export const ROOM_FOR_FENCE = 1;
/** Consul's limit for a transaction's body is 512 KiB. */
const MOST_BYTES = 400 * 1024;

/** @param operations as many as this Consul takes in one transaction */
export function limitsOf(operations: number): Limits {
  return { operations: operations - ROOM_FOR_FENCE, bytes: MOST_BYTES };
}

/** One bracket; the other stands for a comma that is not there. */
export const EMPTY: Limits = { operations: 0, bytes: 1 };

/** With the comma after it. */
export function sizeOf({ operations, text }: OperationList): Limits {
  return { operations: operations.length, bytes: Buffer.byteLength(text) + 1 };
}

export function plus(a: Limits, b: Limits): Limits {
  return { operations: a.operations + b.operations, bytes: a.bytes + b.bytes };
}

export function exceeds(size: Limits, limits: Limits): boolean {
  return size.operations > limits.operations || size.bytes > limits.bytes;
}

/** Every Consul takes 64: so few are refused only by mistake, and a transaction for each instance would help nobody. */
const FEWEST_OPERATIONS = 8;
/** The same for bytes: so much most groups have together that 8 operations hold. */
const FEWEST_BYTES = 16 * 1024;

/**
 * The limits after Consul, or a proxy before it, refused a transaction of that size with 413: half of the size, in what
 * there was too much of. They stay until the restart: nothing says that the next transaction would meet another server.
 */
export function limitsAfter413(limits: Limits, size: Limits, { detail }: Pick<ConsulError, 'detail'>): Limits {
  if (!detail.includes('too many operations'))
    return { ...limits, bytes: Math.min(limits.bytes, Math.max(FEWEST_BYTES, Math.floor(size.bytes / 2))) };
  const half = Math.max(FEWEST_OPERATIONS, Math.floor(size.operations / 2));
  return { ...limits, operations: Math.min(limits.operations, half) };
}

/**
 * What can be sent at all, after a transaction of one instance was refused that cannot be divided: no such instance is sent again,
 * or whatever else its pod wants would wait behind it for ever. An ordinary instance is never meant.
 */
export function mostAfter413(most: Limits, size: Limits, { detail }: Pick<ConsulError, 'detail'>): Limits {
  if (detail.includes('too many operations') || size.bytes <= FEWEST_BYTES) return most;
  return { ...most, bytes: Math.min(most.bytes, size.bytes - 1) };
}

export function isLower(limits: Limits, before: Limits): boolean {
  return limits.operations < before.operations || limits.bytes < before.bytes;
}
