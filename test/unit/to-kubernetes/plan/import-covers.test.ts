import { describe, expect, it } from '@jest/globals';
import { SERVICE_NAME_LABEL, type EndpointSlice, type WorkloadEntry } from '../../../../src/kubernetes/objects.ts';
import { isCovered } from '../../../../src/to-kubernetes/plan/import-covers.ts';
import { endpoint, endpointPort, service, servicePort, slice, strings } from '../../builders.ts';
import { views } from '../views.ts';

/** The ports of Service shop/orders, by name. */
const serviceWith = (...ports: string[]) => service({ ports: ports.map((name) => servicePort({ name })) });

/** A slice of it, which has these addresses behind ports of these names, as `name` or `name=number`. */
function sliceOf(name: string, ports: readonly string[], addresses: readonly string[], of = 'orders'): EndpointSlice {
  return slice({
    name,
    labels: strings({ [SERVICE_NAME_LABEL]: of }),
    ports: ports.map((text) => {
      const [name = '', number = '8080'] = text.split('=');
      return endpointPort({ name, port: Number(number) });
    }),
    endpoints: addresses.map((address) => endpoint(address)),
  });
}

function entry(address: string, ports: Readonly<Record<string, number>>): WorkloadEntry {
  const none: ReadonlyMap<string, string> = new Map();
  return {
    ...{ namespace: 'shop', name: `orders-${address}`, uid: address, resourceVersion: '1', deletionTimestamp: '' },
    ...{
      labels: none,
      annotations: none,
      workloadLabels: none,
      locality: '',
      weight: 1,
      serviceAccount: '',
      ownerUid: '',
    },
    ...{ address, ports: new Map(Object.entries(ports)) },
  };
}

const mirrored = sliceOf('mirrored', ['main', 'alias'], ['10.20.0.1', '10.20.0.2']);
const isMirroredCovered = (ports: readonly string[], ...others: EndpointSlice[]) =>
  isCovered(views({ slices: [mirrored, ...others] }), serviceWith(...ports), [mirrored], []);

describe('what a mirrored Service has behind a port', () => {
  const behindMain = sliceOf('import', ['main'], ['10.20.0.1', '10.20.0.2']);

  it('must be behind the same one elsewhere, as long as the Service has it', () => {
    expect(isMirroredCovered(['main', 'alias'], behindMain)).toBe(false);
    expect(isMirroredCovered(['main'], behindMain)).toBe(true);
    expect(isMirroredCovered(['alias'], behindMain)).toBe(false);
  });

  it('may be there in several slices, of whomever', () => {
    const [one, two] = [sliceOf('one', ['alias'], ['10.20.0.1']), sliceOf('two', ['alias'], ['10.20.0.2'])];
    expect(isMirroredCovered(['main', 'alias'], behindMain, one)).toBe(false);
    expect(isMirroredCovered(['main', 'alias'], behindMain, one, two)).toBe(true);
    expect(isMirroredCovered(['main', 'alias'], sliceOf('both', ['main', 'alias'], ['10.20.0.1', '10.20.0.2']))).toBe(
      true,
    );
  });

  it('is not elsewhere at another number, or over another protocol', () => {
    expect(isMirroredCovered(['main'], sliceOf('import', ['main=9090'], ['10.20.0.1', '10.20.0.2']))).toBe(false);
    const udp = { ...behindMain, ports: [endpointPort({ name: 'main', protocol: 'UDP' })] };
    expect(isMirroredCovered(['main'], udp)).toBe(false);
  });

  it('may be behind any port, once the Service has none of that name', () => {
    const renamed = sliceOf('import', ['http'], ['10.20.0.1', '10.20.0.2']);
    expect(isMirroredCovered(['http'], renamed)).toBe(true);
    expect(isMirroredCovered(['http'], sliceOf('import', ['http'], ['10.20.0.1']))).toBe(false);
    expect(isMirroredCovered(['http', 'main'], renamed)).toBe(false);
  });

  it('is the same in another notation', () => {
    expect(isMirroredCovered(['main'], sliceOf('import', ['main'], ['::ffff:10.20.0.1', '10.20.0.2']))).toBe(true);
  });
});

describe('what only WorkloadEntries have, in an ambient mesh', () => {
  const entries = [entry('10.20.0.1', { main: 8080, alias: 8080 }), entry('10.20.0.2', { main: 9090, alias: 9090 })];
  const areCovered = (ports: readonly string[], ...others: EndpointSlice[]) =>
    isCovered(views({ slices: others }), serviceWith(...ports), [], entries);
  const one = sliceOf('import-1', ['main'], ['10.20.0.1']);
  const two = sliceOf('import-2', ['main=9090'], ['10.20.0.2']);

  it('must be in slices, each at its port', () => {
    expect(areCovered(['main'])).toBe(false);
    expect(areCovered(['main'], sliceOf('pods', ['main'], []))).toBe(false);
    expect(areCovered(['main'], one)).toBe(false);
    expect(areCovered(['main'], one, sliceOf('import-2', ['main'], ['10.20.0.2']))).toBe(false);
    expect(areCovered(['main'], one, sliceOf('import-2', ['main=9090'], ['10.20.0.2'], 'billing'))).toBe(false);
    expect(areCovered(['main'], one, two)).toBe(true);
  });

  it('must be there behind the second port too, as long as the Service has it', () => {
    expect(areCovered(['main', 'alias'], one, two)).toBe(false);
  });
});
