import { describe, expect, it } from '@jest/globals';
import { KubernetesError, type Purpose } from '../../../../src/kubernetes/errors.ts';
import { isSignOfClosing, refusalOf } from '../../../../src/to-kubernetes/report/write-refusal.ts';

describe('a write that failed', () => {
  const purpose = (kind: string): Purpose => ({ verb: 'create', kind, object: 'shop/billing' });
  const refused = (status: number, message: string, kind = 'Service') =>
    refusalOf('billing', new KubernetesError(purpose(kind), status, '', message));

  it.each([
    ['no ClusterIP left', refused(500, 'failed to allocate IP: range is full'), 'ClusterIPRangeFull'],
    [
      'no ClusterIP left, as other versions say it',
      refused(422, 'spec.clusterIPs: range is full'),
      'ClusterIPRangeFull',
    ],
    ['a quota', refused(403, 'exceeded quota: services'), 'WriteRefused'],
    ['a webhook', refused(400, 'admission webhook "x" denied the request'), 'WriteRefused'],
    ['an invalid object', refused(422, 'range is full of surprises', 'EndpointSlice'), 'WriteRefused'],
    ['an object that is too large', refused(413, 'too large'), 'WriteRefused'],
  ])('because of %s is told', (_, problem, reason) => {
    expect(problem).toEqual({
      ...{ reason, isWarning: false },
      message: expect.stringMatching(/^Consul service billing (cannot be mirrored|is not mirrored as it should be): /),
    });
  });

  it.each([
    ['a lost race', refused(409, 'the object has been modified')],
    ['a busy server', refused(429, 'too many requests')],
    ['a broken server', refused(500, 'etcdserver: request timed out')],
    ['no answer', refusalOf('billing', new Error('socket hang up'))],
    ['nothing', refusalOf('billing', undefined)],
  ])('because of %s is not: that passes', (_, problem) => {
    expect(problem).toBeUndefined();
  });
});

describe('a write that failed, and the namespace that it was for', () => {
  const answered = (verb: Purpose['verb'], status: number) =>
    new KubernetesError({ verb, kind: 'Service', object: 'shop/billing' }, status, '', 'no');

  it.each<[string, unknown, boolean]>([
    ['may be closed when the write was forbidden', answered('patch', 403), true],
    ['may be gone when nothing can be made there', answered('create', 404), true],
    ['is there when an object is gone', answered('patch', 404), false],
    ['is there when an object is wrong', answered('create', 422), false],
    ['is not known about when there was no answer', new Error('socket hang up'), false],
  ])('%s', (_, error, expected) => {
    expect(isSignOfClosing(error)).toBe(expected);
  });
});
