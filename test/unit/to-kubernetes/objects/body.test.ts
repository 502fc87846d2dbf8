import { describe, expect, it } from '@jest/globals';
import { toCreate, toPatch } from '../../../../src/to-kubernetes/objects/body.ts';
import { desiredSlices, sliceBody } from '../../../../src/to-kubernetes/objects/slice.ts';
import type { ServiceShape } from '../../../../src/to-kubernetes/desired/service-shape.ts';
import { addresses, mirrored } from '../mirrored.ts';
import { endpointsBody, desiredEndpoints } from '../../../../src/to-kubernetes/objects/endpoints.ts';
import { serviceBody, desiredService } from '../../../../src/to-kubernetes/objects/service.ts';

const labels = { marked: 'yes' };
const owner = { kind: 'Service', name: 'billing' };

describe('a Service', () => {
  const bodyOf = (shape: Partial<ServiceShape>) => {
    const whole = { headless: false, onlyFamily: undefined, dualStack: false, ...shape };
    return serviceBody(labels, desiredService('billing', mirrored({ shape: whole }), 'service'));
  };
  const created = (shape: Partial<ServiceShape>) => toCreate(bodyOf(shape), 'shop', 'billing');

  it('is made with a name, and has no selector, now or later', () => {
    expect(created({})).toMatchObject({ metadata: { namespace: 'shop', name: 'billing', labels } });
    for (const body of [created({}), toPatch(bodyOf({}))]) expect(body).toMatchObject({ spec: { selector: null } });
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
      return rest;
    };
    expect(shapeIn(created(shape))).toEqual(first);
    expect(shapeIn(toPatch(bodyOf(shape)))).toEqual(later);
  });
});

describe('a label or annotation that must not be there', () => {
  const many = mirrored({ endpoints: addresses(1001) });
  const some = mirrored({ endpoints: addresses(1) });
  const headless = { ...some, shape: { ...some.shape, headless: true } };
  const HEADLESS = 'service.kubernetes.io/headless';
  const CAPACITY = 'endpoints.kubernetes.io/over-capacity';

  it('is taken away by a patch, and not sent with a new object', () => {
    const endpoints = (service: typeof some) => endpointsBody(labels, desiredEndpoints('billing', service), owner);
    expect(toPatch(endpoints(some)).metadata).toMatchObject({
      labels: { [HEADLESS]: null },
      annotations: { [CAPACITY]: null },
    });
    expect(JSON.stringify(toCreate(endpoints(some), 'shop', 'billing'))).not.toContain('null');
    expect(endpoints(many).metadata.annotations[CAPACITY]).toBe('truncated');
    expect(endpoints(headless).metadata.labels[HEADLESS]).toBe('');
  });

  it('of slices too, whose family is sent once only', () => {
    const slice = (service: typeof some) => {
      const [desired] = desiredSlices('billing', service, []);
      if (!desired) throw new Error('expected a slice');
      return sliceBody(labels, desired, owner);
    };
    expect(toPatch(slice(some)).metadata).toMatchObject({ labels: { [HEADLESS]: null } });
    expect(slice(headless).metadata.labels[HEADLESS]).toBe('');
    expect(toCreate(slice(some), 'shop', 'x')).toMatchObject({ addressType: 'IPv4' });
    expect(toPatch(slice(some))).not.toHaveProperty('addressType');
  });
});
