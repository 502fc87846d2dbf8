import { describe, expect, it } from '@jest/globals';
import type { WorkloadEntry } from '../../../../src/kubernetes/objects.ts';
import { planWorkloadEntries } from '../../../../src/to-kubernetes/plan/workload-entry-plan.ts';
import { desiredWorkloadEntries } from '../../../../src/to-kubernetes/objects/workload-entry.ts';
import type { Target } from '../../../../src/to-kubernetes/plan/target.ts';
import { marked, strings, toKubernetesConfig } from '../../builders.ts';
import { addresses, mirrored } from '../mirrored.ts';
import { nothingWanted, ourBilling, target } from './targets.ts';

const { istio } = toKubernetesConfig();
const ours = ourBilling();
const endpoints = addresses(1);

function entry(overrides: Partial<WorkloadEntry> = {}): WorkloadEntry {
  const [desired] = desiredWorkloadEntries('billing', mirrored(), endpoints, istio);
  if (!desired) throw new Error('expected an entry');
  const { name, address, ports, labels, locality, weight, serviceAccount } = desired;
  return {
    ...{ namespace: 'shop', name, uid: 'uid-of-entry', resourceVersion: '1', deletionTimestamp: '' },
    ...{ labels: new Map([...marked(), ...labels]), annotations: strings(), ownerUid: ours.uid },
    ...{ address, ports, workloadLabels: labels, locality, weight, serviceAccount },
    ...overrides,
  };
}

function changed(whole: Target, workloadEntries: readonly WorkloadEntry[]) {
  const own = { services: [], slices: [], endpoints: [], workloadEntries };
  const { create, update, remove } = planWorkloadEntries(istio, { ...whole, own }, endpoints);
  return { create: create.length, update: update.length, remove: remove.length };
}

describe('the WorkloadEntries of a mirrored service', () => {
  const whole = target({ holder: { kind: 'ours', service: ours } });

  it.each<[string, Target, readonly WorkloadEntry[], readonly [number, number, number]]>([
    ['are made', whole, [], [1, 0, 0]],
    ['stay when they are right', whole, [entry()], [0, 0, 0]],
    ['are put right', whole, [entry({ weight: 7 })], [0, 1, 0]],
    ['are given to the Service that is there', whole, [entry({ ownerUid: 'another' })], [0, 1, 0]],
    ['belong to nobody while there is no Service', target(), [entry()], [0, 1, 0]],
    ['go with their instance', whole, [entry(), entry({ name: 'other' })], [0, 0, 1]],
    ['go when nothing is wanted', nothingWanted(), [entry()], [0, 0, 1]],
  ])('%s', (_, given, entries, [create, update, remove]) => {
    expect(changed(given, entries)).toEqual({ create, update, remove });
  });
});
