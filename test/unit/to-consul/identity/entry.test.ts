import { describe, expect, it } from '@jest/globals';
import type { CatalogCheck, CatalogService, NodeContents } from '../../../../src/consul/types.ts';
import { entryOperations, lossIn, type Entry } from '../../../../src/to-consul/identity/entry.ts';
import { nodeMeta } from '../../../../src/to-consul/registration/registration.ts';
import { owner, strings } from '../../builders.ts';
import { shown } from '../transactions.ts';

const LOST = '2026-10-20T10:00:00.000Z';

function entry(overrides: Partial<Entry> = {}): Entry {
  const summary = { status: 'passing', output: 'all is well' } as const;
  return {
    owner,
    address: '192.0.2.1',
    port: 9990,
    version: '1.0.0',
    tags: ['traefik.enable=false'],
    nonce: 'n1',
    lostAt: undefined,
    summary,
    ...overrides,
  };
}

/** The entry in Consul as it is when everything of `entry()` was written. */
function inConsul(service: Partial<CatalogService> = {}, check: Partial<CatalogCheck> = {}): NodeContents {
  const id = 'consular-prod';
  const meta = strings({
    'external-source': 'kubernetes',
    'managed-by': 'consular',
    'k8s-cluster': 'prod',
    'k8s-cluster-uid': owner.clusterUid,
    version: '1.0.0',
    nonce: 'n1',
  });
  const address = '192.0.2.1';
  return {
    node: { name: 'k8s-prod', address, meta: strings(nodeMeta(owner)), modifyIndex: 10 },
    services: [
      {
        ...{
          id,
          service: 'consular',
          address,
          port: 9990,
          taggedAddresses: strings(),
          tags: ['traefik.enable=false'],
          meta,
          weight: 1,
        },
        ...{ modifyIndex: 11, ...service },
      },
    ],
    checks: [
      {
        ...{ checkId: id, name: 'Consular', type: 'consular', status: 'passing', notes: '', output: 'all is well' },
        ...{ serviceId: id, modifyIndex: 12 },
        ...check,
      },
    ],
    index: 12,
  };
}
const [{ meta: META }] = inConsul().services as [CatalogService];
const without = (key: string) => new Map([...META].filter(([other]) => other !== key));

const NODE = 'cas node k8s-prod @10';
const SERVICE = 'cas service consular on k8s-prod @11';
const CHECK = 'cas check of consular on k8s-prod @12';

describe("the operations of Consular's own entry", () => {
  it.each<[string, Partial<Entry>, NodeContents | undefined, string[]]>([
    ['all is right', {}, inConsul(), []],
    [
      'nothing is there',
      {},
      undefined,
      ['cas node k8s-prod @0', 'cas service consular on k8s-prod @0', 'cas check of consular on k8s-prod @0'],
    ],
    ['its address is another', { address: '192.0.2.2' }, inConsul(), [NODE, SERVICE]],
    ['its port is another', { port: 9991 }, inConsul(), [SERVICE]],
    ['its nonce is another', { nonce: 'n2' }, inConsul(), [SERVICE]],
    ['its version is another', { version: '1.0.1' }, inConsul(), [SERVICE]],
    ['an earlier version wrote it, without tags', {}, inConsul({ tags: [] }), [SERVICE]],
    ['its tags are others', { tags: [] }, inConsul(), [SERVICE]],
    ['somebody took a mark away', {}, inConsul({ meta: without('managed-by') }), [SERVICE]],
    ['somebody added meta', {}, inConsul({ meta: new Map([...META, ['note', 'ours']]) }), []],
    ['Consul lost data', { lostAt: new Date(LOST) }, inConsul(), [SERVICE]],
    ['its text is another', {}, inConsul({}, { output: 'other' }), [CHECK]],
    ['its status is another', {}, inConsul({}, { status: 'warning' }), [CHECK]],
    ['somebody took the service', {}, { ...inConsul(), services: [] }, ['cas service consular on k8s-prod @0']],
    ['somebody took the check', {}, { ...inConsul(), checks: [] }, ['cas check of consular on k8s-prod @0']],
    ['there is no summary yet: the check stays', { summary: undefined }, inConsul({}, { output: 'other' }), []],
    ['there is no summary, and a warning: it stays', { summary: undefined }, inConsul({}, { status: 'warning' }), []],
    [
      'there is no summary, and a status that is none of ours: the text stays',
      { summary: undefined },
      inConsul({}, { status: 'critical' }),
      [CHECK],
    ],
  ])('when %s', (_, overrides, contents, operations) => {
    expect(shown(entryOperations(entry(overrides), contents))).toEqual(operations);
  });

  it('keep the text beside a status that is none of ours, and make that passing', () => {
    const [operation] = entryOperations(entry({ summary: undefined }), inConsul({}, { status: 'critical' }));
    expect(operation).toMatchObject({ Check: { Check: { Status: 'passing', Output: 'all is well' } } });
  });

  it('say that Consular starts when there is neither a summary nor a check', () => {
    const [, , check] = entryOperations(entry({ summary: undefined }), undefined);
    expect(check).toMatchObject({ Check: { Check: { Status: 'passing', Output: 'Consular is starting' } } });
  });

  it('say when Consul lost data', () => {
    const [operation] = entryOperations(entry({ lostAt: new Date(LOST) }), inConsul());
    expect(operation).toMatchObject({ Service: { Service: { Meta: { 'data-lost-at': LOST } } } });
  });
});

describe('when Consul lost data', () => {
  const told = (lostAt: string, id = 'consular-prod') => inConsul({ id, meta: strings({ 'data-lost-at': lostAt }) });

  it("is what Consular's own entry says", () => {
    expect(lossIn(owner, told(LOST))?.toISOString()).toBe(LOST);
  });

  it.each([
    ['no entry', { ...told(LOST), services: [] }],
    ['the entry of another cluster', told(LOST, 'consular-dev')],
    ['an entry that says nothing', told('')],
    ['an entry without that meta', inConsul()],
    ['an entry that somebody edited', told('yesterday')],
  ])('is not known from %s', (_, contents) => {
    expect(lossIn(owner, contents)).toBeUndefined();
  });
});
