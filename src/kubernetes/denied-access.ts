import type { Clock } from '../clock.ts';
import { Denials } from '../denials.ts';
import { describeAccess, type Access, type MayAccess } from './access.ts';

/** A review for each right that is denied, while there is one; so many in a row. */
const LOOKS = { most: 20, lookMs: 5000, lookAfterNewsMs: 5000 };

export interface DeniedAccessOptions {
  /** Whether we have that right now. */
  readonly may: MayAccess;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Rights for want of which the API server refused writes, by access reviews; see Denials. */
export type DeniedAccess = Denials<Access>;

export function createDeniedAccess({ may, clock, signal }: DeniedAccessOptions): DeniedAccess {
  const ask = async (rights: readonly Access[]) => {
    const allowed: (boolean | undefined)[] = [];
    for (const access of rights) allowed.push(await may(access).catch(() => undefined));
    return allowed;
  };
  return new Denials({ ask, clock, signal, ...LOOKS, idOf: describeAccess });
}
