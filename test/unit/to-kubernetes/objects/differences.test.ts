import { expect, it } from '@jest/globals';
import {
  endpointsDifferences,
  serviceDifferences,
  sliceDifferences,
  workloadEntryDifferences,
} from '../../../../src/to-kubernetes/objects/differences.ts';
import type { Endpoints, WorkloadEntry } from '../../../../src/kubernetes/objects.ts';
import { desiredService } from '../../../../src/to-kubernetes/objects/service.ts';
import { desiredSlices } from '../../../../src/to-kubernetes/objects/slice.ts';
import { desiredWorkloadEntries } from '../../../../src/to-kubernetes/objects/workload-entry.ts';
import { service, slice, strings } from '../../builders.ts';
import { addresses, mirrored } from '../mirrored.ts';

const fieldsOf = (
  differences: readonly { readonly field: string; readonly desired: string; readonly observed: string }[],
) => differences.map(({ field, desired, observed }) => `${field}: ${observed} -> ${desired}`);

it('a Service that has nothing of what is wanted differs in each field', () => {
  const shape = { headless: false, onlyFamily: undefined, dualStack: true };
  const desired = desiredService('billing', mirrored({ shape, tags: ['blue'] }), 'istio');
  const observed = service({ name: 'billing', type: 'NodePort', selector: strings({ app: 'x' }), ports: [] });
  expect(fieldsOf(serviceDifferences(desired, observed))).toEqual(
    expect.arrayContaining([
      'type: NodePort -> ClusterIP',
      'selector: app=x -> consular.dev/workload-of=billing',
      'ipFamilyPolicy: SingleStack -> PreferDualStack',
      'annotation consular.dev/consul-tags: (none) -> blue',
    ]),
  );
  const dual = service({ ...observed, ipFamilyPolicy: 'RequireDualStack', selector: strings() });
  const plain = desiredService('billing', mirrored({ shape, tags: [] }), 'service');
  expect(
    fieldsOf(serviceDifferences(plain, dual)).some((text) =>
      /^(selector|ipFamilyPolicy|annotation .*tags):/.test(text),
    ),
  ).toBe(false);
});

it('slices and v1 Endpoints of a headless Service differ in the label that says so', () => {
  const shape = { headless: true, onlyFamily: undefined, dualStack: false };
  const [desired] = desiredSlices(
    'billing',
    mirrored({ shape, endpoints: addresses(1, { zone: 'a', host: 'vm-1' }) }),
    [],
  );
  if (!desired) throw new Error('expected a slice');
  const found = fieldsOf(sliceDifferences(desired, slice({ endpoints: [] })));
  expect(found).toEqual(
    expect.arrayContaining([
      'label service.kubernetes.io/headless: (none) -> (empty)',
      'endpoint 10.20.0.0: (none) -> ready in zone a',
    ]),
  );
  const observed: Endpoints = { ...slice({ labels: strings() }), subsets: [] };
  const wanted = { name: 'billing', consulService: 'billing', headless: true, subsets: [], truncated: true };
  expect(fieldsOf(endpointsDifferences(wanted, observed))).toEqual([
    'label endpointslice.kubernetes.io/skip-mirror: (none) -> true',
    'label service.kubernetes.io/headless: (none) -> (empty)',
    'annotation endpoints.kubernetes.io/over-capacity: (none) -> truncated',
  ]);
});

it('a WorkloadEntry differs in its place, its ports and its labels', () => {
  const config = { labels: { include: ['*'], exclude: [] }, locality: '', serviceAccountMeta: '' };
  const [desired] = desiredWorkloadEntries('billing', mirrored(), addresses(1), config);
  if (!desired) throw new Error('expected an entry');
  const observed: WorkloadEntry = {
    ...slice({ labels: strings(), annotations: strings() }),
    ...{ address: '10.20.0.9', ports: new Map(), workloadLabels: strings({ old: 'x' }) },
    ...{ locality: 'eu', weight: undefined, serviceAccount: 'billing' },
  };
  expect(fieldsOf(workloadEntryDifferences(desired, observed))).toEqual(
    expect.arrayContaining([
      'address: 10.20.0.9 -> 10.20.0.0',
      'locality: eu -> (empty)',
      'serviceAccount: billing -> (empty)',
      'port main: (none) -> 8080',
      'spec.labels old: x -> (none)',
      'label app: (none) -> billing',
    ]),
  );
});
