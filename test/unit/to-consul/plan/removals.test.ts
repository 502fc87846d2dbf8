import { describe, expect, it } from '@jest/globals';
import { META } from '../../../../src/mark.ts';
import { judgeRemovals, type Removals, type RemovalSources } from '../../../../src/to-consul/plan/removals.ts';
import type { Proof } from '../../../../src/to-consul/observed/proof-reader.ts';
import { strings } from '../../builders.ts';
import { observed } from '../instances.ts';
import { podNamed } from '../planning.ts';

const POD = podNamed('a');
const PROOF: Proof = { kind: 'Pod', namespace: 'shop', name: 'a', uid: 'uid-of-a' };
const THERE = observed({}, { podUid: 'uid-of-a' });
const PROVEN = new Map([[THERE, { proof: PROOF, isSecond: false }]]);
const ELSEWHERE = observed({ address: '10.1.0.99' }, { podUid: 'uid-of-a' });
const BY_SERVICE = observed({ meta: strings({ [META.service]: 'orders' }) }, { podUid: 'uid-of-a' });
const OF_PREDECESSOR = observed({}, { podUid: 'uid-of-another' });

describe('an instance that is not wanted', () => {
  it.each<[string, typeof THERE, Partial<RemovalSources>, keyof Removals]>([
    ['goes when its removal is evidenced', THERE, {}, 'remove'],
    ['needs a proof when its removal is inferred', THERE, { proofNeeded: () => PROOF }, 'unproven'],
    ['goes when it is proven', THERE, { proofNeeded: () => PROOF, proven: PROVEN }, 'remove'],
    [
      'needs a second proof when it is the last',
      THERE,
      { proofNeeded: () => PROOF, proven: PROVEN, hasLivingOther: () => false },
      'unconfirmed',
    ],
    [
      'needs a proof of its own: that of the same instance as it was before somebody wrote it is none',
      { ...THERE },
      { proofNeeded: () => PROOF, proven: PROVEN },
      'unproven',
    ],
    ['stays while foreign instances are not read, proven or not', THERE, { isUnread: true, proven: PROVEN }, 'held'],
    ['stays while what the pod asks for is broken', THERE, { holders: new Set(['']) }, 'held'],
    ['stays while what its Service asks for is broken', BY_SERVICE, { holders: new Set(['orders']) }, 'held'],
    ['goes while what another Service asks for is broken', BY_SERVICE, { holders: new Set(['other', '']) }, 'remove'],
    ['stays while somebody asks for it too whose input is broken', BY_SERVICE, { names: new Set(['orders']) }, 'held'],
    ['is not held for another name', BY_SERVICE, { names: new Set(['other']) }, 'remove'],
    ['stays while foreign instances are not read', THERE, { isUnread: true }, 'held'],
    ['stays while they are not read, though its pod is missing', THERE, { isUnread: true, pod: undefined }, 'held'],
    ['goes at once from an address that its pod has left', ELSEWHERE, { isUnread: true }, 'remove'],
    ['goes at once from there, whatever is broken', ELSEWHERE, { holders: new Set(['']) }, 'remove'],
    ['is not held for another pod of that name', OF_PREDECESSOR, { holders: new Set(['']) }, 'remove'],
    ['of an unknown uid is held for the pod', observed({}, { podUid: '' }), { holders: new Set(['']) }, 'held'],
    ['of a missing pod is not held', THERE, { pod: undefined, holders: new Set(['']) }, 'remove'],
  ])('%s', (_, instance, given, expected) => {
    const removals = judgeRemovals([instance], {
      ...{ pod: POD, holders: new Set<string>(), names: new Set<string>(), isUnread: false, proven: new Map() },
      ...{ proofNeeded: () => undefined, hasLivingOther: () => true, ...given },
    });
    expect(removals).toEqual({
      remove: expected === 'remove' ? [instance] : [],
      held: expected === 'held' ? [instance] : [],
      unproven: expected === 'unproven' ? [{ instance, proof: PROOF }] : [],
      unconfirmed: expected === 'unconfirmed' ? [{ instance, proof: PROOF }] : [],
    });
  });
});
