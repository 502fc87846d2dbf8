import { describe, expect, it } from '@jest/globals';
import {
  SERVICE_NAME_LABEL,
  type Endpoints,
  type EndpointSlice,
  type Service,
  type WorkloadEntry,
} from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION } from '../../../../src/mark.ts';
import {
  conflictOf,
  holderOf,
  isWritten,
  ourService,
  type Holder,
  type OwnInNamespace,
} from '../../../../src/to-kubernetes/plan/holder.ts';
import { annotations, endpoint, marked, owner, service, slice, strings, toKubernetesConfig } from '../../builders.ts';
import { views } from '../views.ts';

const UID = 'uid-of-service';
const NONE: OwnInNamespace = { services: [], slices: [], endpoints: [], workloadEntries: [] };
const ofBilling = strings({ [ANNOTATION.consulService]: 'Billing' });
const ours = service({ name: 'billing', labels: marked(), annotations: ofBilling });
const somebodys = service({ name: 'billing' });
const importing = service({ name: 'billing', annotations: annotations({ import: 'Billing' }) });

const ownSlice = slice({
  name: 'billing-ours',
  labels: marked(owner.cluster, { [SERVICE_NAME_LABEL]: 'billing' }),
  endpoints: [endpoint('10.20.0.1')],
});
/** The slice of an import that has the same. */
const sameOfImport = slice({
  ...{ name: 'billing-import', labels: strings({ [SERVICE_NAME_LABEL]: 'billing' }) },
  endpoints: ownSlice.endpoints,
});
const endpoints: Endpoints = { ...ours, subsets: [], ownerUid: UID };
const entry: WorkloadEntry = {
  ...{ ...ours, address: '10.20.0.1', ports: new Map(), workloadLabels: strings() },
  ...{ locality: '', weight: 1, serviceAccount: '', ownerUid: UID },
};
const withSlice = { ...NONE, slices: [ownSlice] };
const ofAnother = { ...NONE, slices: [{ ...ownSlice, ownerUid: 'uid-of-an-earlier-one' }] };

function holder(observed: Service | undefined, own: OwnInNamespace = NONE, others: readonly EndpointSlice[] = []) {
  const shown = views({ services: observed ? [observed] : [], slices: [...own.slices, ...others] });
  const config = toKubernetesConfig({ importNamespaces: ['shop'] });
  return holderOf({ owner, config, views: shown }, 'billing', observed, own);
}

describe('the name of a mirrored Service', () => {
  it.each<[string, Holder, Holder['kind']]>([
    ['that no Service has is free', holder(undefined, withSlice), 'free'],
    ['of a Service with our marks is ours', holder(ours, { ...NONE, services: [ours] }), 'ours'],
    [
      'of a Service with our labels and a slice of ours, without the annotation, is ours',
      holder({ ...ours, annotations: strings() }, withSlice),
      'ours',
    ],
    ['of a Service with our labels alone is not ours', holder({ ...ours, annotations: strings() }), 'foreign'],
    ['of a Service with a slice of ours and no labels was released', holder(somebodys, withSlice), 'released'],
    [
      'of a Service with v1 Endpoints of ours and no labels was released',
      holder(somebodys, { ...NONE, endpoints: [endpoints] }),
      'released',
    ],
    [
      'of a Service with a WorkloadEntry of ours and no labels was released',
      holder(somebodys, { ...NONE, workloadEntries: [entry] }),
      'released',
    ],
    ['of a Service that takes it in, and has not all of it, was released', holder(importing, withSlice), 'released'],
    [
      'of a Service that takes it in, and has all of it, is of an import',
      holder(importing, withSlice, [sameOfImport]),
      'importing',
    ],
    ['of a Service that takes it in is of an import', holder(importing), 'importing'],
    [
      'of a Service that takes it in, beside slices of an earlier Service, is of an import',
      holder(importing, ofAnother),
      'importing',
    ],
    [
      "of a Service that takes another in is somebody else's",
      holder({ ...importing, annotations: annotations({ import: 'other' }) }),
      'foreign',
    ],
    [
      "of a Service that may not take it in is somebody else's",
      holder({ ...importing, type: 'ExternalName' }),
      'foreign',
    ],
    ["of a Service beside slices of an earlier one is somebody else's", holder(somebodys, ofAnother), 'foreign'],
    ["of any other Service is somebody else's", holder(somebodys), 'foreign'],
    [
      'of a Service of ours is not that of its copy in another namespace',
      holder(somebodys, { ...NONE, services: [{ ...ours, namespace: 'web' }] }),
      'foreign',
    ],
  ])('%s', (_, { kind }, expected) => {
    expect(kind).toBe(expected);
  });
});

describe('who holds the name', () => {
  it.each<[Holder, { ours: boolean; conflict: boolean; written: boolean }]>([
    [
      { kind: 'free', service: undefined },
      { ours: false, conflict: false, written: true },
    ],
    [
      { kind: 'ours', service: ours },
      { ours: true, conflict: false, written: true },
    ],
    [
      { kind: 'released', service: ours, isImporting: false },
      { ours: false, conflict: true, written: true },
    ],
    [
      { kind: 'released', service: ours, isImporting: true },
      { ours: false, conflict: false, written: true },
    ],
    [
      { kind: 'importing', service: ours },
      { ours: false, conflict: false, written: false },
    ],
    [
      { kind: 'foreign', service: ours },
      { ours: false, conflict: true, written: false },
    ],
  ])('%j decides what is told and written', (given, expected) => {
    expect({
      ours: ourService(given) !== undefined,
      conflict: conflictOf(given) !== undefined,
      written: isWritten(given),
    }).toEqual(expected);
  });
});
