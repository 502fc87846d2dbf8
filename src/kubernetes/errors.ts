import { formatOf, STATUS } from './encoding/formats.ts';
import type { Encoded } from './encoding/message.ts';

/** What a request was for; every error message starts with it: "patch Service default/orders". */
export interface Purpose {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';
  readonly kind: string;
  /** `namespace/name`, `name`, or empty for a whole list. */
  readonly object: string;
}

export function describePurpose({ verb, kind, object }: Purpose): string {
  return object === '' ? `${verb} ${kind}` : `${verb} ${kind} ${object}`;
}

/** The API server answered, and said no. */
export class KubernetesError extends Error {
  readonly purpose: Purpose;
  /** HTTP status code. */
  readonly status: number;
  /** The machine-readable `reason` of the Status object, such as `AlreadyExists`; empty when there was none. */
  readonly reason: string;

  constructor(purpose: Purpose, status: number, reason: string, message: string) {
    super(`${describePurpose(purpose)}: the API server answered ${status}${reason ? ` ${reason}` : ''}: ${message}`);
    this.name = 'KubernetesError';
    this.purpose = purpose;
    this.status = status;
    this.reason = reason;
  }
}

/** Builds the error from a response body, which is a Status object when the API server wrote it and anything else when a proxy did. */
export function errorFromBody(purpose: Purpose, status: number, contentType: string, body: Buffer): KubernetesError {
  let found: Encoded;
  try {
    found = formatOf(contentType).object('Status', body);
  } catch {
    return new KubernetesError(purpose, status, '', body.toString('utf8', 0, 256).trim() || 'no text');
  }
  const { reason, message } = found.as(STATUS);
  return new KubernetesError(purpose, status, reason, message.slice(0, 512));
}

/** Answers that say that the object itself cannot be written, whenever it is tried: a quota, a webhook, a rule. */
const REFUSALS = [400, 403, 413, 422];

export function isRefusal(error: unknown): error is KubernetesError {
  return error instanceof KubernetesError && REFUSALS.includes(error.status);
}

export function hasStatus(error: unknown, status: number): error is KubernetesError {
  return error instanceof KubernetesError && error.status === status;
}

/** Whether somebody deleted the object that was to be changed. What is created has no object: there its namespace is missing. */
export function isGone(error: unknown): boolean {
  return hasStatus(error, 404) && error.reason === 'NotFound' && error.purpose.verb === 'patch';
}
