import { describe, expect, it } from '@jest/globals';
import {
  SERVICE_NAME_LABEL,
  type Endpoints,
  type EndpointSlice,
  type WorkloadEntry,
} from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION, LABEL, SLICE_MANAGER } from '../../../../src/mark.ts';
import { OwnObjects } from '../../../../src/to-kubernetes/observed/own-objects.ts';
import { marked, owner, service, slice, strings } from '../../builders.ts';
import { viewOf, views, workloadEntries } from '../views.ts';

const of = (consulService: string) => ({ annotations: strings({ [ANNOTATION.consulService]: consulService }) });
const ours = { labels: marked(), ...of('Billing') };
const entry: WorkloadEntry = {
  ...service({ name: 'billing-1', ...ours }),
  ...{ address: '10.20.0.1', ports: new Map(), workloadLabels: strings(), locality: '', weight: 1, serviceAccount: '' },
  ownerUid: 'uid-of-service',
};

describe('the objects of ours', () => {
  const entries = workloadEntries();
  const shown = {
    ...views({
      services: [service(ours), service({ name: 'copied', namespace: 'web', ...ours }), service({ name: 'other' })],
      slices: [
        slice(ours),
        slice({ name: 'b', ...of('Billing') }),
        slice({ name: 'c', labels: marked('dev'), ...of('x') }),
      ],
      endpoints: [{ ...service(ours), subsets: [], ownerUid: '' }],
    }),
    workloadEntries: entries,
  };
  const own = new OwnObjects(owner, shown);

  it('are found by the Consul service that they are for, in lower case, when they have both marks', () => {
    expect(own.services('billing').map(({ name }) => name)).toEqual(['orders', 'copied']);
    expect(own.slices('billing').map(({ name }) => name)).toEqual(['orders-x1']);
    expect([own.endpoints('billing', 'shop').length, own.endpoints('billing', 'web').length]).toEqual([1, 0]);
    expect([own.serviceCount, own.slices('x')]).toEqual([1, []]);
    expect([...new Set(own.namespaces('billing'))]).toEqual(['shop', 'web']);
    expect(new Set(own.names())).toEqual(new Set(['billing']));
  });

  it('are WorkloadEntries too, as long as the kind is there', () => {
    expect(own.workloadEntries('billing', 'shop')).toEqual([]);
    entries.find(entry);
    expect(own.workloadEntries('billing', 'shop')).toEqual([entry]);
    entries.lose('gone');
    expect(own.workloadEntries('billing', 'shop')).toEqual([]);
  });
});

describe('the v1 Endpoints of ours', () => {
  it('are those of the view that a namespace has since it was opened', () => {
    const kept = new Map([['shop', viewOf<Endpoints>()]]);
    const shown = { ...views({}), endpoints: kept };
    const own = new OwnObjects(owner, shown);
    expect(own.endpoints('billing', 'shop')).toEqual([]);
    kept.set('shop', viewOf<Endpoints>({ ...service(ours), subsets: [], ownerUid: '' }));
    shown.namespaces.open('shop');
    expect(own.endpoints('billing', 'shop').map(({ name }) => name)).toEqual(['orders']);
    kept.delete('shop');
    shown.namespaces.close('shop');
    expect(own.endpoints('billing', 'shop')).toEqual([]);
  });
});

describe("a slice of ours on somebody else's Service", () => {
  const imported = (overrides: Partial<EndpointSlice>) => new OwnObjects(owner, views({})).isImported(slice(overrides));
  const labels = (more: Readonly<Record<string, string>> = {}) =>
    marked(owner.cluster, { [SERVICE_NAME_LABEL]: 'orders', ...more });
  const manager = { [LABEL.sliceManagedBy]: SLICE_MANAGER };
  const from = strings({ [ANNOTATION.importedFrom]: 'Billing' });

  it.each<[string, Partial<EndpointSlice>, boolean]>([
    ['has all marks', { labels: labels(manager), annotations: from }, true],
    ['lost its annotation', { labels: labels(manager) }, true],
    ['lost the label of its manager', { labels: labels(), annotations: from }, true],
    ['has the labels of its Service only, as Kubernetes copies them', { labels: labels() }, false],
    ['is of a mirrored Service', { labels: labels(manager), ...of('Billing') }, false],
    ['is not marked as ours', { labels: strings(manager), annotations: from }, false],
  ])('that %s is known: %p', (_, overrides, known) => {
    expect(imported(overrides)).toBe(known);
  });

  it('is found by its Service', () => {
    const own = new OwnObjects(owner, views({ slices: [slice({ labels: labels(manager), annotations: from })] }));
    expect([...own.importing()]).toEqual(['shop/orders']);
    expect(own.importedSlices('shop/orders')).toHaveLength(1);
  });
});
