import { expect, it } from '@jest/globals';
import { Contradictions } from '../../../../src/to-consul/write/contradictions.ts';

function of(...nodes: string[]): Contradictions {
  const contradictions = new Contradictions();
  for (const node of nodes) contradictions.add(node);
  return contradictions;
}

it.each([
  ['no node', []],
  ['one node', ['a']],
  ['one node, again and again', ['a', 'a', 'a']],
])('on %s does not count', (_, nodes) => {
  expect(of(...nodes).why).toBeUndefined();
});

it.each([
  ['two nodes', ['a', 'b'], 'of 2 nodes (a, b) that'],
  ['more', ['a', 'b', 'c'], 'of 3 nodes (a, b, ...) that'],
])('on %s counts, and says where', (_, nodes, where) => {
  expect(of(...nodes).why).toContain(where);
});

it('ends when something could be written', () => {
  const contradictions = of('a', 'b');
  contradictions.clear();
  expect(contradictions.why).toBeUndefined();
});
