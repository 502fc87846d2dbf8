import { describe, expect, it } from '@jest/globals';
import type { Endpoints, Service } from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION, LABEL } from '../../../../src/mark.ts';
import { planEndpoints } from '../../../../src/to-kubernetes/plan/endpoints-plan.ts';
import { NO_REFUSALS } from '../../../../src/to-kubernetes/plan/sources.ts';
import { Leftovers } from '../../../../src/to-kubernetes/observed/leftovers.ts';
import type { Mode } from '../../../../src/to-kubernetes/objects/service.ts';
import type { Target } from '../../../../src/to-kubernetes/plan/target.ts';
import { marked, owner, strings, toKubernetesConfig } from '../../builders.ts';
import { views } from '../views.ts';
import { nothingWanted, ourBilling, target } from './targets.ts';

const ours = ourBilling();
const selecting = ourBilling({ selector: strings({ app: 'billing' }) });
const endpoints = (overrides: Partial<Endpoints> = {}): Endpoints => ({
  ...ours,
  ...{ uid: 'uid-of-endpoints', subsets: [], ownerUid: ours.uid },
  labels: marked(owner.cluster, { [LABEL.skipMirror]: 'true' }),
  ...overrides,
});
/** What Kubernetes' own controller made while the Service had a selector. */
const left = endpoints({ labels: marked(), annotations: strings() });
const heldBy = (service: Service): Partial<Target> => ({ holder: { kind: 'ours', service } });
const withEndpoints = (...endpoints: Endpoints[]): Partial<Target> => ({
  own: { services: [], slices: [], endpoints, workloadEntries: [] },
});

interface Setting {
  readonly there?: readonly Endpoints[];
  readonly isOn?: boolean;
  readonly mode?: Mode;
}

function changed(given: Target, { there = [], isOn = true, mode = 'service' }: Setting = {}) {
  const leftovers = new Leftovers(owner, views({ services: [ours], endpoints: there }));
  const { create, update, remove } = planEndpoints(
    { config: toKubernetesConfig({ endpoints: isOn }), leftovers, refusals: NO_REFUSALS },
    given,
    mode,
  );
  return { create: create.length, update: update.length, remove: remove.map(({ uid }) => uid) };
}
const NOTHING = { create: 0, update: 0, remove: [] };

describe('v1 Endpoints', () => {
  it('are made beside a Service without a selector, and for one that is to be made without', () => {
    expect(changed(target(heldBy(ours)))).toEqual({ ...NOTHING, create: 1 });
    expect(changed(target())).toEqual({ ...NOTHING, create: 1 });
  });

  it('are none where the Service has a selector, or is to have one from the beginning', () => {
    expect(changed(target(heldBy(selecting)))).toEqual(NOTHING);
    expect(changed(target(), { mode: 'istio' })).toEqual(NOTHING);
    expect(changed(target({ ...heldBy(selecting), ...withEndpoints(endpoints()) }))).toEqual({
      ...{ ...NOTHING, remove: ['uid-of-endpoints'] },
    });
  });

  it('stay while a Service without a selector is on its way to mode istio', () => {
    expect(changed(target({ ...heldBy(ours), ...withEndpoints(endpoints()) }), { mode: 'istio' })).toEqual(NOTHING);
  });

  it('are put right, and go when they are switched off or not wanted any more', () => {
    const wrong = endpoints({ labels: marked() });
    expect(changed(target({ ...heldBy(ours), ...withEndpoints(wrong) }))).toEqual({ ...NOTHING, update: 1 });
    const removed = { ...NOTHING, remove: ['uid-of-endpoints'] };
    expect(changed(target({ ...heldBy(ours), ...withEndpoints(endpoints()) }), { isOn: false })).toEqual(removed);
    expect(changed(nothingWanted(withEndpoints(endpoints())))).toEqual(removed);
  });

  it('that a selector left go before ours are made', () => {
    expect(changed(target(heldBy(ours)), { there: [left] })).toEqual({ ...NOTHING, remove: ['uid-of-endpoints'] });
    // They are those of the Service's owner when it is not ours, or has its selector still.
    const released = target({ holder: { kind: 'released', service: ours, isImporting: false } });
    expect(changed(released, { there: [left] })).toEqual({ ...NOTHING, create: 1 });
    expect(changed(target(heldBy(selecting)), { there: [left] })).toEqual(NOTHING);
    const signed = endpoints({ annotations: strings({ [ANNOTATION.consulService]: 'Billing' }) });
    expect(changed(target(heldBy(ours)), { there: [signed] })).toEqual({ ...NOTHING, create: 1 });
  });
});
