import { describe, expect, it } from '@jest/globals';
import type { Pod, WorkloadEntry } from '../../../../src/kubernetes/objects.ts';
import type { View } from '../../../../src/kubernetes/view.ts';
import { KnownPods } from '../../../../src/to-kubernetes/istio/known-pods.ts';
import { pod, strings } from '../../builders.ts';
import { viewOf, views, workloadEntries } from '../views.ts';

const entry = (name: string, address: string): WorkloadEntry => ({
  ...{ namespace: 'shop', name, uid: `uid-of-${name}`, resourceVersion: '1', deletionTimestamp: '' },
  ...{ labels: strings(), annotations: strings(), workloadLabels: strings(), ports: new Map(), ownerUid: '' },
  ...{ address, locality: '', weight: 1, serviceAccount: '' },
});

describe('the address of a pod', () => {
  it.each<[string, Partial<Pod>, boolean]>([
    ['is one', { podIPs: ['10.1.0.7', 'fd00::7'] }, true],
    ["is none on its node's network", { hostNetwork: true }, false],
    ['is none when the pod has ended well', { phase: 'Succeeded' }, false],
    ['is none when the pod has failed', { phase: 'Failed' }, false],
  ])('%s', (_, overrides, known) => {
    const pods = new KnownPods({ ...views({}), pods: () => viewOf(pod(overrides)) });
    expect([pods.has('10.1.0.7'), pods.has('10.1.0.8')]).toEqual([known, false]);
  });

  it('is not known before the pods are read, which is when there are WorkloadEntries', () => {
    const read: { pods?: View<Pod> } = {};
    const entries = workloadEntries();
    const pods = new KnownPods({ ...views({}), workloadEntries: entries, pods: () => read.pods });
    expect([pods.has('10.1.0.7'), pods.entriesAt(pod())]).toEqual([false, []]);
    read.pods = viewOf(pod());
    entries.find(entry('a', '10.1.0.7'), entry('b', '10.1.0.8'));
    expect(pods.has('10.1.0.7')).toBe(true);
    expect(pods.entriesAt(pod()).map(({ name }) => name)).toEqual(['a']);
    entries.lose('the kind is gone');
    expect(pods.entriesAt(pod())).toEqual([]);
  });
});
