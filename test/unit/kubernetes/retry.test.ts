import { describe, expect, it } from '@jest/globals';
import { failureKind, NO_FAILURES, retryAfter, type Failure, type FailureKind } from '../../../src/kubernetes/retry.ts';
import { refusal } from './requester.ts';

const failed = (kind: FailureKind, isNews = false): Failure => ({ kind, isNews });
const GONE = failed('answer 410', true);
const REFUSED = failed('no connection');
const STARTING = failed('answer 500');
const SHORT = failed('too short');
const times = (count: number, failure: Failure) => Array.from({ length: count }, () => failure);

/** The longest waits after failures in a row. */
function waitsAfter(...row: readonly Failure[]): number[] {
  let failures = NO_FAILURES;
  return row.map((failure) => {
    const next = retryAfter(failures, failure);
    failures = next.failures;
    return next.longestWaitMs;
  });
}

describe('the longest waits after failures', () => {
  it.each<[string, Failure[], number[]]>([
    ['grow to 30 s', times(7, STARTING), [800, 1600, 3200, 6400, 12_800, 25_600, 30_000]],
    ['grow to 5 s where nobody is there', times(5, REFUSED), [800, 1600, 3200, 5000, 5000]],
    ['grow to 5 s where a gateway says so', times(5, failed('answer 503')), [800, 1600, 3200, 5000, 5000]],
    ['grow to 30 s where watches end at once', times(6, SHORT), [800, 1600, 3200, 6400, 12_800, 25_600]],
    ['are none for news', [GONE], [0]],
    ['grow where the same news comes again and again', times(4, GONE), [0, 800, 1600, 3200]],
    ['are none for news after connections that failed', [REFUSED, REFUSED, GONE], [800, 1600, 0]],
    [
      'begin anew with an answer of another kind: the server is back, and starts',
      [...times(5, REFUSED), STARTING, STARTING, failed('answer 403')],
      [800, 1600, 3200, 5000, 5000, 800, 1600, 800],
    ],
    ['are none for each news', [GONE, failed('answer 406', true), failed('answer 422', true)], [0, 0, 0]],
    ['grow where two kinds take turns', [GONE, REFUSED, GONE, REFUSED, GONE], [0, 800, 800, 1600, 1600]],
    ['grow where a refusal that was news is none any more', [GONE, failed('answer 410')], [0, 1600]],
  ])('%s', (_, row, expected) => {
    expect(waitsAfter(...row)).toEqual(expected);
  });

  it('stay as they are for however long an outage lasts', () => {
    expect(waitsAfter(...times(2000, REFUSED)).at(-1)).toBe(5000);
    expect(waitsAfter(...times(2000, STARTING)).at(-1)).toBe(30_000);
  });
});

describe('the kind of a failure', () => {
  const coded = (code: string) => Object.assign(new Error('connect'), { code });

  it.each<[string, unknown, FailureKind]>([
    ['that the API server answered is its status', refusal(403), 'answer 403'],
    ['of a socket is no connection', coded('ECONNRESET'), 'no connection'],
    [
      'of a socket is the same within other errors',
      new Error('list Pod', { cause: new Error('x', { cause: coded('UND_ERR_BODY_TIMEOUT') }) }),
      'no connection',
    ],
    ['of an answer that makes no sense is that', new Error('watch Pod', { cause: new TypeError('x') }), 'unreadable'],
    ['that is no error is that too', 'lost', 'unreadable'],
  ])('%s', (_, error, expected) => {
    expect(failureKind(error)).toBe(expected);
  });
});
