import { describe, expect, it } from '@jest/globals';
import type { ConsulAnswer } from '../../../src/consul/client.ts';
import { ConsulError } from '../../../src/consul/errors.ts';
import type { ConsulRight } from '../../../src/consul/rights.ts';
import { TokenRights } from '../../../src/consul/token-rights.ts';

const service = (name: string): ConsulRight => ({ resource: 'service', name });
const answer = (body: unknown): ConsulAnswer => ({
  ...{ body, index: 0, knownLeader: true, filteredByAcls: false, tokenTerm: 0 },
});

function stage(reply: (names: string[]) => unknown) {
  const asked: string[][] = [];
  const rights = new TokenRights({
    post: ({ json }) => {
      const names = (JSON.parse(json) as { Segment: string }[]).map(({ Segment }) => Segment);
      asked.push(names);
      const body = reply(names);
      return body instanceof Error ? Promise.reject(body) : Promise.resolve(answer(body));
    },
  });
  return { rights, asked };
}

describe('what a token may write', () => {
  it('is asked for once for each right, 64 at a time', async () => {
    const { rights, asked } = stage((names) => names.map((name) => ({ Allow: name !== 's-70' })));
    const all = Array.from({ length: 80 }, (_, i) => service(`s-${i}`));
    await rights.learn(all);
    await rights.learn(all);
    expect(asked.map(({ length }) => length)).toEqual([64, 16]);
    expect(all.filter((right) => rights.isDenied(right))).toEqual([service('s-70')]);
  });

  it('is everything where ACLs are off, which is asked once', async () => {
    const { rights, asked } = stage(() => new ConsulError('ask', 401, 'ACL support disabled'));
    await rights.learn([service('a')]);
    await rights.learn([service('b')]);
    expect([asked.length, rights.isDenied(service('a'))]).toEqual([1, false]);
  });

  it.each([
    ['has no such question', new ConsulError('ask', 404, 'not found')],
    ['answers something else', [{ Allow: true }, { Allow: true }]],
    ['answers nothing of it', {}],
  ])('is not known where Consul %s', async (_, reply) => {
    const { rights } = stage(() => reply);
    await expect(rights.learn([service('a')])).rejects.toThrow();
    expect(rights.isDenied(service('a'))).toBe(false);
  });
});
