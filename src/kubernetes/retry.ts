import { KubernetesError } from './errors.ts';

/** Failures with the same likely cause. */
export type FailureKind = 'no connection' | 'unreadable' | 'too short' | `answer ${number}`;

export interface Failure {
  readonly kind: FailureKind;
  /** It tells how to go on: to read everything again, to list in pages, or to speak JSON. */
  readonly isNews: boolean;
}

/** How often each kind came since the last success. */
export type Failures = ReadonlyMap<FailureKind, number>;

export const NO_FAILURES: Failures = new Map();

/** As client-go's reflector: the longest waits are 0.8, 1.6, 3.2 ... 30 s. */
const FIRST_WAIT_MS = 800;
const LONGEST_WAIT_MS = 30_000;
/**
 * Where nobody is there, asking costs nobody anything, and whoever comes back is to be noticed soon: both directions are to
 * be right within 10 s of its return.
 */
const LONGEST_ABSENCE_WAIT_MS = 5000;

/** No API server answered: there is no connection, or a gateway says so. */
export function isAbsence(kind: FailureKind): boolean {
  return kind === 'no connection' || kind === 'answer 502' || kind === 'answer 503';
}

/**
 * How long to wait at most after a failure; the wait is random between 0 and that, so that a herd of clients spreads.
 *
 * | the failure                                                           | the longest wait                        |
 * |-----------------------------------------------------------------------|-----------------------------------------|
 * | news, the first of its kind since the last success                    | none                                    |
 * | news of the same kind again: a server that says 410 again and again   | 0.8 s, twice as long each time, to 30 s |
 * | no connection, or a gateway before a server that is not there         | 0.8 s, twice as long each time, to 5 s  |
 * | any other                                                             | 0.8 s, twice as long each time, to 30 s |
 *
 * Each kind is counted for itself. So a failure of another kind than those before begins with a short wait (the server is
 * back, and refuses while it starts), and failures that take turns get as slow as those that do not.
 */
export function retryAfter(
  before: Failures,
  { kind, isNews }: Failure,
): { readonly failures: Failures; readonly longestWaitMs: number } {
  const earlier = before.get(kind) ?? 0;
  const failures = new Map(before).set(kind, earlier + 1);
  if (isNews && earlier === 0) return { failures, longestWaitMs: 0 };
  const longestMs = isAbsence(kind) ? LONGEST_ABSENCE_WAIT_MS : LONGEST_WAIT_MS;
  const doublings = isNews ? earlier - 1 : earlier;
  return { failures, longestWaitMs: Math.min(longestMs, FIRST_WAIT_MS * 2 ** doublings) };
}

export function failureKind(error: unknown): FailureKind {
  if (error instanceof KubernetesError) return `answer ${error.status}`;
  return isOfConnection(error) ? 'no connection' : 'unreadable';
}

/** Node.js and undici give the errors of sockets, of names and of time limits a code, and the client wraps them. */
function isOfConnection(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  return ('code' in error && typeof error.code === 'string') || ('cause' in error && isOfConnection(error.cause));
}
