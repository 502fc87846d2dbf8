import { describe, expect, it } from '@jest/globals';
import { operationList, type Committed } from '../../../../src/consul/transaction.ts';
import { nodeOperation, toOperations, type PodChanges } from '../../../../src/to-consul/write/operations.ts';
import { recordCommit } from '../../../../src/to-consul/write/record-commit.ts';
import { owner } from '../../builders.ts';
import { instanceOf, NODE_1, NODE_2, Picture } from './picture.ts';

const NOTHING: PodChanges = { create: [], update: [], remove: [] };
const observed = instanceOf('a');
const { id } = observed.registration;

function after(changes: PodChanges, committed: Partial<Committed>, nodes = [NODE_1]): Picture {
  const own = new Picture([], [observed]);
  const operations = [...nodes.map((node) => nodeOperation(owner, node, 0)), ...toOperations(changes)];
  const none = { nodes: new Map(), services: new Map(), checks: new Map() };
  recordCommit(own, { key: 'shop/a', changes, isWhole: true, ...operationList(operations) }, { ...none, ...committed });
  return own;
}
const shown = (own: Picture) =>
  [...own.instances.values()].map(
    ({ registration, podUid, serviceIndex, checkIndex }) =>
      `${registration.node.name} ${podUid} @${serviceIndex} @${checkIndex} ${registration.check.output}`,
  );

describe('what a commit leaves of a pod', () => {
  const told = { services: new Map([[id, 50]]), checks: new Map([[id, 51]]) };
  const output = { ...observed.registration.check, output: 'later' };

  it('is the new instance with its indexes', () => {
    const created = { ...observed.registration, node: NODE_2 };
    expect(shown(after({ ...NOTHING, create: [created] }, told))).toContain(
      `${NODE_2.name} uid-of-a @50 @51 Pod is Ready`,
    );
  });

  it('is a pod that moved, on its new node and no other', () => {
    const created = { ...observed.registration, node: NODE_2 };
    const own = after({ ...NOTHING, create: [created], remove: [observed] }, told);
    expect(shown(own)).toEqual([`${NODE_2.name} uid-of-a @50 @51 Pod is Ready`]);
  });

  it('keeps the index and the output of what was not written', () => {
    const update = [{ desired: { ...observed.registration, tags: ['x'], check: output }, observed }];
    const own = after({ ...NOTHING, update }, { services: new Map([[id, 50]]) });
    expect(shown(own)).toEqual([`${NODE_1.name} uid-of-a @50 @21 Pod is Ready`]);
  });

  it('has the new output of a check that was written', () => {
    const update = [
      { desired: { ...observed.registration, check: { ...output, status: 'critical' } }, observed },
    ] as const;
    const own = after({ ...NOTHING, update }, { checks: new Map([[id, 51]]) });
    expect(shown(own)).toEqual([`${NODE_1.name} uid-of-a @20 @51 later`]);
  });

  it('is an instance that no cas can touch, when Consul told no index', () => {
    const meta = new Map<string, string>();
    const create = [{ ...observed.registration, node: NODE_2, meta }];
    expect(shown(after({ ...NOTHING, create }, {}))).toContain(`${NODE_2.name}  @0 @0 Pod is Ready`);
  });

  it('is the node that it brought', () => {
    const own = after(NOTHING, { nodes: new Map([[NODE_1.name, 49]]) }, [NODE_1, NODE_2]);
    expect(own.node(NODE_1.name)).toMatchObject({ state: 'ours', address: NODE_1.address, modifyIndex: 49 });
    expect(own.node(NODE_2.name)).toMatchObject({ state: 'ours', address: NODE_2.address, modifyIndex: 0 });
  });
});
