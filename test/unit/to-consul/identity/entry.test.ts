import { describe, expect, it } from '@jest/globals';
import type { NodeContents } from '../../../../src/consul/types.ts';
import { lossIn } from '../../../../src/to-consul/identity/entry.ts';
import { owner, strings } from '../../builders.ts';

describe('when Consul lost data', () => {
  const entry = (lostAt: string, id = 'consular-prod'): NodeContents => {
    const meta = strings({ 'data-lost-at': lostAt });
    const service = { id, service: 'consular', address: '', port: 0, tags: [], meta, weight: 1, modifyIndex: 1 };
    const node = { name: 'k8s-prod', address: '192.0.2.1', meta: strings(), modifyIndex: 1 };
    return { node, services: [service], checks: [], index: 1 };
  };
  const time = '2026-10-20T10:00:00.000Z';

  it("is what Consular's own entry says", () => {
    expect(lossIn(owner, entry(time))?.toISOString()).toBe(time);
  });

  it.each([
    ['no entry', { ...entry(time), services: [] }],
    ['the entry of another cluster', entry(time, 'consular-dev')],
    ['an entry that says nothing', entry('')],
    ['an entry that somebody edited', entry('yesterday')],
  ])('is not known from %s', (_, contents) => {
    expect(lossIn(owner, contents)).toBeUndefined();
  });
});
