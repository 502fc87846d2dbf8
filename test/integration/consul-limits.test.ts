import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { validate } from '../../src/to-consul/registration/registration.ts';
import { nextPodIP, openRig, untilEqual, type Rig } from '../rig/index.ts';

/** Consular refuses of tags and meta what Consul itself refuses, and no more: asked of the real server, both ways to write. */

let rig: Rig;

beforeAll(async () => {
  rig = await openRig();
}, 60_000);
afterAll(() => rig.close(), 30_000);

interface Given {
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `x${i}`);
const entries = (count: number) => Object.fromEntries(numbered(count).map((key) => [key, 'x']));
const RULE = `traefik.http.routers.orders.rule=${'Host(`orders.example.com`) || '.repeat(9)}Path("/x")`;

const REFUSED: [string, Given][] = [
  ['65 entries of meta', { meta: entries(65) }],
  ['a meta key of 129 characters', { meta: { ['k'.repeat(129)]: 'x' } }],
  ['a meta key with a dot', { meta: { 'management.port': '9053' } }],
  ['a meta key of another script', { meta: { größe: 'x' } }],
  ['an empty meta key', { meta: { '': 'x' } }],
  ['a meta key of its own', { meta: { 'consul-x': 'x' } }],
  ['a meta value of 513 bytes', { meta: { key: 'x'.repeat(513) } }],
  ['a meta value of 514 bytes in 257 characters', { meta: { key: 'é'.repeat(257) } }],
];
const TAKEN: [string, Given][] = [
  ['64 entries of meta', { meta: entries(64) }],
  ['a meta key of 128 characters', { meta: { ['k'.repeat(128)]: 'x' } }],
  ['a meta value of 512 bytes', { meta: { key: 'é'.repeat(256) } }],
  ['an empty meta value', { meta: { key: '' } }],
  ['a long tag', { tags: [RULE] }],
  ['a thousand tags', { tags: numbered(1000) }],
  ['tags as large as Consular takes them', { tags: ['x'.repeat(112 * 1024 - 4)] }],
];

describe('Consul', () => {
  const node = { Node: 'limits', Address: '192.0.2.1' };

  async function isTaken({ tags = [], meta = {} }: Given): Promise<{ txn: boolean; catalog: boolean; here: boolean }> {
    const service = { ID: 'limited', Service: 'limited', Port: 80, Tags: tags, Meta: meta };
    const inTransaction = await rig.consul.call('PUT', '/txn', [
      { Node: { Verb: 'set', Node: node } },
      { Service: { Verb: 'set', Node: node.Node, Service: service } },
    ]);
    const inCatalog = await rig.consul.call('PUT', '/catalog/register', { ...node, Service: service });
    const all = new Map(Object.entries(meta));
    const problems = validate({ service: 'limited', address: '192.0.2.1', port: 80, tags, meta: all }, all);
    return { txn: inTransaction.status === 200, catalog: inCatalog.status === 200, here: problems.length === 0 };
  }

  it.each(REFUSED)('refuses %s, and so does Consular, before it costs a transaction', async (_, given) => {
    expect(await isTaken(given)).toEqual({ txn: false, catalog: false, here: false });
  });

  it.each(TAKEN)('takes %s, and so does Consular', async (_, given) => {
    expect(await isTaken(given)).toEqual({ txn: true, catalog: true, here: true });
  });

  it('refuses a transaction of more than 512 KiB, unless it is configured otherwise', async () => {
    expect(await isTaken({ tags: ['x'.repeat(512 * 1024)] })).toEqual({ txn: false, catalog: true, here: false });
  });
});

describe('a pod', () => {
  const hashed = (tags: readonly string[] = []) => tags.map((tag) => createHash('sha256').update(tag).digest('hex'));

  it('has all of its tags in Consul, by annotation and by variable of registrator', async () => {
    const { kubernetes, consul, namespace } = rig;
    const large = [RULE, ...numbered(1000), 'x'.repeat(90_000)];
    const written = large.join();
    const [ip, other] = [nextPodIP(), nextPodIP()];
    await rig.startDaemon({ toKubernetes: { enabled: false }, toConsul: { registrator: true } });
    await kubernetes.createPod(namespace, 'tagged', {
      ip,
      annotations: { 'consular.dev/service-name': 'tagged', 'consular.dev/service-tags': written },
    });
    await kubernetes.createPod(namespace, 'variable', {
      ip: other,
      env: [
        { name: 'SERVICE_NAME', value: 'variable' },
        { name: 'SERVICE_TAGS', value: RULE },
      ],
    });
    await untilEqual('the annotated pod', () => consul.summary('tagged'), [`${ip}:8080 passing`]);
    await untilEqual('the other', () => consul.summary('variable'), [`${other}:8080 passing`]);
    expect(hashed((await consul.instances('tagged'))[0]?.Service.Tags)).toEqual(hashed(large));
    expect((await consul.instances('variable'))[0]?.Service.Tags).toEqual([RULE]);
  });
});
