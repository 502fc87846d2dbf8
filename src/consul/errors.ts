import { isObject } from '../json.ts';
import { isDenial, rightIn, ruleFor } from './rights.ts';

/** Consul answered, and said no; or answered something that cannot be trusted. */
export class ConsulError extends Error {
  /** HTTP status; 0 when there was no answer, or none that can be read. */
  readonly status: number;
  /** The answer's text, shortened; never contains the token, which travels in a header only. */
  readonly detail: string;

  constructor(purpose: string, status: number, detail: string, cause?: unknown) {
    super(
      status === 0 ? `${purpose}: no usable answer from Consul` : `${purpose}: Consul answered ${status}: ${detail}`,
      {
        cause,
      },
    );
    this.name = 'ConsulError';
    this.status = status;
    this.detail = detail;
  }

  /**
   * True when Consul allows no more connections of this address (`http_max_conns_per_client`; it says so and closes the
   * connection), or no more requests of anybody (`request_limits`).
   */
  get isTooMany(): boolean {
    return this.status === 429;
  }

  /**
   * True when a write may have been applied all the same: the answer was lost, or was given without knowing. Where there was
   * never a connection, nothing was sent.
   */
  get isOutcomeUnknown(): boolean {
    return this.status >= 500 || (this.status === 0 && !isUnconnected(this.cause));
  }
}

/** The token of a long poll is about to end, or has ended, and another is there: it has to be asked again. No failure of Consul's. */
export class TokenChanged extends ConsulError {
  constructor(purpose: string) {
    super(purpose, 0, '', new Error('it was asked with a token that another has replaced'));
    this.name = 'TokenChanged';
  }
}

/** What Node.js says of an address that it found none for, or where nobody listens; and a proxy that did not lead to Consul. */
const UNCONNECTED = new Set<unknown>(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'NO_TUNNEL']);

function isUnconnected(cause: unknown): boolean {
  return isObject(cause) && UNCONNECTED.has(cause.code);
}

/** A 200 answer that proves nothing: no leader known, filtered by ACLs, stale, or not the shape it should have. */
export class UntrustworthyAnswer extends Error {
  constructor(purpose: string, why: string) {
    super(`${purpose}: expected a complete and current answer, found ${why}`);
    this.name = 'UntrustworthyAnswer';
  }
}

/** Consul refused operations, and so applied nothing: the catalog moved since we looked, or the token lacks a right. */
export class TransactionConflict extends Error {
  readonly failures: readonly OperationFailure[];

  constructor(failures: readonly OperationFailure[]) {
    super(
      `commit transaction: Consul refused ${failures.length} operation${failures.length === 1 ? '' : 's'}: ${failures
        .map(({ what }) => what)
        .join('; ')
        .slice(0, 512)}${adviceFor(failures)}`,
    );
    this.name = 'TransactionConflict';
    this.failures = failures;
  }

  /** True when a right is missing (Consul says that with 409 too, an operation at a time): looking again will not help. */
  get isDenied(): boolean {
    return this.failures.some(({ what }) => isDenial(what));
  }
}

/** Nothing where no right is missing. */
function adviceFor(failures: readonly OperationFailure[]): string {
  const rules = new Set(
    failures.flatMap(({ what }) => {
      const right = rightIn(what);
      return right ? [ruleFor(right)] : [];
    }),
  );
  return rules.size === 0 ? '' : ` (add to the policy of the token: ${[...rules].slice(0, 5).join(' ')})`;
}

/** The check of the fence failed: the transaction applied nothing. */
export class FenceRefused extends Error {
  constructor(what: string) {
    super(`commit transaction: Consul refused its first operation, the check of the fence: ${what.slice(0, 512)}`);
    this.name = 'FenceRefused';
  }
}

/** The transaction was not applied and never will be: what had to be done before or after it failed. */
export class NotApplied extends Error {
  constructor(cause: unknown) {
    super('commit transaction: it was not applied', { cause });
    this.name = 'NotApplied';
  }
}

/** What comes before a transaction, or after its refusal, failed: the transaction is not among those that may come late. */
export async function orNotApplied<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new NotApplied(cause);
  }
}

/**
 * Whether a transaction that failed with that may have been applied all the same, or may still be: unless Consul refused it, or
 * it was not sent. An answer that cannot be read says nothing.
 */
export function mayHaveBeenApplied(error: unknown): boolean {
  if (error instanceof TransactionConflict || error instanceof FenceRefused || error instanceof NotApplied)
    return false;
  return !(error instanceof ConsulError) || error.isOutcomeUnknown;
}

/** Whether the token lacks a right to what was asked for, or to an operation of a transaction. */
export function isDenied(error: unknown): error is Error {
  return (
    (error instanceof TransactionConflict && error.isDenied) || (error instanceof ConsulError && error.status === 403)
  );
}

export interface OperationFailure {
  readonly index: number;
  readonly what: string;
}
