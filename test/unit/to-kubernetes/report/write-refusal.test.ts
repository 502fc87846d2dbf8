import { describe, expect, it } from '@jest/globals';
import { KubernetesError, type Purpose } from '../../../../src/kubernetes/errors.ts';
import { NameTaken } from '../../../../src/to-kubernetes/write/writer.ts';
import { isSignOfClosing, refusalOf, sharedRefusalOf } from '../../../../src/to-kubernetes/report/write-refusal.ts';

describe('a write that failed', () => {
  const purpose = (kind: string): Purpose => ({ verb: 'create', kind, object: 'shop/billing' });
  const refused = (status: number, message: string, kind = 'Service') =>
    refusalOf('billing', new KubernetesError(purpose(kind), status, '', message));

  it.each([
    ['a webhook', refused(400, 'admission webhook "x" denied the request'), 'WriteRefused'],
    ['an invalid object', refused(422, 'range is full of surprises', 'EndpointSlice'), 'WriteRefused'],
    ['an object that is too large', refused(413, 'too large'), 'WriteRefused'],
  ])('because of %s is told', (_, problem, reason) => {
    expect(problem).toEqual({
      ...{ reason, isWarning: false },
      message: expect.stringMatching(/^Consul service billing is not mirrored as it should be: /),
    });
  });

  it('because there are v1 Endpoints of somebody else is told: their addresses are reached too', () => {
    const taken = (kind: string) => refusalOf('billing', new NameTaken(kind, 'shop/billing', new Error('409')));
    expect(taken('Endpoints')).toMatchObject({ reason: 'NameConflict', isWarning: false });
    expect(taken('EndpointSlice')).toBeUndefined();
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

describe('a write that all in a namespace would be refused', () => {
  const shared = (status: number, message: string, kind = 'Service') =>
    sharedRefusalOf('shop', new KubernetesError({ verb: 'create', kind, object: 'shop/billing' }, status, '', message));
  const refused = 'what belongs into namespace shop is refused, whatever it is for';
  const full = 'Consul services cannot be mirrored into namespace shop: the cluster has no ClusterIP left for them';
  const closed = 'nothing is written into namespace shop, and nothing removed';
  const rights =
    'User "system:serviceaccount:a:b" cannot create resource "services" in API group "" in the namespace "shop"';

  it.each<[string, ReturnType<typeof shared>, string, string]>([
    ['no ClusterIP left', shared(500, 'failed to allocate IP: range is full'), 'ClusterIPRangeFull', full],
    ['the same as others say it', shared(422, 'spec.clusterIPs: range is full'), 'ClusterIPRangeFull', full],
    [
      'a quota, without what is used of it at the moment',
      shared(
        403,
        'services "a" is forbidden: exceeded quota: q, requested: services=1, used: services=1, limited: services=1',
      ),
      'WriteRefused',
      `${refused}: create Service: exceeded quota: q, requested: services=1, limited: services=1`,
    ],
    [
      'a missing right, without the name of the object',
      shared(403, `endpointslices.discovery.k8s.io "a-1" is forbidden: ${rights}`, 'EndpointSlice'),
      'WriteRefused',
      'what belongs into namespace shop is refused: there is no right to create services in namespace shop: apply the Role in deploy/kubernetes/mirror-namespace for namespace shop',
    ],
    [
      'a namespace that is not there',
      shared(404, 'namespaces "shop" not found'),
      'NamespaceClosed',
      `${closed}: there is no such namespace`,
    ],
    [
      'a namespace that is going',
      shared(
        403,
        'services "a" is forbidden: unable to create new content in namespace shop because it is being terminated',
      ),
      'NamespaceClosed',
      `${closed}: it is being deleted`,
    ],
  ])('because of %s has the same words for each of them', (_, problem, reason, message) => {
    expect(problem).toMatchObject({ reason, message, isWarning: false });
  });

  it.each<[string, ReturnType<typeof shared>]>([
    ['a webhook says no to one', shared(403, 'services "a" is forbidden: admission webhook "x" denied the request: a')],
    ['an object is gone', shared(404, 'services "a" not found')],
    ['a slice is invalid', shared(422, 'range is full of surprises', 'EndpointSlice')],
    ['there was no answer', sharedRefusalOf('shop', new Error('socket hang up'))],
  ])('is none where %s', (_, problem) => {
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
