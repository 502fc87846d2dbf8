import { describe, expect, it } from '@jest/globals';
import {
  ConsulError,
  FenceRefused,
  mayHaveBeenApplied,
  NotApplied,
  TransactionConflict,
  UntrustworthyAnswer,
} from '../../../src/consul/errors.ts';

describe('an error of Consul', () => {
  it.each([
    ['no answer', 0, 'read services: no usable answer from Consul'],
    ['a refusal', 403, 'read services: Consul answered 403: Permission denied'],
  ])('after %s says what was asked', (_, status, message) => {
    expect(new ConsulError('read services', status, 'Permission denied').message).toBe(message);
  });

  it('carries its cause', () => {
    const cause = new Error('connection reset');
    expect(new ConsulError('read services', 0, '', cause).cause).toBe(cause);
  });

  it.each([
    [0, true],
    [400, false],
    [403, false],
    [409, false],
    [429, false],
    [500, true],
    [503, true],
  ])('%i: a write may have been applied all the same: %p', (status, unknown) => {
    expect(new ConsulError('commit transaction', status, '').isOutcomeUnknown).toBe(unknown);
  });

  it.each([
    ['ECONNRESET', true],
    ['ECONNREFUSED', false],
    ['ENOTFOUND', false],
  ])('%s: a write may have been applied all the same: %p', (code, unknown) => {
    const cause = Object.assign(new Error('failed'), { code });
    expect(new ConsulError('commit transaction', 0, '', cause).isOutcomeUnknown).toBe(unknown);
  });

  it('about an answer that proves nothing names what was found', () => {
    expect(new UntrustworthyAnswer('read services', 'one without an index').message).toBe(
      'read services: expected a complete and current answer, found one without an index',
    );
  });
});

describe('a refused transaction', () => {
  const conflict = (...failures: string[]) => new TransactionConflict(failures.map((what, index) => ({ index, what })));

  it.each([
    ['one operation', ['index is stale'], 'commit transaction: Consul refused 1 operation: index is stale'],
    ['more', ['a', 'b'], 'commit transaction: Consul refused 2 operations: a; b'],
  ])('says why %s was refused', (_, failures, message) => {
    expect(conflict(...failures).message).toBe(message);
  });

  it('does not say more than a log can take', () => {
    expect(conflict(...Array<string>(128).fill('x'.repeat(100))).message.length).toBeLessThan(600);
  });

  it('is a missing right when one operation lacked it', () => {
    expect(conflict('index is stale', 'Permission denied: token lacks service:write').isDenied).toBe(true);
    expect(conflict('index is stale').isDenied).toBe(false);
  });
});

describe('a transaction that failed', () => {
  it.each([
    ['was refused by Consul', new TransactionConflict([]), false],
    ['was refused by the fence', new FenceRefused('index is stale'), false],
    ['was kept back', new NotApplied(new ConsulError('read key', 500, '')), false],
    ['was forbidden', new ConsulError('commit transaction', 403, ''), false],
    ['got no answer', new ConsulError('commit transaction', 0, ''), true],
    ['met a server error', new ConsulError('commit transaction', 500, ''), true],
    ['got an answer that proves nothing', new UntrustworthyAnswer('commit transaction', 'no index'), true],
    ['got an answer that cannot be read', new TypeError('read transaction results: expected an object'), true],
    ['failed with something that is no error', undefined, true],
  ])('because it %s may have been applied all the same, or not', (_, error, may) => {
    expect(mayHaveBeenApplied(error)).toBe(may);
  });
});
