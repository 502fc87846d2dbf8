import type { ConsulError } from '../../consul/errors.ts';

/** How much goes into one transaction. */
export interface Limits {
  readonly operations: number;
  readonly bytes: number;
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
