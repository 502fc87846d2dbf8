import { describe, expect, it } from '@jest/globals';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import type { EndpointSlice, WorkloadEntry } from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION } from '../../../../src/mark.ts';
import { heldEndpoints } from '../../../../src/to-kubernetes/plan/held-endpoints.ts';
import { endpoint, endpointPort, instance, slice, strings, toKubernetesConfig } from '../../builders.ts';
import { NETWORK } from '../mirrored.ts';
import { catalogOf } from '../views.ts';

/** What is known of host names in these tests. */
const network = {
  ...NETWORK,
  judge: (text: string) =>
    text === 'db.example' ? { ...NETWORK.judge('10.20.0.9'), host: text } : NETWORK.judge(text),
};
const addresses = { network: () => network };

interface Given {
  readonly instances?: readonly ServiceInstance[];
  readonly slices?: readonly EndpointSlice[];
  readonly workloadEntries?: readonly WorkloadEntry[];
  readonly isComplete?: boolean;
  readonly isImport?: boolean;
}

function sources(instances: readonly ServiceInstance[], isComplete = false) {
  const catalog = catalogOf(new Map([['billing', instances]]), new Set(isComplete ? [] : ['billing']));
  return { config: toKubernetesConfig({}), catalog, addresses };
}

function held({ instances = [], slices = [], workloadEntries = [], isComplete = false, isImport }: Given): string[] {
  return heldEndpoints(sources(instances, isComplete), 'billing', { slices, workloadEntries }, isImport).map(
    ({ address, family, port, zone, host }) =>
      [address, port, family, zone, host].filter((part) => part !== '').join(' '),
  );
}

const entry = (address: string, ports: Readonly<Record<string, number>>): WorkloadEntry => ({
  ...slice({ name: `billing-${address}` }),
  ...{ address, ports: new Map(Object.entries(ports)), workloadLabels: strings() },
  ...{ locality: '', weight: undefined, serviceAccount: '' },
});

const withTwo = slice({ endpoints: [endpoint('10.20.0.1', { zone: 'a' }), endpoint('10.20.0.2')] });

describe('endpoints that stay while Consul may have lost their instances', () => {
  it('are those of which it shows none, as they are', () => {
    expect(held({ slices: [withTwo] })).toEqual(['10.20.0.1 8080 IPv4 a', '10.20.0.2 8080 IPv4']);
    expect(held({ slices: [withTwo], instances: [instance({ address: '10.20.0.2' })] })).toEqual([
      '10.20.0.1 8080 IPv4 a',
    ]);
  });

  it('are none once it shows all that there is', () => {
    expect(held({ slices: [withTwo], isComplete: true })).toEqual([]);
  });

  it.each<[string, Partial<ServiceInstance>]>([
    ['is critical', { status: 'critical' }],
    ['came out of Kubernetes', { meta: strings({ 'managed-by': 'consular' }) }],
    ['has the address of its node only', { address: '', nodeAddress: '10.20.0.1' }],
    ['has another notation of the address', { address: '::ffff:10.20.0.1' }],
  ])('are not those whose instance %s', (_, overrides) => {
    const shown = [instance({ address: '10.20.0.1', ...overrides }), instance({ address: '10.20.0.2' })];
    expect(held({ slices: [withTwo], instances: shown })).toEqual([]);
  });

  it('are those at another port of the same address', () => {
    const shown = [instance({ address: '10.20.0.1', port: 9090 }), instance({ address: '10.20.0.2' })];
    expect(held({ slices: [withTwo], instances: shown })).toEqual(['10.20.0.1 8080 IPv4 a']);
    const both = [withTwo, slice({ ports: [endpointPort({ port: 9090 })], endpoints: [endpoint('10.20.0.1')] })];
    expect(held({ slices: both, instances: shown })).toEqual(['10.20.0.1 8080 IPv4 a']);
  });

  it('are not those that may be none any more', () => {
    const refused = slice({ endpoints: [endpoint('10.96.0.1'), endpoint('10.20.0.1')] });
    expect(held({ slices: [refused] })).toEqual(['10.20.0.1 8080 IPv4']);
  });

  it('are not those of a host name that an instance has, whatever it resolves to by now', () => {
    const hosts = strings({ [ANNOTATION.hosts]: '{"10.20.0.8":"DB.example.","10.20.0.7":"old.example"}' });
    const slices = [
      slice({ endpoints: ['10.20.0.7', '10.20.0.8', '10.20.0.9'].map((ip) => endpoint(ip)), annotations: hosts }),
    ];
    expect(held({ slices, instances: [instance({ address: 'db.example' })] })).toEqual([
      '10.20.0.7 8080 IPv4 old.example',
    ]);
  });

  it('are those of another protocol at the same place, but for what a Service takes in', () => {
    const slices = [withTwo, slice({ ports: [endpointPort({ protocol: 'UDP' })], endpoints: [endpoint('10.20.0.1')] })];
    const instances = [instance({ address: '10.20.0.1' }), instance({ address: '10.20.0.2' })];
    expect(held({ slices, instances })).toEqual(['10.20.0.1 8080 IPv4']);
    expect(held({ slices, instances, isImport: true })).toEqual([]);
  });

  it('are not those of an instance that lost the tag that they are for', () => {
    const { config, catalog } = sources([instance({ address: '10.20.0.1', tags: ['replica'] })]);
    const tagServices = [{ service: 'billing', tags: ['master'] }];
    const given = { config: { ...config, tagServices }, catalog, addresses };
    const carriers = { slices: [withTwo], workloadEntries: [] };
    expect(heldEndpoints(given, 'billing/master', carriers).map(({ address }) => address)).toEqual(['10.20.0.2']);
  });

  it('are those of an instance that the filter leaves out, until that is known for certain', () => {
    const instances = [instance({ address: '10.20.0.1', isLeftOut: true }), instance({ address: '10.20.0.2' })];
    expect(held({ slices: [withTwo], instances })).toEqual(['10.20.0.1 8080 IPv4 a']);
    expect(held({ slices: [withTwo], instances, isComplete: true })).toEqual([]);
  });

  it('are those of WorkloadEntries too, each once', () => {
    const workloadEntries = [
      entry('10.20.0.1', { main: 8080 }),
      entry('10.20.0.3', { main: 9090 }),
      entry('10.20.0.4', { other: 9090 }),
    ];
    expect(held({ slices: [withTwo], workloadEntries }).sort()).toEqual([
      '10.20.0.1 8080 IPv4 a',
      '10.20.0.2 8080 IPv4',
      '10.20.0.3 9090 IPv4',
    ]);
  });
});
