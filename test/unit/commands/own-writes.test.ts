import { describe, expect, it } from '@jest/globals';
import { planOwnWrites } from '../../../src/commands/own-writes.ts';
import type { ConsulAnswer } from '../../../src/consul/client.ts';
import { ConsulError } from '../../../src/consul/errors.ts';
import { owner } from '../builders.ts';

const RULE = {
  node: 'node "k8s-prod" { policy = "write" }',
  service: 'service "consular" { policy = "write" }',
  key: 'key "consular/prod/leader" { policy = "write" }',
};

/** A Consul without anything of ours, and a token that lacks these rights. */
async function planned(lacks: readonly string[], readKey: () => Promise<ConsulAnswer>, knowsRights = true) {
  const consul = {
    get: readKey,
    put: forbidden,
    post: ({ json }: { readonly json: string }) => {
      if (!knowsRights) return Promise.reject(new ConsulError('ask', 404, 'no such path'));
      const asked = JSON.parse(json) as { Resource: string }[];
      return Promise.resolve(answerOf(asked.map((one) => ({ ...one, Allow: !lacks.includes(one.Resource) }))));
    },
  };
  const nodes = { read: () => Promise.resolve(undefined) };
  const { writes, warnings } = await planOwnWrites({ consul, nodes }, owner);
  return { kinds: writes.map(({ kind }) => kind), warnings };
}

const answerOf = (body: unknown): ConsulAnswer => ({
  ...{ body, index: 1, knownLeader: true, filteredByAcls: false, tokenTerm: 0 },
});
const missing = () => Promise.reject(new ConsulError('read key', 404, ''));
const forbidden = () => Promise.reject(new ConsulError('read key', 403, 'Permission denied'));

describe('what run writes for itself', () => {
  it('is its own entry and the fence', async () => {
    expect(await planned([], missing)).toEqual({ kinds: ['ServiceInstance', 'Key'], warnings: [] });
  });

  it.each<[string, string, string[], string]>([
    [
      'its own node',
      'node',
      ['Key'],
      `Consular's own entry is not written: the token may not write node k8s-prod: add \`${RULE.node}\` to its policy`,
    ],
    [
      'service consular',
      'service',
      ['Key'],
      `Consular's own entry is not written: the token may not write service consular: add \`${RULE.service}\` to its policy`,
    ],
    [
      'the key of the fence',
      'key',
      ['ServiceInstance'],
      `writes go without a fence: the token may not write key consular/prod/leader: add \`${RULE.key}\` to its policy`,
    ],
  ])('lacks what the token may not write, with the rule: %s', async (_, resource, kinds, warning) => {
    expect(await planned([resource], missing)).toEqual({ kinds, warnings: [warning] });
  });

  it('has no key that may not even be read, which is not one that is there', async () => {
    const { kinds, warnings } = await planned([], forbidden);
    expect([kinds, warnings]).toEqual([['ServiceInstance'], [expect.stringContaining(RULE.key)]]);
  });

  it('is planned as if the token might where Consul does not tell', async () => {
    expect((await planned(['node'], missing, false)).kinds).toEqual(['ServiceInstance', 'Key']);
  });
});
