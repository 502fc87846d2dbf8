import { describe, expect, it } from '@jest/globals';
import type { Service } from '../../../../src/kubernetes/objects.ts';
import type { DesiredSlice } from '../../../../src/to-kubernetes/objects/slice.ts';
import { type DesiredWorkloadEntry } from '../../../../src/to-kubernetes/objects/workload-entry.ts';
import { planMode, type AddressChanges } from '../../../../src/to-kubernetes/istio/mode-plan.ts';
import { service, slice, strings } from '../../builders.ts';
import { workloadSelector, type Mode } from '../../../../src/to-kubernetes/objects/service.ts';

const NOTHING = { create: [], update: [], remove: [] };
const WISH = {} as DesiredSlice & DesiredWorkloadEntry;

/** A Service of ours in a mode, or none. */
const serviceIn = (mode: Mode | undefined): Service | undefined =>
  mode && service({ selector: mode === 'istio' ? strings({ ...workloadSelector('orders') }) : strings() });

const MISSING = {
  nothing: { slices: { ...NOTHING, remove: [slice()] }, workloadEntries: NOTHING },
  'a slice': { slices: { ...NOTHING, create: [WISH] }, workloadEntries: NOTHING },
  'an entry': { slices: NOTHING, workloadEntries: { ...NOTHING, create: [WISH] } },
  'a change of a slice': {
    slices: { ...NOTHING, update: [{ desired: WISH, observed: slice() }] },
    workloadEntries: NOTHING,
  },
} satisfies Record<string, AddressChanges>;

describe('a Service', () => {
  it.each<[Mode | undefined, Mode, keyof typeof MISSING, Mode, Mode[]]>([
    // What it is in, what it should be in, what is missing; what it is written for, and whose addresses it has.
    [undefined, 'service', 'a slice', 'service', ['service']],
    [undefined, 'istio', 'an entry', 'istio', ['istio']],
    ['service', 'service', 'a slice', 'service', ['service']],
    ['istio', 'istio', 'an entry', 'istio', ['istio']],
    ['service', 'istio', 'an entry', 'service', ['service', 'istio']],
    ['service', 'istio', 'a slice', 'service', ['service', 'istio']],
    ['service', 'istio', 'nothing', 'istio', ['service', 'istio']],
    ['istio', 'service', 'a slice', 'istio', ['istio', 'service']],
    ['istio', 'service', 'a change of a slice', 'istio', ['istio', 'service']],
    ['istio', 'service', 'nothing', 'service', ['istio', 'service']],
  ])('in %s that should be in %s and lacks %s is written for %s', (observed, wished, missing, mode, modes) => {
    const asked: (readonly Mode[])[] = [];
    const plan = planMode(serviceIn(observed), wished, (modes) => {
      asked.push(modes);
      return MISSING[missing];
    });
    const switchesTo = observed === undefined || observed === wished ? undefined : wished;
    expect(plan).toEqual({ mode, switchesTo, addresses: MISSING[missing] });
    expect(asked).toEqual([modes]);
  });
});
