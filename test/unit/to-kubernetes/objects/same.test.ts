import { describe, expect, it } from '@jest/globals';
import type { Endpoints, EndpointSlice, Service } from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION, LABEL, SLICE_MANAGER } from '../../../../src/mark.ts';
import { desiredSlices, sameSlice } from '../../../../src/to-kubernetes/objects/slice.ts';
import { endpoint, endpointPort, service, servicePort, strings } from '../../builders.ts';
import { addresses, asSlice, mirrored } from '../mirrored.ts';
import { desiredEndpoints, sameEndpoints } from '../../../../src/to-kubernetes/objects/endpoints.ts';
import { desiredService, sameService } from '../../../../src/to-kubernetes/objects/service.ts';

const main = { name: 'main', protocol: 'TCP', appProtocol: 'http' } as const;

describe('the Service in Kubernetes', () => {
  const desired = desiredService('billing', mirrored(), 'service');
  const ports = [servicePort({ ...main, port: 80, targetPort: 'main' })];
  const [port = servicePort()] = ports;
  const notes = {
    [ANNOTATION.consulService]: 'Billing',
    [ANNOTATION.portChoice]: '80',
    [ANNOTATION.consulK8sSync]: 'false',
  };
  const noted = (other: Readonly<Record<string, string>>) => ({ annotations: strings({ ...notes, ...other }) });
  const without = (key: string) => ({
    annotations: strings(Object.fromEntries(Object.entries(notes).filter(([name]) => name !== key))),
  });
  const ofWorkloads = strings({ 'consular.dev/workload-of': 'billing' });
  const observed = service({ name: 'billing', selector: strings(), ports, annotations: strings(notes) });

  it.each<[string, Partial<Service>, boolean]>([
    ['as it should be', {}, true],
    ['with an annotation more', noted({ team: 'shop' }), true],
    ['for another Consul service', noted({ [ANNOTATION.consulService]: 'billing' }), false],
    ['for none', without(ANNOTATION.consulService), false],
    ['with another choice of ports', noted({ [ANNOTATION.portChoice]: '80,8080' }), false],
    ['without the choice of its ports', without(ANNOTATION.portChoice), false],
    ['that consul-k8s would send back', without(ANNOTATION.consulK8sSync), false],
    ['with a selector that somebody added', { selector: strings({ app: 'billing' }) }, false],
    ['with the selector of the other mode', { selector: ofWorkloads }, false],
    ['of another type', { type: 'LoadBalancer' }, false],
    ['with another port number', { ports: [{ ...port, port: 81 }] }, false],
    ['with another target', { ports: [{ ...port, targetPort: '8080' }] }, false],
    ['with another appProtocol', { ports: [{ ...port, appProtocol: '' }] }, false],
    ['with a port more', { ports: [...ports, servicePort()] }, false],
    ['without ports', { ports: [] }, false],
  ])('%s', (_, overrides, same) => {
    expect(sameService(desired, { ...observed, ...overrides })).toBe(same);
  });

  it.each([
    ['with its selector', ofWorkloads, true],
    ['with another selector', strings({ app: 'billing' }), false],
    ['with a selector that is narrower', new Map([...ofWorkloads, ['app', 'billing']]), false],
    ['without', strings(), false],
  ])('for Istio, %s', (_, selector, same) => {
    expect(sameService(desiredService('billing', mirrored(), 'istio'), { ...observed, selector })).toBe(same);
  });

  it.each([
    ['SingleStack', false],
    ['PreferDualStack', true],
    ['RequireDualStack', true],
  ])('of policy %s, where it should have both families', (ipFamilyPolicy, same) => {
    const shape = { headless: false, onlyFamily: undefined, dualStack: true };
    expect(sameService({ ...desired, shape }, { ...observed, ipFamilyPolicy })).toBe(same);
  });
});

describe('the slice in Kubernetes', () => {
  const [desired] = desiredSlices('billing', mirrored({ endpoints: addresses(2, { zone: 'eu-1a' }) }), []);
  const observed = asSlice(mirrored({ endpoints: addresses(2, { zone: 'eu-1a' }) }));
  const [first, second] = observed.endpoints;
  const managed = { [LABEL.sliceManagedBy]: SLICE_MANAGER };
  if (!desired || !first || !second) throw new Error('expected a slice with two endpoints');

  it.each<[string, Partial<EndpointSlice>, boolean]>([
    ['as it should be', {}, true],
    ['with its endpoints in another order', { endpoints: [second, first] }, true],
    ['with an endpoint less', { endpoints: [first] }, false],
    ['with an endpoint more', { endpoints: [first, second, endpoint('10.20.9.9')] }, false],
    ['with another endpoint', { endpoints: [first, { ...second, address: '10.20.9.9' }] }, false],
    ['with an endpoint twice', { endpoints: [first, first] }, false],
    ['with an endpoint that is not ready', { endpoints: [first, { ...second, ready: false }] }, false],
    ['with an endpoint that does not serve', { endpoints: [first, { ...second, serving: false }] }, false],
    ['with an endpoint that is going', { endpoints: [first, { ...second, terminating: true }] }, false],
    [
      'with an endpoint that is said to be a pod',
      { endpoints: [first, { ...second, target: { kind: 'Pod', namespace: 'shop', name: 'x' } }] },
      false,
    ],
    ['with a label more', { labels: strings({ ...managed, team: 'shop' }) }, true],
    ['without the label that keeps other controllers away', { labels: strings() }, false],
    ['that another controller may take for its own', { labels: strings({ [LABEL.sliceManagedBy]: 'other' }) }, false],
    ['of a headless Service', { labels: strings({ ...managed, [LABEL.headless]: '' }) }, false],
    ['with another zone', { endpoints: [first, { ...second, zone: '' }] }, false],
    ['with another port', { ports: [endpointPort({ ...main, port: 1 })] }, false],
    ['with another port name', { ports: [endpointPort({ ...main, name: 'http' })] }, false],
    ['with another appProtocol', { ports: [endpointPort({ ...main, appProtocol: '' })] }, false],
    ['without ports', { ports: [] }, false],
  ])('%s', (_, overrides, same) => {
    expect(sameSlice(desired, { ...observed, ...overrides })).toBe(same);
  });
});

describe('the v1 Endpoints in Kubernetes', () => {
  const desired = desiredEndpoints('billing', mirrored({ endpoints: addresses(1) }));
  const subsets = [{ addresses: ['10.20.0.0'], ports: [{ ...main, port: 8080 }] }];
  const skipped = { [LABEL.skipMirror]: 'true' };
  const { uid, resourceVersion, deletionTimestamp, namespace } = service();
  const observed: Endpoints = {
    ...{ namespace, name: 'billing', uid, resourceVersion, deletionTimestamp },
    ...{ labels: strings(skipped), annotations: strings(), subsets, ownerUid: '' },
  };

  it.each<[string, Partial<Endpoints>, boolean]>([
    ['as they should be', {}, true],
    [
      'with another address',
      { subsets: [{ ...main, addresses: ['10.20.0.1'], ports: subsets[0]?.ports ?? [] }] },
      false,
    ],
    ['with another port', { subsets: [{ addresses: ['10.20.0.0'], ports: [{ ...main, port: 1 }] }] }, false],
    ['with nothing', { subsets: [] }, false],
    ['that would be mirrored', { labels: strings() }, false],
    ['of a headless Service', { labels: strings({ ...skipped, [LABEL.headless]: '' }) }, false],
    ['said not to show all addresses', { annotations: strings({ [ANNOTATION.overCapacity]: 'truncated' }) }, false],
  ])('%s', (_, overrides, same) => {
    expect(sameEndpoints(desired, { ...observed, ...overrides })).toBe(same);
  });
});
