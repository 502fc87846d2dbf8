import { beforeEach, describe, expect, it } from '@jest/globals';
import { META } from '../../../../src/mark.ts';
import { ClusterIdentityError } from '../../../../src/to-consul/identity/cluster-identity.ts';
import { OwnCatalog } from '../../../../src/to-consul/observed/own-catalog.ts';
import { nodeMeta } from '../../../../src/to-consul/registration/registration.ts';
import { owner } from '../../builders.ts';
import { observed, registrationOf, WORKER_1 } from '../instances.ts';
import { TestClock } from '../../clock.ts';
import { MemoryNodes } from './memory-nodes.ts';

const WORKER_2 = 'k8s-prod--worker-2';
const STRANGER = { ...nodeMeta(owner), [META.clusterUid]: 'uid-of-another-cluster' };

let nodes: MemoryNodes;
let own: OwnCatalog;

beforeEach(async () => {
  nodes = new MemoryNodes();
  nodes.put(WORKER_1, ['a', 'b']);
  nodes.put(WORKER_2, ['c']);
  own = await OwnCatalog.read(nodes, owner, new TestClock());
  nodes.asked = [];
});

/** What a look finds, and what it asks after the list of nodes. */
async function look(): Promise<{ drifted: string[]; asked: string[]; isComplete: boolean }> {
  const drifted = new Set<string>();
  nodes.asked = [];
  const isComplete = await own.look((podKeys) => podKeys.forEach((key) => drifted.add(key)));
  // Several nodes at a time are looked at: of each in order.
  const nodeOf = (question: string) => question.split(' ')[1] ?? '';
  const asked = nodes.asked.slice(1).sort((a, b) => nodeOf(a).localeCompare(nodeOf(b)));
  return { drifted: [...drifted].sort(), asked, isComplete };
}

describe('what is ours', () => {
  it('is read completely before it exists', () => {
    expect([own.size, [...own.podKeys()]]).toEqual([3, ['shop/a', 'shop/b', 'shop/c']]);
    expect([...own.ofPod('shop/c').values()].map(({ registration }) => registration.node.name)).toEqual([WORKER_2]);
    expect([own.node(WORKER_1).state, own.node('k8s-prod--none').state]).toEqual(['ours', 'absent']);
    expect([own.node(WORKER_1), own.node('k8s-prod--none')]).toMatchObject([
      { state: 'ours', isIntact: true },
      { state: 'absent' },
    ]);
  });

  it("is not read when our cluster's name is another installation's", async () => {
    nodes.put('k8s-prod--theirs', [], STRANGER);
    await expect(OwnCatalog.read(nodes, owner)).rejects.toThrow(ClusterIdentityError);
  });

  it('follows our own commits', () => {
    const registration = registrationOf('d', { node: { name: 'k8s-prod--new', address: '192.168.1.13' } });
    own.nodeWritten(registration.node, 50);
    own.written(observed(registration, { podKey: 'shop/d', serviceIndex: 51, checkIndex: 52 }));
    expect([own.size, own.node('k8s-prod--new')]).toEqual([
      4,
      { state: 'ours', address: '192.168.1.13', isIntact: true, modifyIndex: 50 },
    ]);
    expect([own.isOurDoing(52), own.isOurDoing(53)]).toEqual([true, false]);
    for (const instance of [...own.ofPod('shop/d').values()]) own.removed(instance);
    expect([own.size, own.ofPod('shop/d').size]).toEqual([3, 0]);
  });

  it('names the nodes that are empty, with a number that moves with our commits there', () => {
    expect([...own.emptyNodes()]).toEqual([]);
    for (const instance of [...own.ofNode(WORKER_2).values()]) own.removed(instance);
    const before = own.emptyNodes().get(WORKER_2);
    expect([...own.emptyNodes().keys()]).toEqual([WORKER_2]);
    own.touch(WORKER_2);
    expect(own.emptyNodes().get(WORKER_2)).not.toBe(before);
    own.nodeRemoved(WORKER_2);
    expect([[...own.emptyNodes()], own.node(WORKER_2).state]).toEqual([[], 'absent']);
  });

  it('does not name an empty node that stands for no Kubernetes node', () => {
    own.nodeWritten({ name: 'k8s-prod', address: '192.168.1.10' }, 50);
    expect([...own.emptyNodes().keys()]).toEqual([]);
  });

  it('tells on which nodes a check is not as we wrote it', () => {
    const listed = new Set([`${WORKER_2}/prod.shop.c:orders:8080`]);
    expect([...own.nodesWithOtherChecks('critical', listed)]).toEqual([WORKER_2]);
  });
});

describe('a look at our nodes', () => {
  it('asks for the index of each when nothing changed', async () => {
    expect(await look()).toEqual({ drifted: [], asked: [`index ${WORKER_1}`, `index ${WORKER_2}`], isComplete: true });
  });

  it('reads the services of a node on which only we changed something, and the next time the index again', async () => {
    own.touch(WORKER_1, new Set(['shop/a']));
    expect(await look()).toMatchObject({ drifted: [], asked: [`services ${WORKER_1}`, `index ${WORKER_2}`] });
    expect(await look()).toMatchObject({ drifted: [], asked: [`index ${WORKER_1}`, `index ${WORKER_2}`] });
  });

  it('reads all of a node on which somebody else changed a service', async () => {
    nodes.touch(WORKER_1, 'a');
    const asked = [`index ${WORKER_1}`, `services ${WORKER_1}`, `read ${WORKER_1}`, `index ${WORKER_2}`];
    expect(await look()).toEqual({ drifted: ['shop/a'], asked, isComplete: true });
  });

  it('reads all of a node on which somebody removed a service, and asks the witness', async () => {
    nodes.put(WORKER_1, ['b']);
    const { drifted, asked } = await look();
    expect([drifted, asked.includes('witness'), own.size]).toEqual([['shop/a'], true, 2]);
  });

  it('believes in no removal while the witness is missing', async () => {
    nodes.put(WORKER_1, ['b']);
    nodes.isWitnessThere = false;
    await expect(look()).rejects.toThrow('the witness is missing');
    expect(own.size).toBe(3);
  });

  it('reads all of a node that somebody wrote, and all of its pods have to correct it', async () => {
    nodes.touchNode(WORKER_1, { ...nodeMeta(owner), 'external-node': 'theirs' });
    const { drifted, asked } = await look();
    expect([drifted, asked]).toEqual([
      ['shop/a', 'shop/b'],
      [`read ${WORKER_1}`, `index ${WORKER_2}`],
    ]);
    expect(own.node(WORKER_1)).toMatchObject({ state: 'ours', isIntact: false });
  });

  it('reads a node that is new, and one that is gone', async () => {
    nodes.put('k8s-prod--worker-3', ['d']);
    nodes.drop(WORKER_2);
    expect(await look()).toMatchObject({ drifted: ['shop/c', 'shop/d'], isComplete: true });
    expect([own.node(WORKER_2).state, own.size]).toEqual(['absent', 3]);
  });

  it('reads everything once the indexes mean nothing any more', async () => {
    own.forgetIndexes();
    expect(await look()).toMatchObject({ drifted: [], asked: [`read ${WORKER_1}`, `read ${WORKER_2}`] });
    expect(own.isOurDoing(1)).toBe(false);
  });

  it('asks the leader when it reads an entry that is older than it was, and tells of it', async () => {
    const before = nodes.save(WORKER_1);
    nodes.touch(WORKER_1, 'a');
    await look();
    nodes.restore(WORKER_1, before);
    const { drifted, asked } = await look();
    expect(asked.filter((what) => what.startsWith('read'))).toEqual([
      `read ${WORKER_1}`,
      `read ${WORKER_1} from the leader`,
    ]);
    expect([drifted, nodes.older]).toEqual([['shop/a'], 1]);
  });

  it('takes it for a server that was not up to date when the leader has what is known', async () => {
    const before = nodes.save(WORKER_1);
    nodes.touch(WORKER_1, 'a');
    await look();
    const now = nodes.save(WORKER_1);
    nodes.restore(WORKER_1, before);
    nodes.onTheWay.read = () => nodes.restore(WORKER_1, now);
    await look();
    expect(nodes.older).toBe(0);
  });

  it("fails in the end for another installation's node, when all has been told", async () => {
    nodes.put('k8s-prod--theirs', [], STRANGER);
    nodes.touch(WORKER_2, 'c');
    const drifted: string[] = [];
    await expect(own.look((podKeys) => drifted.push(...podKeys))).rejects.toThrow(ClusterIdentityError);
    expect(drifted).toEqual(['shop/c']);
  });

  it('compares a node that we made by its services, as nobody has read it', async () => {
    const made = 'k8s-prod--made';
    nodes.put(made, ['d']);
    const { node, services } = nodes.save(made);
    const { node: like } = registrationOf('d');
    own.nodeWritten({ ...like, name: made }, node.modifyIndex);
    const registration = registrationOf('d', { node: { ...like, name: made } });
    own.written(observed(registration, { podKey: 'shop/d', serviceIndex: services[0]?.modifyIndex ?? 0 }));
    expect((await look()).asked).toEqual([`services ${made}`, `index ${WORKER_1}`, `index ${WORKER_2}`]);
    nodes.touch(made, 'd');
    expect(await look()).toMatchObject({ drifted: ['shop/d'] });
  });

  it('costs no other node that one cannot be read', async () => {
    nodes.touch(WORKER_2, 'c');
    nodes.put(WORKER_1, []);
    nodes.isWitnessThere = false;
    const drifted: string[] = [];
    await expect(own.look((podKeys) => drifted.push(...podKeys))).rejects.toThrow('the witness is missing');
    expect(drifted).toEqual(['shop/c']);
  });

  it('tells of an earlier node although a later one cannot be read', async () => {
    nodes.touch(WORKER_1, 'a');
    nodes.put(WORKER_2, []);
    nodes.isWitnessThere = false;
    const drifted: string[] = [];
    await expect(own.look((podKeys) => drifted.push(...podKeys))).rejects.toThrow('the witness is missing');
    expect(drifted).toEqual(['shop/a']);
  });
});

describe('a read that a commit of ours overtakes', () => {
  const onlyA = new Map([[WORKER_1, new Set(['shop/a'])]]);

  it('says nothing of the pods of that commit, and what it says of all others', async () => {
    nodes.touch(WORKER_1, 'a');
    nodes.touch(WORKER_1, 'b');
    nodes.onTheWay.read = () => own.commitBegins(onlyA);
    expect([...(await own.refresh(WORKER_1))]).toEqual(['shop/b']);
    own.commitEnds(onlyA, true);
    expect([...(await own.refresh(WORKER_1))]).toEqual(['shop/a']);
  });

  it('is out of date also for a commit that came back', async () => {
    own.commitBegins(onlyA);
    nodes.touch(WORKER_1, 'a');
    nodes.onTheWay.read = () => own.commitEnds(onlyA, true);
    expect([...(await own.refresh(WORKER_1))]).toEqual([]);
  });

  it('does not take away what that commit puts there', async () => {
    nodes.onTheWay.read = () => {
      own.commitBegins(onlyA);
      own.written(observed(registrationOf('a', { port: 9090 }), { podKey: 'shop/a' }));
    };
    nodes.put(WORKER_1, ['b']);
    expect([...(await own.refresh(WORKER_1))]).toEqual([]);
    expect([...own.ofPod('shop/a').values()].map(({ registration }) => registration.port)).toEqual([9090]);
  });

  it('is made again when the commit is about the node itself', async () => {
    nodes.touch(WORKER_1, 'a');
    nodes.onTheWay.read = () => own.touch(WORKER_1);
    expect([...(await own.refresh(WORKER_1))]).toEqual(['shop/a']);
    expect(nodes.asked).toEqual([`read ${WORKER_1}`, `read ${WORKER_1}`]);
  });

  it('is made again when the node was not there: what the commit puts on it is no reason to forget the node', async () => {
    nodes.onTheWay.read = () => own.touch('k8s-prod--new', new Set(['shop/d']));
    await own.refresh('k8s-prod--new');
    expect(nodes.asked).toEqual(['read k8s-prod--new', 'read k8s-prod--new']);
  });

  it('is given up after five tries', async () => {
    const again = () => {
      own.touch(WORKER_1);
      nodes.onTheWay.read = again;
    };
    nodes.onTheWay.read = again;
    await expect(own.refresh(WORKER_1)).rejects.toThrow('our own commits changed it at each of 5 tries');
  });

  it('makes a look incomplete, and the node is read whole by the next', async () => {
    nodes.touch(WORKER_1, 'b');
    nodes.onTheWay.read = () => own.touch(WORKER_1, new Set(['shop/a']));
    expect(await look()).toMatchObject({ drifted: ['shop/b'], isComplete: false });
    expect(await look()).toMatchObject({ asked: [`read ${WORKER_1}`, `index ${WORKER_2}`], isComplete: true });
  });

  describe('of the services of a node alone', () => {
    const touchMeanwhile = (pod: string, meanwhile: () => void = () => undefined) => {
      own.touch(WORKER_1, new Set(['shop/a']));
      nodes.onTheWay.services = () => {
        meanwhile();
        own.touch(WORKER_1, new Set([pod]));
      };
    };

    it('makes the look incomplete, and the rest of the node need not be read for it', async () => {
      touchMeanwhile('shop/a', () => nodes.touch(WORKER_1, 'a'));
      expect(await look()).toMatchObject({
        asked: [`services ${WORKER_1}`, `index ${WORKER_2}`],
        isComplete: false,
      });
    });

    it('hides nothing of other pods', async () => {
      nodes.touch(WORKER_1, 'b');
      touchMeanwhile('shop/a');
      expect(await look()).toMatchObject({
        asked: [`services ${WORKER_1}`, `read ${WORKER_1}`, `index ${WORKER_2}`],
        drifted: ['shop/b'],
      });
    });

    it('has all of the node read where it is about the node itself', async () => {
      own.touch(WORKER_1, new Set(['shop/a']));
      nodes.onTheWay.services = () => own.touch(WORKER_1);
      expect((await look()).asked).toEqual([`services ${WORKER_1}`, `read ${WORKER_1}`, `index ${WORKER_2}`]);
    });
  });
});

it('a node in doubt is read whole by the next look, although its index is as it was', async () => {
  await look();
  own.doubt(WORKER_1);
  expect((await look()).asked).toEqual([`read ${WORKER_1}`, `index ${WORKER_2}`]);
});

it('a transaction on its way makes every wake our own doing', () => {
  expect(own.isOurDoing(99)).toBe(false);
  own.commitBegins(new Map());
  expect(own.isOurDoing(99)).toBe(true);
  own.commitEnds(new Map(), true);
  expect(own.isOurDoing(99)).toBe(false);
  own.noteCommit(99);
  expect(own.isOurDoing(99)).toBe(true);
});
