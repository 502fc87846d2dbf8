import { describe, expect, it } from '@jest/globals';
import { SERVICE_NAME_LABEL, type EndpointSlice } from '../../../../src/kubernetes/objects.ts';
import { LABEL, SLICE_MANAGER } from '../../../../src/mark.ts';
import { Leftovers } from '../../../../src/to-kubernetes/observed/leftovers.ts';
import { planSlices } from '../../../../src/to-kubernetes/plan/slice-plan.ts';
import type { Target } from '../../../../src/to-kubernetes/plan/target.ts';
import { marked, owner, slice, strings, toKubernetesConfig } from '../../builders.ts';
import { addresses, asSlice, mirrored } from '../mirrored.ts';
import { views } from '../views.ts';
import { nothingWanted, ourBilling, target } from './targets.ts';

const ours = ourBilling();
const service = mirrored({ endpoints: addresses(1) });
const ofService = (name: string) =>
  marked(owner.cluster, { [SERVICE_NAME_LABEL]: name, [LABEL.sliceManagedBy]: SLICE_MANAGER });
const ownSlice = { ...asSlice(service), labels: ofService('billing') };
const holder = { kind: 'ours', service: ours } as const;

function changed(
  given: Partial<Target>,
  slices: readonly EndpointSlice[] = [],
  others: readonly EndpointSlice[] = [],
  removals: 'on' | 'never' = 'on',
) {
  const shown = views({ services: [ours], slices: [...slices, ...others] });
  const own = { services: [ours], slices, endpoints: [], workloadEntries: [] };
  const whole = target({ holder, mirrored: service, own, ...given });
  const endpoints = whole.mirrored?.endpoints ?? [];
  const sources = { views: shown, leftovers: new Leftovers(owner, shown), config: toKubernetesConfig({ removals }) };
  const { create, update, remove } = planSlices(sources, whole, { plain: endpoints, hiddenFromIstio: [], entries: [] });
  return {
    create: create.map(({ name }) => name),
    update: update.map(({ desired }) =>
      desired.endpoints.map(({ address, ready }) => address + (ready === false ? ' (not ready)' : '')).join(),
    ),
    remove: remove.map(({ name }) => name),
  };
}
const NOTHING = { create: [], update: [], remove: [] };

describe('the slices of a mirrored service', () => {
  it('are made, stay when they are right, and go when nothing is wanted', () => {
    expect(changed({})).toEqual({ ...NOTHING, create: [ownSlice.name] });
    expect(changed({}, [ownSlice])).toEqual(NOTHING);
    const own = { services: [], slices: [ownSlice], endpoints: [], workloadEntries: [] };
    expect(changed(nothingWanted({ own }), [ownSlice])).toEqual({ ...NOTHING, remove: [ownSlice.name] });
  });

  it('that belong to an earlier Service of that name are given to the one that is there', () => {
    expect(changed({}, [{ ...ownSlice, ownerUid: 'uid-of-an-earlier-one' }])).toEqual({
      ...{ ...NOTHING, update: ['10.20.0.0'] },
    });
  });

  it('of another Service name go, and another is made', () => {
    const old = { ...ownSlice, name: 'old-1', labels: ofService('billing-old') };
    expect(changed({}, [old])).toEqual({ ...NOTHING, create: [ownSlice.name], remove: ['old-1'] });
  });

  it('pass over a name that a slice of somebody else has', () => {
    const { create } = changed({}, [], [slice({ name: ownSlice.name })]);
    expect(create).toEqual([expect.not.stringMatching(ownSlice.name)]);
  });

  it('of which Kubernetes left one behind are rid of it, while the Service is ours', () => {
    const managed = { [LABEL.sliceManagedBy]: 'endpointslice-controller.k8s.io' };
    const left = slice({ name: 'billing-left', labels: marked(owner.cluster, managed), ownerUid: ours.uid });
    expect(changed({}, [ownSlice], [left])).toEqual({ ...NOTHING, remove: ['billing-left'] });
    const released = { kind: 'released', service: ours, isImporting: false } as const;
    expect(changed({ holder: released }, [ownSlice], [left])).toEqual(NOTHING);
    const selecting = { kind: 'ours', service: ourBilling({ selector: strings({ app: 'x' }) }) } as const;
    expect(changed({ holder: selecting }, [ownSlice], [left])).toEqual(NOTHING);
  });

  it('of a Service that was released stay, the last one empty', () => {
    const released = { kind: 'released', service: ours, isImporting: false } as const;
    const gone = { holder: released, mirrored: mirrored() };
    expect(changed(gone, [ownSlice])).toEqual({ ...NOTHING, update: [''] });
    expect(changed({ ...gone, holder }, [ownSlice])).toEqual({ ...NOTHING, remove: [ownSlice.name] });
    expect(changed(gone)).toEqual(NOTHING);
  });
});

describe('while toKubernetes.removals is never', () => {
  const kept = (slice: EndpointSlice): EndpointSlice => ({
    ...slice,
    endpoints: slice.endpoints.map((endpoint) => ({ ...endpoint, ready: false, serving: false })),
  });
  const [first = ''] = ownSlice.endpoints.map(({ address }) => address);

  it('an endpoint that would go stays, not ready, and is written once', () => {
    const gone = (...slices: EndpointSlice[]) =>
      nothingWanted({ own: { services: [], slices, endpoints: [], workloadEntries: [] } });
    expect(changed(gone(ownSlice), [ownSlice], [], 'never')).toEqual({ ...NOTHING, update: [`${first} (not ready)`] });
    expect(changed(gone(kept(ownSlice)), [kept(ownSlice)], [], 'never')).toEqual(NOTHING);
  });

  it('it stays beside those that serve, and is ready again when its instance is back', () => {
    const other = mirrored({ endpoints: addresses(2).slice(1) });
    const [second = ''] = asSlice(other).endpoints.map(({ address }) => address);
    expect(changed({ mirrored: other }, [ownSlice], [], 'never').update).toEqual([`${second},${first} (not ready)`]);
    expect(changed({}, [kept(ownSlice)], [], 'never')).toEqual({ ...NOTHING, update: [first] });
  });

  it('it goes as ever when removals are on again', () => {
    const gone = nothingWanted({ own: { services: [], slices: [kept(ownSlice)], endpoints: [], workloadEntries: [] } });
    expect(changed(gone, [kept(ownSlice)])).toEqual({ ...NOTHING, remove: [ownSlice.name] });
  });
});
