import { describe, expect, it } from '@jest/globals';
import { META } from '../../../../src/mark.ts';
import { judgeRemovals, type RemovalSources } from '../../../../src/to-consul/plan/removals.ts';
import type { Proof } from '../../../../src/to-consul/observed/proof-reader.ts';
import { strings } from '../../builders.ts';
import { observed } from '../instances.ts';
import { podNamed } from '../planning.ts';

const POD = podNamed('a');
const PROOF: Proof = { kind: 'Pod', namespace: 'shop', name: 'a', uid: 'uid-of-a' };
const THERE = observed({}, { podUid: 'uid-of-a' });
const ELSEWHERE = observed({ address: '10.1.0.99' }, { podUid: 'uid-of-a' });
const BY_SERVICE = observed({ meta: strings({ [META.service]: 'orders' }) }, { podUid: 'uid-of-a' });
const OF_PREDECESSOR = observed({}, { podUid: 'uid-of-another' });

describe('an instance that is not wanted', () => {
  it.each<[string, typeof THERE, Partial<RemovalSources>, 'remove' | 'held' | 'unproven']>([
    ['goes when its removal is evidenced', THERE, {}, 'remove'],
    ['needs a proof when its removal is inferred', THERE, { proofNeeded: () => PROOF }, 'unproven'],
    ['goes when it is proven', THERE, { proofNeeded: () => PROOF, proven: new Map([[THERE, PROOF]]) }, 'remove'],
    ['stays while what the pod asks for is broken', THERE, { holders: new Set(['']) }, 'held'],
    ['stays while what its Service asks for is broken', BY_SERVICE, { holders: new Set(['orders']) }, 'held'],
    ['goes while what another Service asks for is broken', BY_SERVICE, { holders: new Set(['other', '']) }, 'remove'],
    ['stays while foreign instances are not read', THERE, { isUnread: true }, 'held'],
    ['stays while they are not read, though its pod is missing', THERE, { isUnread: true, pod: undefined }, 'held'],
    ['goes at once from an address that its pod has left', ELSEWHERE, { isUnread: true }, 'remove'],
    ['goes at once from there, whatever is broken', ELSEWHERE, { holders: new Set(['']) }, 'remove'],
    ['is not held for another pod of that name', OF_PREDECESSOR, { holders: new Set(['']) }, 'remove'],
    ['of an unknown uid is held for the pod', observed({}, { podUid: '' }), { holders: new Set(['']) }, 'held'],
    ['of a missing pod is not held', THERE, { pod: undefined, holders: new Set(['']) }, 'remove'],
  ])('%s', (_, instance, given, expected) => {
    const sources = { pod: POD, holders: new Set<string>(), isUnread: false, proven: new Map(), ...given };
    const removals = judgeRemovals([instance], { proofNeeded: () => undefined, ...sources });
    expect(removals).toEqual({
      remove: expected === 'remove' ? [instance] : [],
      held: expected === 'held' ? [instance] : [],
      unproven: expected === 'unproven' ? [{ instance, proof: PROOF }] : [],
    });
  });
});
