import { describe, expect, it } from '@jest/globals';
import { SERVICE_NAME_LABEL, type Endpoints } from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION, LABEL } from '../../../../src/mark.ts';
import { Leftovers } from '../../../../src/to-kubernetes/observed/leftovers.ts';
import { marked, owner, service, slice, strings } from '../../builders.ts';
import { views } from '../views.ts';

const ours = service({ labels: marked(), selector: strings() });
const BUILT_IN = { [SERVICE_NAME_LABEL]: 'orders', [LABEL.sliceManagedBy]: 'endpointslice-controller.k8s.io' };
const builtIn = slice({ labels: marked(owner.cluster, BUILT_IN) });
const endpoints: Endpoints = { ...service({ labels: marked() }), subsets: [], ownerUid: '' };
const signed = strings({ [ANNOTATION.consulService]: 'Billing' });

function leftovers(given: Parameters<typeof views>[0]) {
  const found = new Leftovers(owner, views({ services: [ours], ...given }));
  return [...found.slices(ours), ...found.endpoints(ours)].map(({ name }) => name);
}

describe("what Kubernetes' own controllers left of a Service of ours", () => {
  it('has the labels of the Service, and not our annotation', () => {
    expect(leftovers({ slices: [builtIn], endpoints: [endpoints] })).toEqual(['orders-x1', 'orders']);
    expect(leftovers({ slices: [{ ...builtIn, annotations: signed }] })).toEqual([]);
    expect(leftovers({ endpoints: [{ ...endpoints, annotations: signed }] })).toEqual([]);
    expect(leftovers({ slices: [slice({ labels: strings(BUILT_IN) })] })).toEqual([]);
    expect(leftovers({ slices: [slice({ labels: marked() })] })).toEqual([]);
    expect(leftovers({})).toEqual([]);
  });

  it('is no leftover while the Service has a selector, is not there, or is in a namespace that is not followed', () => {
    const found = new Leftovers(owner, views({ slices: [builtIn], endpoints: [endpoints] }));
    for (const other of [undefined, { ...ours, selector: strings({ app: 'x' }) }])
      expect([found.slices(other), found.endpoints(other)]).toEqual([[], []]);
    expect(found.endpoints({ ...ours, namespace: 'web' })).toEqual([]);
  });

  it('leads to its Service, and nothing else does', () => {
    const found = new Leftovers(owner, views({ services: [ours] }));
    expect([found.serviceOf(builtIn), found.serviceOf(endpoints)]).toEqual([ours, ours]);
    expect(found.serviceOf({ ...endpoints, annotations: signed })).toBeUndefined();
  });
});
