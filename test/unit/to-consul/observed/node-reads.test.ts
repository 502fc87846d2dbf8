import { expect, it } from '@jest/globals';
import { NodeReads } from '../../../../src/to-consul/observed/node-reads.ts';
import { OwnCatalog } from '../../../../src/to-consul/observed/own-catalog.ts';
import { TestClock } from '../../clock.ts';
import { owner } from '../../builders.ts';
import { WORKER_1 } from '../instances.ts';
import { MemoryNodes } from './memory-nodes.ts';

it('names of nodes that are gone are forgotten with the next look, and no number of theirs comes again', async () => {
  const nodes = new MemoryNodes();
  nodes.put(WORKER_1, ['a']);
  const reads = new NodeReads(nodes, owner, await OwnCatalog.read(nodes, owner, new TestClock()));
  const gone = Array.from({ length: 1000 }, (_, i) => `k8s-prod--gone-${i}`);
  for (const name of [WORKER_1, ...gone]) reads.touch(name);
  const [first = ''] = gone;
  const before = reads.generation(first);
  await reads.look(() => undefined);
  expect(reads.size).toBe(1);
  expect(reads.generation(WORKER_1)).toBeGreaterThan(0);
  reads.touch(first);
  expect(reads.generation(first)).toBeGreaterThan(before);
});
