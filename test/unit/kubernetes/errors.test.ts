import { describe, expect, it } from '@jest/globals';
import {
  describePurpose,
  errorFromBody,
  hasStatus,
  isGone,
  KubernetesError,
  type Purpose,
} from '../../../src/kubernetes/errors.ts';
import { refusal } from './requester.ts';

const purpose: Purpose = { verb: 'patch', kind: 'Service', object: 'shop/orders' };

it.each([
  ['shop/orders', 'patch Service shop/orders'],
  ['', 'patch Service'],
])('a purpose with the object %j reads as %s', (object, text) => {
  expect(describePurpose({ ...purpose, object })).toBe(text);
});

describe('an error of the API server', () => {
  const make = (body: string, type = 'application/json') => errorFromBody(purpose, 409, type, Buffer.from(body));

  it('says what was asked and what it answered', () => {
    const error = make('{"kind":"Status","reason":"Conflict","message":"the object has been modified"}');
    expect(error.message).toBe(
      'patch Service shop/orders: the API server answered 409 Conflict: the object has been modified',
    );
    expect([error.status, error.reason]).toEqual([409, 'Conflict']);
  });

  it('of a proxy on the way has its text, shortened, and no reason', () => {
    expect(make('<html>no</html>', 'text/html').message).toMatch(/answered 409: <html>no<\/html>$/);
    expect(make('x'.repeat(9999), 'text/html').message.length).toBeLessThan(400);
    expect(make(' ', 'text/html')).toMatchObject({ reason: '', message: expect.stringMatching(/: no text$/) });
  });

  it('has a message that fits into a log', () => {
    expect(make(JSON.stringify({ message: 'x'.repeat(9999) })).message.length).toBeLessThan(700);
  });

  it('is known by its status', () => {
    expect(hasStatus(refusal(404), 404)).toBe(true);
    expect(hasStatus(refusal(409), 404)).toBe(false);
    expect(hasStatus(new Error('reset'), 404)).toBe(false);
  });

  it.each([
    ['of an object that somebody deleted', purpose, 404, 'NotFound', true],
    ['of a proxy on the way', purpose, 404, '', false],
    ['of a conflict', purpose, 409, 'Conflict', false],
    ['of a namespace that is not there', { ...purpose, verb: 'create' as const }, 404, 'NotFound', false],
  ])('says that the object is gone when it is one %s', (_, of, status, reason, gone) => {
    expect(isGone(new KubernetesError(of, status, reason, 'not found'))).toBe(gone);
  });
});
