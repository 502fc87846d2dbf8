import { describe, expect, it } from '@jest/globals';
import { createObjectApi } from '../../../src/kubernetes/object-api.ts';
import { createResources } from '../../../src/kubernetes/resources.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { pod, service } from '../builders.ts';
import { refusal, Requester, type Said } from './requester.ts';

const { pods, services } = createResources({ annotation: () => true, variable: () => true });
const PATH = '/api/v1/namespaces/shop/services';
const manifest = { metadata: { namespace: 'shop', name: 'orders', uid: 'u1', resourceVersion: '7' } };
const observed = service({ uid: 'u1', resourceVersion: '6' });

function stage(said: Said) {
  const metrics = createMetrics();
  const client = new Requester(() => said);
  const writes = async () =>
    (await metrics.kubernetesWrites.get()).values.map(
      ({ labels: { verb, kind }, value }) => `${verb} ${kind} ${value}`,
    );
  return { api: createObjectApi(client, metrics), sent: () => client.sent[0], writes };
}

describe('a single object', () => {
  it('is read as it is now', async () => {
    const { api, sent } = stage(manifest);
    expect(await api.get(services, 'shop', 'orders')).toMatchObject({ name: 'orders', uid: 'u1' });
    expect(sent()).toMatchObject({ path: `${PATH}/orders`, purpose: { verb: 'get', object: 'shop/orders' } });
  });

  it('is gone when the API server says that it is not found, and by nothing else', async () => {
    expect(await stage(refusal(404, 'NotFound')).api.get(services, 'shop', 'orders')).toBeUndefined();
    for (const error of [refusal(404), refusal(403, 'Forbidden'), new Error('reset')])
      await expect(stage(error).api.get(services, 'shop', 'orders')).rejects.toBe(error);
  });
});

describe('objects with a label', () => {
  it('are read in one piece', async () => {
    const { api, sent } = stage({ items: [manifest] });
    expect((await api.list(services, 'shop', 'a=b')).map(({ name }) => name)).toEqual(['orders']);
    expect(sent()).toMatchObject({ path: PATH, query: { labelSelector: 'a=b' } });
  });

  it.each([
    ['an answer that is no list', {}],
    ['an object that cannot be read', { items: [manifest, {}] }],
  ])('are an error with %s', async (_, said) => {
    await expect(stage(said).api.list(services, 'shop', 'a=b')).rejects.toThrow(TypeError);
  });
});

describe('a write', () => {
  it('creates an object where there is none', async () => {
    const { api, sent, writes } = stage(manifest);
    await api.create(services, 'shop', 'orders', { spec: {} });
    expect(sent()).toMatchObject({
      ...{ method: 'POST', path: PATH },
      body: { apiVersion: 'v1', kind: 'Service', spec: {} },
    });
    expect(await writes()).toEqual(['create Service 1']);
  });

  it('patches the object that was observed, in the state that was observed', async () => {
    const { api, sent, writes } = stage(manifest);
    const patched = await api.patch(services, observed, { metadata: { labels: { a: 'b' } }, spec: {} });
    expect(patched.resourceVersion).toBe('7');
    expect(sent()).toMatchObject({
      ...{ method: 'PATCH', path: `${PATH}/orders` },
      body: { metadata: { labels: { a: 'b' }, uid: 'u1', resourceVersion: '6' }, spec: {} },
    });
    expect(await writes()).toEqual(['patch Service 1']);
  });

  it('may be a trial, which is counted as none', async () => {
    const { api, sent, writes } = stage(manifest);
    await api.create(services, 'shop', 'orders', { spec: {} }, 'trial');
    expect(sent()).toMatchObject({ method: 'POST', query: { dryRun: 'All' } });
    await api.patch(services, observed, { spec: {} }, 'trial');
    expect(await writes()).toEqual([]);
    const other = stage(manifest);
    await other.api.patch(services, observed, { spec: {} }, 'trial');
    expect(other.sent()).toMatchObject({ method: 'PATCH', query: { dryRun: 'All' } });
  });

  it('deletes the object that was observed, in the state that was observed', async () => {
    const { api, sent, writes } = stage({});
    await api.remove(services, observed);
    expect(sent()).toMatchObject({
      ...{ method: 'DELETE', path: `${PATH}/orders` },
      body: { preconditions: { uid: 'u1', resourceVersion: '6' } },
    });
    expect(await writes()).toEqual(['delete Service 1']);
  });

  it('deletes nothing when the object is gone already, which is fine', async () => {
    const { api, writes } = stage(refusal(404, 'NotFound'));
    await api.remove(services, observed);
    expect(await writes()).toEqual([]);
  });

  it('sets a condition of exactly that pod, whatever else changed of it', async () => {
    const { api, sent, writes } = stage({});
    const condition = { type: 'consular.dev/registered', status: 'True', reason: 'Registered', message: '' } as const;
    await api.setCondition(pods, pod({ uid: 'p1' }), condition);
    expect(sent()).toMatchObject({
      ...{ method: 'PATCH', patch: 'strategic' },
      path: '/api/v1/namespaces/shop/pods/orders-7d4b9c6f5-abcde/status',
      body: { metadata: { uid: 'p1' }, status: { conditions: [condition] } },
    });
    expect(await writes()).toEqual(['patch Pod 1']);
  });

  it('that is refused is an error, and is not counted', async () => {
    const conflict = refusal(409, 'Conflict');
    const { api, writes } = stage(conflict);
    await expect(api.create(services, 'shop', 'orders', {})).rejects.toBe(conflict);
    await expect(api.patch(services, observed, {})).rejects.toBe(conflict);
    await expect(api.remove(services, observed)).rejects.toBe(conflict);
    expect(await writes()).toEqual([]);
  });
});
