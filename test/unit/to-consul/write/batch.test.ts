import { describe, expect, it } from '@jest/globals';
import { TransactionConflict } from '../../../../src/consul/errors.ts';
import { refusedGroups, type Group } from '../../../../src/to-consul/write/batch.ts';
import { nodeOperation, toOperations } from '../../../../src/to-consul/write/operations.ts';
import { owner } from '../../builders.ts';
import { registrationOf, WORKER_1 } from '../instances.ts';

const NEW_NODE = { name: 'k8s-prod--new', address: '192.168.1.12' };
const OLD_NODE = { name: WORKER_1, address: '192.168.1.11' };

function creation(key: string, node: typeof NEW_NODE, bringsNode: boolean): Group {
  const changes = { create: [registrationOf(key, { node })], update: [], remove: [] };
  const nodes = bringsNode ? [nodeOperation(owner, node, 0)] : [];
  return { key, changes, operations: [...nodes, ...toOperations(changes)], text: '' };
}

/** One transaction: 0 the new node, 1 and 2 pod a on it, 3 and 4 pod b on it, 5 and 6 pod c on a node that is there. */
const groups = [creation('a', NEW_NODE, true), creation('b', NEW_NODE, false), creation('c', OLD_NODE, false)];

describe('a conflict that names', () => {
  it.each([
    ['the service of one, refuses that one', [1], ['a']],
    ['the check of another, refuses that one', [4], ['b']],
    ['two of them, refuses both', [3, 6], ['b', 'c']],
    ['one of them twice, refuses it once', [5, 6], ['c']],
    ['a node, refuses all who need it', [0], ['a', 'b']],
    ['something that was not sent, refuses all', [99], ['a', 'b', 'c']],
    ['something without a number, refuses all', [-1], ['a', 'b', 'c']],
    ['nothing, refuses all', [], ['a', 'b', 'c']],
  ])('%s', (_, indexes, keys) => {
    const conflict = new TransactionConflict(indexes.map((index) => ({ index, what: 'index is stale' })));
    expect([...refusedGroups(groups, conflict)].map(({ key }) => key)).toEqual(keys);
  });
});
