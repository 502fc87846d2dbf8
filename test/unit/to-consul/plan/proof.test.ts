import { describe, expect, it } from '@jest/globals';
import { judgeProof, proofNeeded, type Verdict } from '../../../../src/to-consul/plan/proof.ts';
import type { Proof } from '../../../../src/to-consul/observed/proof-reader.ts';
import { META } from '../../../../src/mark.ts';
import { annotations, service, slice, strings } from '../../builders.ts';
import { observed } from '../instances.ts';
import { planning, podNamed, type PlanningGiven } from '../planning.ts';

const POD = podNamed('a');
const ASKING = service({ annotations: annotations({ 'service-name': 'orders' }) });
const TARGETING = slice({
  endpoints: slice().endpoints.map((endpoint) => ({
    ...endpoint,
    target: { kind: 'Pod', namespace: 'shop', name: 'a' },
  })),
});
const byItself = observed({ meta: strings({ [META.podUid]: 'uid-of-a' }) }, { podKey: 'shop/a', podUid: 'uid-of-a' });
const byService = observed({ meta: strings({ [META.service]: 'orders' }) }, { podKey: 'shop/a', podUid: 'uid-of-a' });

const READ_POD: Proof = { kind: 'Pod', namespace: 'shop', name: 'a', uid: 'uid-of-a' };
const READ_SERVICE: Proof = { kind: 'Service', namespace: 'shop', name: 'orders', uid: '' };
const READ_SLICES: Proof = { kind: 'EndpointSlice', namespace: 'shop', name: 'orders', uid: '' };

describe('before an instance that is not wanted may be removed', () => {
  it.each<[string, PlanningGiven, typeof byItself, Proof | undefined]>([
    ['a pod that is missing is read', {}, byItself, READ_POD],
    ['a pod that is missing is read, although a Service asked', { services: [ASKING] }, byService, READ_POD],
    [
      'nothing is read for a pod that is missing in a namespace that the settings do not select',
      { config: { namespaces: { include: ['web'], exclude: [] } } },
      byItself,
      undefined,
    ],
    ['nothing is read for a pod that is there and asked for itself', { pods: [POD] }, byItself, undefined],
    [
      'nothing is read for another pod of that name',
      { pods: [podNamed('a', { uid: 'uid-of-another' })] },
      byItself,
      undefined,
    ],
    ['a Service that is missing is read', { pods: [POD] }, byService, READ_SERVICE],
    ['the slices are read when none targets the pod', { pods: [POD], services: [ASKING] }, byService, READ_SLICES],
    [
      'nothing is read when the Service does not ask any more',
      { pods: [POD], services: [service()] },
      byService,
      undefined,
    ],
    [
      'nothing is read for a pod that may have no registrations',
      { pods: [podNamed('a', { phase: 'Failed' })], services: [ASKING] },
      byService,
      undefined,
    ],
    [
      'nothing is read when a slice of the Service targets the pod',
      { pods: [POD], services: [ASKING], slices: [TARGETING] },
      byService,
      undefined,
    ],
  ])('%s', (_, given, instance, expected) => {
    const { views, index, config } = planning(given);
    expect(proofNeeded(views, index, config, 'shop/a', instance)).toEqual(expected);
  });

  it('nothing is read for a pod whose deletion was seen', () => {
    const { views, index, config } = planning({ pods: [POD] });
    views.pods.delete({ ...POD, resourceVersion: '101' });
    expect(proofNeeded(views, index, config, 'shop/a', byItself)).toBeUndefined();
  });
});

describe('what a direct read has proven', () => {
  const first = (proof: Proof) => ({ proof, isSecond: false });
  const second = (proof: Proof) => ({ proof, isSecond: true });

  it.each<[string, Proof, ReturnType<typeof first> | undefined, 'beside others' | 'the last', Verdict]>([
    ['nothing yet: it is read', READ_POD, undefined, 'beside others', 'read'],
    ['that the pod is gone: it goes', READ_POD, first(READ_POD), 'beside others', 'remove'],
    ['of the last of its service: read again', READ_POD, first(READ_POD), 'the last', 'read again'],
    ['twice of the last of its service: it goes', READ_POD, second(READ_POD), 'the last', 'remove'],
    ['that the Service is gone: even the last goes', READ_SERVICE, first(READ_SERVICE), 'the last', 'remove'],
    ['that no slice has the pod: even the last goes', READ_SLICES, first(READ_SLICES), 'the last', 'remove'],
    ['of another pod of that name', { ...READ_POD, uid: 'uid-of-another' }, first(READ_POD), 'beside others', 'read'],
    ['twice, of another pod of that name', { ...READ_POD, uid: 'other' }, second(READ_POD), 'the last', 'read'],
    ['of another object', { ...READ_POD, name: 'b' }, first(READ_POD), 'beside others', 'read'],
    ['of another namespace', { ...READ_POD, namespace: 'bank' }, first(READ_POD), 'beside others', 'read'],
    ['of another kind', { ...READ_POD, kind: 'Service' }, first(READ_POD), 'beside others', 'read'],
  ])('%s', (_, needed, given, place, expected) => {
    expect(judgeProof(needed, given, () => place === 'beside others')).toBe(expected);
  });
});
