import { describe, expect, it } from '@jest/globals';
import { ownerReference, toCreate, toPatch, withoutEmpty } from '../../../../src/to-kubernetes/objects/body.ts';
import { service } from '../../builders.ts';

const body = {
  metadata: { labels: { a: 'x', b: null }, annotations: { c: null, d: 'y' }, ownerReferences: [{ kind: 'Service' }] },
  fields: { spec: { type: 'ClusterIP' } },
  immutable: { spec: { clusterIP: 'None' }, addressType: 'IPv4' },
};

describe('the body of an object', () => {
  it('that is made has a name, what cannot be changed later too, and nothing that must not be there', () => {
    expect(toCreate(body, 'shop', 'billing')).toEqual({
      metadata: {
        ...{ namespace: 'shop', name: 'billing', labels: { a: 'x' }, annotations: { d: 'y' } },
        ownerReferences: [{ kind: 'Service' }],
      },
      ...{ spec: { type: 'ClusterIP', clusterIP: 'None' }, addressType: 'IPv4' },
    });
  });

  it('that is changed has what can be changed, and takes away what must not be there', () => {
    expect(toPatch(body)).toEqual({ metadata: body.metadata, spec: { type: 'ClusterIP' } });
  });

  it('leaves out fields that are empty', () => {
    expect(withoutEmpty({ zone: '', port: 0, name: 'main' })).toEqual({ port: 0, name: 'main' });
  });

  it('belongs to a Service that is there', () => {
    const owner = ownerReference(service(), 'shop', 'orders');
    expect(owner).toEqual({ apiVersion: 'v1', kind: 'Service', name: 'orders', uid: 'uid-of-service' });
    expect(() => ownerReference(undefined, 'shop', 'orders')).toThrow(/Service shop\/orders.*found none/);
  });
});
