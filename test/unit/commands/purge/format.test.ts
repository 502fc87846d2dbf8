import { describe, expect, it } from '@jest/globals';
import { placesOf } from '../../../../src/commands/purge/kubernetes-side.ts';
import { notesOf } from '../../../../src/commands/purge/plan.ts';
import { parseConfig } from '../../../../src/config/load.ts';
import { formatPurgePlan, formatPurgeResult } from '../../../../src/commands/purge/format.ts';

const service = (name: string) => ({ kind: 'Service', object: `apps/${name}` });
const NOTHING = { toConsul: [], toKubernetes: [], shared: [], remaining: [], writesOff: [], notes: [] };

describe('a purge, for people', () => {
  it('is shown by side, with what goes last, what stays, and the sums', () => {
    const plan = {
      ...NOTHING,
      toConsul: [{ kind: 'Node', object: 'k8s-shop--a' }],
      toKubernetes: [service('a'), service('b')],
      shared: [{ kind: 'Key', object: 'consular/shop/leader' }],
      remaining: [{ kind: 'Node', object: 'k8s-shop--b', why: 'others are there' }],
    };
    expect(formatPurgePlan('shop', plan).split('\n')).toEqual([
      'from Consul:',
      '  - Node k8s-shop--a',
      'from Kubernetes:',
      '  - Service apps/a',
      '  - Service apps/b',
      'at the end, when all of that is gone:',
      '  - Key consular/shop/leader',
      '  ! Node k8s-shop--b: others are there',
      'Purge of cluster shop: 1 Node, 2 Service, 1 Key to remove, 1 stays.',
    ]);
    expect(formatPurgePlan('shop', NOTHING)).toBe('Purge of cluster shop: nothing to remove.');
  });

  it('says first that writes are off, and that removals which never happen do so when they are asked for', () => {
    const config = parseConfig('cluster: shop\ntoConsul:\n  removals: never', {});
    const notes = notesOf(config, 'both');
    const plan = {
      ...NOTHING,
      toConsul: [{ kind: 'Node', object: 'k8s-shop--a' }],
      writesOff: ['setting writes'],
      notes,
    };
    expect(formatPurgePlan('shop', plan).split('\n').slice(0, 2)).toEqual([
      'writes are off, by setting writes: nothing is removed',
      'note: toConsul.removals: never: a purge is asked for, so all of this is removed all the same',
    ]);
    expect(notesOf(config, 'to-kubernetes')).toEqual([]);
  });

  it('of a tenant looks in no other namespaces than those of the settings', () => {
    const text =
      'cluster: shop\ntoConsul: { watch: namespaces, namespaces: { include: [a] } }\ntoKubernetes: { namespaces: [b] }';
    expect(placesOf(parseConfig(text, {}))).toEqual({ isEverywhere: false, namespaces: ['b'], importNamespaces: [] });
  });

  it('says a reason once, however much it keeps', () => {
    const why = 'no right to delete services';
    const remaining = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => ({ ...service(name), why }));
    const text = formatPurgeResult('shop', { plan: NOTHING, isDone: true, removed: [service('h')], remaining });
    expect(text.split('\n')).toEqual([
      `  ! ${['a', 'b', 'c', 'd', 'e'].map((name) => `Service apps/${name}`).join(', ')} and 2 more: ${why}`,
      'Purge of cluster shop: 1 Service removed, 7 stay.',
    ]);
  });

  it('shows what others wrote, and obeys nothing of it', () => {
    const remaining = [{ kind: 'Node', object: 'k8s-shop--a', why: 'on it: \u001b[31mred' }];
    expect(formatPurgePlan('shop', { ...NOTHING, remaining })).toContain('\\u001b[31mred');
  });
});
