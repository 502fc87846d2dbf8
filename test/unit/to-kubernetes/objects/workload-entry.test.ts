import { describe, expect, it } from '@jest/globals';
import type { WorkloadEntry } from '../../../../src/kubernetes/objects.ts';
import { workloadEntryDifferences } from '../../../../src/to-kubernetes/objects/differences.ts';
import { readHosts } from '../../../../src/to-kubernetes/objects/hosts-annotation.ts';
import {
  desiredWorkloadEntries,
  sameWorkloadEntry,
  type DesiredWorkloadEntry,
  workloadEntryBody,
} from '../../../../src/to-kubernetes/objects/workload-entry.ts';
import type { MirroredEndpoint } from '../../../../src/to-kubernetes/desired/mirrored-service.ts';
import { instance, strings } from '../../builders.ts';
import { addresses, mirrored, tcpPorts } from '../mirrored.ts';

const CONFIG = {
  labels: { include: ['version'], exclude: [] },
  locality: '{region}/{zone}',
  serviceAccountMeta: 'account',
};

const entriesOf = (endpoints: readonly MirroredEndpoint[], ports = [tcpPorts(80, 8080)]) =>
  desiredWorkloadEntries('billing', mirrored({ ports }), endpoints, CONFIG);
const entryOf = (overrides: Partial<MirroredEndpoint> = {}): DesiredWorkloadEntry => {
  const [entry] = entriesOf(addresses(1, overrides));
  if (!entry) throw new Error('expected an entry for the endpoint');
  return entry;
};

const LABELS = { app: 'billing', 'consular.dev/workload-of': 'billing' };
const meta = strings({ version: 'v2', region: 'eu', zone: 'eu-1a', account: 'billing-vm', other: 'x' });

describe('the WorkloadEntry of an endpoint whose instance Consul does not show', () => {
  const [unknown] = addresses(1, { instance: undefined });

  it('stays as it is', () => {
    const observed = written(entryOf({ instance: instance({ meta, weight: 3 }) }));
    const [kept] = desiredWorkloadEntries('billing', mirrored(), unknown ? [unknown] : [], CONFIG, [observed]);
    expect(kept && sameWorkloadEntry(kept, observed)).toBe(true);
  });

  it('says nothing of it where there is none yet', () => {
    const [made] = entriesOf(unknown ? [unknown] : []);
    expect(made).toMatchObject({ labels: strings(LABELS), locality: '', weight: 1, serviceAccount: '' });
  });
});

describe('the WorkloadEntry of an instance', () => {
  it('has its address, its own port under every name, its labels, place and weight', () => {
    expect(entryOf({ port: 9098, instance: instance({ meta, weight: 3 }) })).toEqual({
      name: 'billing-10.20.0.0-9098',
      consulService: 'Billing',
      serviceName: 'billing',
      address: '10.20.0.0',
      ports: new Map([
        ['main', 9098],
        ['alias', 9098],
      ]),
      labels: strings({ version: 'v2', ...LABELS }),
      locality: 'eu/eu-1a',
      weight: 3,
      serviceAccount: 'billing-vm',
      host: '',
    });
  });

  it('has the one port, when the Service has', () => {
    expect(entriesOf(addresses(1), [tcpPorts(80)])[0]?.ports).toEqual(new Map([['main', 8080]]));
  });

  it.each([
    [0, 1],
    [1, 1],
    [2.9, 2],
    [65_535, 65_535],
  ])('has for a weight of %d one of %d', (weight, expected) => {
    expect(entryOf({ instance: instance({ weight }) }).weight).toBe(expected);
  });

  it('has a name of its own, also where only the port or the family differs', () => {
    const endpoints = [
      ...addresses(3),
      ...addresses(3, { port: 8081 }),
      ...addresses(3, { family: 'IPv6' }),
      ...addresses(3, { family: 'IPv6', port: 8081 }),
    ];
    const names = entriesOf(endpoints).map(({ name }) => name);
    expect(new Set(names).size).toBe(endpoints.length);
    // A DNS subdomain, as the API server wants it.
    for (const name of names) expect(name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
  });
});

/** What the API server has once an entry was written: a merge of what was there with the body. */
function written(desired: DesiredWorkloadEntry, before?: WorkloadEntry): WorkloadEntry {
  const { metadata, fields } = workloadEntryBody({ 'app.kubernetes.io/managed-by': 'consular' }, desired, {}, before);
  const { spec } = fields;
  const merge = <V>(old: ReadonlyMap<string, V> | undefined, patch: Readonly<Record<string, V | null>>) => {
    const merged = new Map(old);
    for (const [key, value] of Object.entries(patch)) {
      if (value === null) merged.delete(key);
      else merged.set(key, value);
    }
    return merged;
  };
  return {
    ...{ namespace: 'shop', name: desired.name, uid: 'u', resourceVersion: '1', deletionTimestamp: '' },
    labels: merge(before?.labels, metadata.labels as Record<string, string | null>),
    annotations: merge(before?.annotations, metadata.annotations),
    address: spec.address,
    ports: merge(before?.ports, spec.ports as Record<string, number | null>),
    workloadLabels: merge(before?.workloadLabels, spec.labels as Record<string, string | null>),
    locality: spec.locality === undefined ? (before?.locality ?? '') : (spec.locality ?? ''),
    weight: spec.weight === undefined ? before?.weight : (spec.weight ?? undefined),
    serviceAccount: spec.serviceAccount === undefined ? (before?.serviceAccount ?? '') : (spec.serviceAccount ?? ''),
    ownerUid: 'uid-of-service',
  };
}

describe('the host name behind a WorkloadEntry', () => {
  const named = entryOf({ host: 'vm-1.example.com' });
  const plain = entryOf();

  it('is written on it, and read as it was written', () => {
    const read = (desired: DesiredWorkloadEntry) => {
      const { annotations, address } = written(desired);
      return [...readHosts({ annotations, endpoints: [{ address }] })];
    };
    expect(read(named)).toEqual([['10.20.0.0', 'vm-1.example.com']]);
    expect(read(plain)).toEqual([]);
  });

  it.each([
    ['of one that had none', plain, named],
    ['of one that had another', entryOf({ host: 'vm-2.example.com' }), named],
    ['that is none any more', named, plain],
  ])('%s is put right by one patch', (_, before, after) => {
    const observed = written(before);
    expect(sameWorkloadEntry(after, observed)).toBe(false);
    expect(sameWorkloadEntry(after, written(after, observed))).toBe(true);
  });
});

describe('the WorkloadEntry in Kubernetes', () => {
  const desired = entryOf({ instance: instance({ meta, weight: 3 }) });
  const observed = written(desired);

  it('has its labels in both places, and our marks beside them', () => {
    expect(observed.workloadLabels).toEqual(desired.labels);
    expect(observed.labels).toEqual(new Map([...desired.labels, ['app.kubernetes.io/managed-by', 'consular']]));
  });

  it.each<[string, Partial<WorkloadEntry>, boolean]>([
    ['as it should be', {}, true],
    ['with a label of somebody else', { labels: new Map([...observed.labels, ['istio.io/rev', 'x']]) }, true],
    ['with another address', { address: '10.20.0.9' }, false],
    ['with another port', { ports: strings({}) as never }, false],
    ['with a port more', { ports: new Map([...desired.ports, ['x', 1]]) }, false],
    ['with another locality', { locality: '' }, false],
    ['with another weight', { weight: 4 }, false],
    ['without a weight', { weight: undefined }, false],
    ['with another service account', { serviceAccount: 'other' }, false],
    ['with a label less in its spec', { workloadLabels: strings(LABELS) }, false],
    ['with a label more in its spec', { workloadLabels: new Map([...desired.labels, ['x', 'y']]) }, false],
    ['with another label of its own', { labels: new Map([...observed.labels, ['version', 'v1']]) }, false],
    ['without the label that selects it', { labels: strings({ version: 'v2', app: 'billing' }) }, false],
  ])('%s', (_, overrides, same) => {
    expect(sameWorkloadEntry(desired, { ...observed, ...overrides })).toBe(same);
    // What is told of it names a field wherever they are not the same.
    expect(workloadEntryDifferences(desired, { ...observed, ...overrides }).length === 0).toBe(same);
  });

  it('is put right by one patch, whatever was changed of it', () => {
    const strange: WorkloadEntry = {
      ...observed,
      address: '1.2.3.4',
      ports: new Map([['other', 7]]),
      workloadLabels: strings({ version: 'v1', stage: 'blue' }),
      labels: strings({ version: 'v1', stage: 'blue', 'istio.io/rev': 'x' }),
      locality: 'us/us-1',
      weight: 9,
      serviceAccount: 'somebody',
    };
    const plain = entryOf();
    const after = written(plain, strange);
    expect(sameWorkloadEntry(plain, after)).toBe(true);
    expect(after.workloadLabels).toEqual(strings(LABELS));
    expect(after.labels).toEqual(
      strings({ ...LABELS, 'istio.io/rev': 'x', 'app.kubernetes.io/managed-by': 'consular' }),
    );
  });
});
