import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import type { KubernetesRequest } from '../../../src/kubernetes/client.ts';
import { KubernetesError } from '../../../src/kubernetes/errors.ts';
import { createLeaseApi, leaseRight, microTime, readLease, type LeaseContent } from '../../../src/kubernetes/lease.ts';
import { describeAccess } from '../../../src/kubernetes/access.ts';

const PLACE = { namespace: 'ns', name: 'consular-prod' };
const WHOLE = {
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: {
    ...{ name: 'consular-prod', namespace: 'ns', uid: 'u1', resourceVersion: '7', finalizers: ['example.com/x'] },
    labels: { a: 'b' },
    annotations: { note: 'hello', 'consular.dev/release': 'abc' },
    managedFields: [{ manager: 'someone' }],
  },
  spec: {
    ...{ holderIdentity: 'them', leaseDurationSeconds: 15, leaseTransitions: 3, strategy: 'OldestEmulationVersion' },
    acquireTime: '2026-10-20T10:00:00.000000Z',
    renewTime: '2026-10-20T10:00:02.000000Z',
  },
};
const CONTENT: LeaseContent = {
  record: {
    ...{ holderIdentity: 'us', leaseDurationSeconds: 15, leaseTransitions: 4 },
    acquireTime: '2026-10-20T11:00:00.000000Z',
    renewTime: '2026-10-20T11:00:00.000000Z',
  },
  labels: { ours: 'yes' },
  annotations: { epoch: '1', 'consular.dev/release': undefined },
};

/** The requests that are made of what, and one answer to all of them. */
function apiWith(answer: () => unknown, stream = '') {
  const requests: KubernetesRequest[] = [];
  const note = (request: KubernetesRequest) => void requests.push(request);
  const client = {
    request: (request: KubernetesRequest) => {
      note(request);
      return Promise.resolve().then(answer);
    },
    stream: (request: KubernetesRequest) => {
      note(request);
      return Promise.resolve({ contentType: 'application/json', body: Readable.from([Buffer.from(stream)]) });
    },
  };
  return { requests, client };
}
const never = new AbortController().signal;

describe('a Lease', () => {
  it('is read with what decides, and kept whole', () => {
    expect(readLease(WHOLE)).toMatchObject({
      ...{ uid: 'u1', resourceVersion: '7', holderIdentity: 'them', leaseDurationSeconds: 15, leaseTransitions: 3 },
      ...{ acquireTime: '2026-10-20T10:00:00.000000Z', renewTime: '2026-10-20T10:00:02.000000Z' },
      ...{ annotations: new Map(Object.entries(WHOLE.metadata.annotations)), whole: WHOLE },
    });
  });

  it.each([[{}], [{ holderIdentity: null, leaseTransitions: 'many', leaseDurationSeconds: null }]])(
    'that says nothing, or nonsense, names nobody: %j',
    (spec) => {
      expect(readLease({ metadata: { uid: 'u' }, spec })).toMatchObject({
        ...{ holderIdentity: '', leaseDurationSeconds: 0, leaseTransitions: 0, acquireTime: '', renewTime: '' },
      });
    },
  );

  it.each([[undefined], ['Lease'], [{}], [{ metadata: { name: 'a' } }]])('is none: %j', (raw) => {
    expect(() => readLease(raw)).toThrow(/^read Lease: expected/);
  });

  it('is replaced with its uid and version, and everything that others wrote', async () => {
    const { client, requests } = apiWith(() => WHOLE);
    await createLeaseApi(client, PLACE).replace(readLease(WHOLE), CONTENT, never);
    expect(requests).toMatchObject([
      {
        method: 'PUT',
        path: '/apis/coordination.k8s.io/v1/namespaces/ns/leases/consular-prod',
        body: {
          metadata: {
            ...WHOLE.metadata,
            labels: { a: 'b', ours: 'yes' },
            annotations: { note: 'hello', epoch: '1' },
          },
          spec: { ...WHOLE.spec, ...CONTENT.record },
        },
      },
    ]);
    expect(requests[0]?.body).not.toHaveProperty('metadata.annotations.consular.dev/release');
  });

  it('is created where it belongs, and a time that nobody knows is null', async () => {
    const { client, requests } = apiWith(() => WHOLE);
    const record = { ...CONTENT.record, acquireTime: '' };
    await createLeaseApi(client, PLACE).create({ ...CONTENT, record }, never);
    expect(requests).toMatchObject([
      {
        method: 'POST',
        path: '/apis/coordination.k8s.io/v1/namespaces/ns/leases',
        body: { kind: 'Lease', metadata: PLACE, spec: { holderIdentity: 'us', acquireTime: null } },
      },
    ]);
  });

  it('is not there only when the API server of our cluster says so', async () => {
    const refusal = (reason: string) => () => {
      throw new KubernetesError({ verb: 'get', kind: 'Lease', object: 'ns/a' }, 404, reason, '');
    };
    const read = (reason: string, check?: () => Promise<void>) =>
      createLeaseApi(apiWith(refusal(reason)).client, PLACE, check).read(never);
    expect(await read('NotFound')).toBeUndefined();
    await expect(read('')).rejects.toThrow('404');
    await expect(read('NotFound', () => Promise.reject(new Error('another cluster')))).rejects.toThrow('another');
  });

  it('is waited for until the signal aborts, although nothing else ends the request', async () => {
    const { client } = apiWith(() => new Promise(() => undefined));
    const signal = AbortSignal.abort(new Error('too late'));
    const asked = createLeaseApi(client, PLACE).read(signal);
    await expect(asked).rejects.toMatchObject({ message: 'get Lease ns/consular-prod', cause: signal.reason as Error });
  });

  it('has times with six digits', () => {
    expect(microTime(new Date(Date.UTC(2026, 9, 20, 1, 2, 3, 4)))).toBe('2026-10-20T01:02:03.004000Z');
  });

  it('is named in the right to it, but not in the right to make one', () => {
    expect([leaseRight(PLACE, 'update'), leaseRight(PLACE, 'create')].map(describeAccess)).toEqual([
      'update leases.coordination.k8s.io consular-prod in namespace ns',
      'create leases.coordination.k8s.io in namespace ns',
    ]);
  });
});

describe('the watch of a Lease', () => {
  const line = (type: string, object: object) => `${JSON.stringify({ type, object })}\n`;
  const event = (type: string, resourceVersion: string) => line(type, { metadata: { resourceVersion } });
  const watch = async (stream: string) => {
    const versions: string[] = [];
    const { client, requests } = apiWith(() => undefined, stream);
    await createLeaseApi(client, PLACE).watch((version) => versions.push(version), never);
    return { versions, requests };
  };

  it('asks for that one, and tells the version of each change', async () => {
    const stream = event('ADDED', '7') + event('BOOKMARK', '9') + event('MODIFIED', '10') + event('DELETED', '11');
    const { versions, requests } = await watch(stream);
    expect(versions).toEqual(['7', '10', '11']);
    expect(requests[0]?.query).toMatchObject({ watch: '1', fieldSelector: 'metadata.name=consular-prod' });
  });

  it.each([
    [
      line('ERROR', { code: 410, reason: 'Expired', message: 'too old' }),
      /^watch Lease ns\/consular-prod: .* 410 Expired/,
    ],
    ['no JSON\n', /^watch Lease ns\/consular-prod$/],
  ])('ends with %j', async (stream, message) => {
    await expect(watch(stream)).rejects.toThrow(message);
  });
});
