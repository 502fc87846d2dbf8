import { describe, expect, it } from '@jest/globals';
import { jsonMessage } from '../../../src/kubernetes/encoding/message.ts';
import { KindView } from '../../../src/kubernetes/kind-view.ts';
import { ZONE_LABEL, type Node } from '../../../src/kubernetes/objects.ts';
import { createResources } from '../../../src/kubernetes/resources.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { TestLog } from '../log.ts';

const { nodes } = createResources({ annotation: () => true, variable: () => true });

const encodedNode = (name: string, resourceVersion: string) =>
  jsonMessage({ metadata: { name, uid: `uid-of-${name}`, resourceVersion } });
/** Without a uid it is no object that can be read, but its name can. */
const unreadable = (name: string, resourceVersion = '') => jsonMessage({ metadata: { name, resourceVersion } });

/** Too long to be shared with other objects. */
const LONG = { long: 'x'.repeat(600) };

/** With the nodes a and b. */
async function filled() {
  const log = new TestLog();
  const content = new KindView<Node>({ resource: nodes, log, metrics: createMetrics() });
  const list = new Map<string, Node>();
  for (const name of ['a', 'b']) content.collect(encodedNode(name, '1'), list);
  content.fill(list, false);
  const view = await content.synced;
  const shown = () => [...view.values()].map(({ name, resourceVersion }) => `${name}@${resourceVersion}`).sort();
  return { content, view, shown, log };
}

describe('events after a complete list', () => {
  it.each([
    ['ADDED', encodedNode('c', '2'), '2', ['a@1', 'b@1', 'c@2']],
    ['MODIFIED', encodedNode('a', '2'), '2', ['a@2', 'b@1']],
    ['DELETED', encodedNode('a', '2'), '2', ['b@1']],
    ['BOOKMARK', unreadable('', '9'), '9', ['a@1', 'b@1']],
    ['MODIFIED', unreadable('a', '3'), '3', ['a@1', 'b@1']],
    ['MODIFIED', unreadable('a'), '', ['a@1', 'b@1']],
  ])('%s', async (type, object, version, expected) => {
    const { content, shown } = await filled();
    expect(content.apply({ type, object })).toBe(version);
    expect(shown()).toEqual(expected);
  });
});

describe('a list that takes the place of the view', () => {
  it('has what came in the stream, but not what was deleted before its end', async () => {
    const { content, shown } = await filled();
    const list = new Map<string, Node>();
    for (const name of ['a', 'c', 'd']) content.collectEvent({ type: 'ADDED', object: encodedNode(name, '5') }, list);
    content.collectEvent({ type: 'DELETED', object: encodedNode('c', '6') }, list);
    content.collectEvent({ type: 'BOOKMARK', object: unreadable('', '7') }, list);
    expect(shown()).toEqual(['a@1', 'b@1']);
    content.fill(list, false);
    expect(shown()).toEqual(['a@5', 'd@5']);
  });

  it('that ends before it is complete takes nothing away, changes nothing and tells nobody', async () => {
    const { content, view, shown } = await filled();
    const told: unknown[] = [];
    view.subscribe((...change) => told.push(change));
    const cut = new Map<string, Node>();
    content.collectEvent({ type: 'ADDED', object: encodedNode('a', '5') }, cut);
    expect([shown(), told]).toEqual([['a@1', 'b@1'], []]);
    const whole = new Map<string, Node>();
    for (const name of ['a', 'b']) content.collectEvent({ type: 'ADDED', object: encodedNode(name, '6') }, whole);
    content.fill(whole, false);
    expect([shown(), told.length]).toEqual([['a@6', 'b@6'], 2]);
  });

  it('has what did not change since as the objects that are there already, and tells only of what did', async () => {
    const { content, view, shown } = await filled();
    const before = view.get('a');
    const told: string[] = [];
    view.subscribe((was, is) => told.push(`${was?.name}@${was?.resourceVersion}>${is?.resourceVersion}`));
    const list = new Map<string, Node>();
    content.collect(encodedNode('a', '1'), list);
    content.collect(encodedNode('b', '5'), list);
    content.fill(list, false);
    expect([shown(), told]).toEqual([['a@1', 'b@5'], ['b@1>5']]);
    expect(view.get('a')).toBe(before);
  });

  it('shares with an earlier version what both say, and has the rest as it is now', async () => {
    const { content, view } = await filled();
    const labelled = (version: string, labels: Record<string, string>) =>
      jsonMessage({ metadata: { name: 'a', uid: 'uid-of-a', resourceVersion: version, labels, annotations: LONG } });
    const relist = (encoded: ReturnType<typeof labelled>) => {
      const list = new Map<string, Node>();
      content.collect(encoded, list);
      content.fill(list, false);
      return view.get('a');
    };
    const first = relist(labelled('5', { [ZONE_LABEL]: 'one' }));
    const second = relist(labelled('6', { [ZONE_LABEL]: 'two' }));
    expect(second?.labels.get(ZONE_LABEL)).toBe('two');
    expect(second?.resourceVersion).toBe('6');
    expect(second?.annotations).toBe(first?.annotations);
    expect(first?.labels.get(ZONE_LABEL)).toBe('one');
  });

  it('keeps what cannot be read any more as it was, and says so', async () => {
    const { content, shown, log } = await filled();
    const list = new Map<string, Node>();
    for (const object of [unreadable('a'), unreadable('new'), jsonMessage({})]) content.collect(object, list);
    content.fill(list, false);
    expect(shown()).toEqual(['a@1']);
    expect(log.of('warn')).toEqual(Array.from({ length: 3 }, () => 'object cannot be read, left as it was'));
  });

  it('forgets the deletions of a time that is lost', async () => {
    const { content, view } = await filled();
    content.apply({ type: 'DELETED', object: encodedNode('a', '2') });
    content.fill(new Map(), false);
    expect(view.sawDeletion('uid-of-a')).toBe(true);
    content.fill(new Map(), true);
    expect(view.sawDeletion('uid-of-a')).toBe(false);
  });
});
