import { describe, expect, it } from '@jest/globals';
import type { Service } from '../../../../src/kubernetes/objects.ts';
import { toHashedServiceName } from '../../../../src/to-kubernetes/names/service-name.ts';
import { workloadSelector } from '../../../../src/to-kubernetes/objects/service.ts';
import type { Holder } from '../../../../src/to-kubernetes/plan/holder.ts';
import { planService } from '../../../../src/to-kubernetes/plan/service-plan.ts';
import type { Target, Wish } from '../../../../src/to-kubernetes/plan/target.ts';
import { slice, strings } from '../../builders.ts';
import { nothingWanted, ourBilling, target, wish } from './targets.ts';

const ours = ourBilling();
const own = (services: readonly Service[], slices: Target['own']['slices'] = []): Target['own'] => ({
  ...{ services, slices, endpoints: [], workloadEntries: [] },
});

function changed(given: Target, mode: 'service' | 'istio' = 'service'): string[] {
  const { create, update, remove } = planService(given, mode);
  return [
    ...create.map(({ name, mode }) => `create ${name} for ${mode}`),
    ...update.map(({ desired }) => `update ${desired.name} for ${desired.mode}`),
    ...remove.map(({ name }) => `remove ${name}`),
  ];
}

describe('the Service of a mirrored service', () => {
  it.each<[Holder, string[]]>([
    [{ kind: 'free', service: undefined }, ['create billing for istio']],
    [{ kind: 'ours', service: ours }, ['update billing for istio']],
    [{ kind: 'released', service: ours, isImporting: false }, []],
  ])('whose name is held by %j is written, or not', (holder, expected) => {
    const services = holder.kind === 'ours' ? [ours] : [];
    expect(changed(target({ holder, own: own(services) }), 'istio')).toEqual(expected);
  });

  it('that lost the annotation is put right', () => {
    const stripped = ourBilling({ annotations: strings() });
    expect(changed(target({ holder: { kind: 'ours', service: stripped } }))).toEqual(['update billing for service']);
  });
});

describe('another Service with our marks', () => {
  const copy = ourBilling({ name: 'billing-canary', uid: 'uid-of-copy' });
  const hashed = ourBilling({ name: toHashedServiceName('billing') });
  const selecting = ourBilling({ selector: strings(workloadSelector('billing')) });
  const ofPods = ourBilling({ selector: strings({ app: 'billing' }) });
  const gone = (expired: boolean): Partial<Target> => ({
    wish: wish({ assigned: undefined, mirrored: false, expired }),
  });
  const elsewhere: Partial<Target> = { wish: wish({ assigned: undefined }) };
  const withSlices = (service: Service) => own([service], [slice({ ownerUid: service.uid })]);

  it.each<[string, Target, string[]]>([
    ['stays while the service is mirrored here', target({ own: own([copy]) }), ['create billing for service']],
    [
      'goes where the service is not mirrored any more',
      nothingWanted({ ...elsewhere, own: withSlices(ours) }),
      ['remove billing'],
    ],
    ['stays there when nothing of ours belongs to it', nothingWanted({ ...elsewhere, own: own([ours]) }), []],
    ['stays in the grace period', nothingWanted({ ...gone(false), own: withSlices(ours) }), []],
    ['goes after the grace period', nothingWanted({ ...gone(true), own: own([ours]) }), ['remove billing']],
    [
      'goes then by its name with a hash too',
      nothingWanted({ ...gone(true), own: own([hashed]) }),
      [`remove ${hashed.name}`],
    ],
    ['goes then with our selector too', nothingWanted({ ...gone(true), own: own([selecting]) }), ['remove billing']],
    ['stays then under a name of its own', nothingWanted({ ...gone(true), own: own([copy]) }), []],
    ['stays then with a selector of its own', nothingWanted({ ...gone(true), own: own([ofPods]) }), []],
  ])('%s', (_, given, expected) => {
    expect(changed(given)).toEqual(expected);
  });

  it('is looked at by its own name, whatever the wish says of others', () => {
    const given: Wish = wish({ mirrored: false, expired: true, assigned: undefined });
    expect(changed(nothingWanted({ wish: given, own: own([ours, copy, hashed]) }))).toEqual([
      'remove billing',
      `remove ${hashed.name}`,
    ]);
  });
});
