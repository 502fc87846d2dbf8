import { describe, expect, it } from '@jest/globals';
import type { Service } from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION } from '../../../../src/mark.ts';
import type { ServiceShape } from '../../../../src/to-kubernetes/desired/service-shape.ts';
import { serviceDifferences } from '../../../../src/to-kubernetes/objects/differences.ts';
import { toCreate, toPatch } from '../../../../src/to-kubernetes/objects/body.ts';
import { desiredService, sameService, serviceBody } from '../../../../src/to-kubernetes/objects/service.ts';
import { service, servicePort, strings } from '../../builders.ts';
import { mirrored, tcpPorts } from '../mirrored.ts';

const labels = { marked: 'yes' };
const main = { name: 'main', protocol: 'TCP', appProtocol: 'http' } as const;

describe('the Service of a mirrored service', () => {
  it('has a port main, and a port alias when there is one; both lead to their own name in the slices', () => {
    expect(desiredService('billing', mirrored({ ports: [tcpPorts(80, 8080)] }), 'service')).toEqual({
      name: 'billing',
      consulService: 'Billing',
      shape: { headless: false, onlyFamily: undefined, dualStack: false },
      portChoice: '80,8080',
      mode: 'service',
      tags: null,
      ports: [
        { ...main, port: 80, targetPort: 'main' },
        { ...main, name: 'alias', port: 8080, targetPort: 'alias' },
      ],
    });
    expect(desiredService('billing', mirrored(), 'service').ports).toEqual([{ ...main, port: 80, targetPort: 'main' }]);
  });
});

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
    ['with tags that it should not have', noted({ [ANNOTATION.consulTags]: 'a' }), false],
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
    // What is told of it names a field wherever they are not the same.
    expect(serviceDifferences(desired, { ...observed, ...overrides }).length === 0).toBe(same);
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

describe('the body of a Service', () => {
  const bodyOf = (shape: Partial<ServiceShape>) => {
    const whole = { headless: false, onlyFamily: undefined, dualStack: false, ...shape };
    return serviceBody(labels, desiredService('billing', mirrored({ shape: whole }), 'service'));
  };
  const created = (shape: Partial<ServiceShape>) => toCreate(bodyOf(shape), 'shop', 'billing');

  it('is made with a name, and has no selector, now or later', () => {
    expect(created({})).toMatchObject({ metadata: { namespace: 'shop', name: 'billing', labels } });
    for (const body of [created({}), toPatch(bodyOf({}))]) expect(body).toMatchObject({ spec: { selector: null } });
  });

  it('takes away what another type left behind, of which some would keep the type from being changed', () => {
    const left = ['loadBalancerSourceRanges', 'loadBalancerClass', 'externalTrafficPolicy', 'externalName'];
    expect(toPatch(bodyOf({})).spec).toMatchObject(Object.fromEntries(left.map((field) => [field, null])));
  });

  it.each<[string, Partial<ServiceShape>, object, object]>([
    ['as the cluster makes it', {}, {}, {}],
    ['headless', { headless: true }, { clusterIP: 'None' }, {}],
    ['of one family', { onlyFamily: 'IPv6' }, { ipFamilies: ['IPv6'] }, {}],
    [
      'of both families',
      { dualStack: true },
      { ipFamilyPolicy: 'PreferDualStack' },
      { ipFamilyPolicy: 'PreferDualStack' },
    ],
  ])('%s has its shape from the beginning, and what can change also later', (_, shape, first, later) => {
    const shapeIn = (body: object) => {
      const { type, selector, ports, ...rest } = (body as { spec: Record<string, unknown> }).spec;
      expect([type, selector, ports]).toEqual(['ClusterIP', null, [expect.anything()]]);
      return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
    };
    expect(shapeIn(created(shape))).toEqual(first);
    expect(shapeIn(toPatch(bodyOf(shape)))).toEqual(later);
  });
});
