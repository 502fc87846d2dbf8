import { describe, expect, it } from '@jest/globals';
import type { Pod } from '../../../../src/kubernetes/objects.ts';
import { Losses, type Member, type PodMembers } from '../../../../src/to-consul/plan/losses.ts';
import { PREFIX, condition } from '../../builders.ts';
import { viewOf } from '../../to-kubernetes/views.ts';
import { MemoryConsul } from '../memory-consul.ts';
import { podNamed, registered } from '../planning.ts';

const GATE_OFF = { readinessGate: false, annotationPrefix: PREFIX };
const NOT_READY = condition({ status: 'False' });
const keys = (count: number) => Array.from({ length: count }, (_, i) => `shop/p${i}`);
const idOf = (key: string) => `prod.${key.replace('/', '.')}:orders:8080`;

function members(key: string, isThere: boolean, podUid = `uid-of-${key}`, service = 'orders'): PodMembers {
  return { podUid, byId: new Map<string, Member>([[idOf(key), { service, isThere }]]) };
}

/** It knows so many pods, all there. */
function lossesOf(count: number): Losses {
  const losses = new Losses('prod', GATE_OFF, viewOf<Pod>(), new MemoryConsul(), 0);
  for (const key of keys(count)) losses.note(key, members(key, true), 0);
  return losses;
}

describe('what becomes of instances', () => {
  it('empties their service when all are lost, and each of their pods has to be looked at', () => {
    const losses = lossesOf(25);
    const concerned = keys(25).map((key) => [...losses.note(key, members(key, false), 0)]);
    expect(concerned[24]?.sort()).toEqual(keys(25).sort());
    expect(losses.isOfEmptied('Orders', idOf('shop/p0').toUpperCase())).toBe(true);
    expect(losses.isOfEmptied('billing', idOf('shop/p0'))).toBe(false);
  });

  it.each<readonly [what: string, change: PodMembers]>([
    ['is not lost any more', members('shop/p0', true)],
    ['is gone', { podUid: '', byId: new Map() }],
    ['is of another pod', members('shop/p0', false, 'another')],
    ['is of another service', members('shop/p0', false, 'uid-of-shop/p0', 'billing')],
  ])('does not while one %s', (_, change) => {
    const losses = lossesOf(25);
    for (const key of keys(25)) losses.note(key, members(key, false), 0);
    losses.note('shop/p0', change, 0);
    expect(losses.isOfEmptied('orders', idOf('shop/p0'))).toBe(false);
  });

  it('does not count what was never there', () => {
    const losses = lossesOf(20);
    for (const key of keys(30)) losses.note(key, members(key, false), 0);
    expect(losses.isOfEmptied('orders', idOf('shop/p0'))).toBe(false);
  });

  it('is over for what is released', () => {
    const losses = lossesOf(25);
    for (const key of keys(25)) losses.note(key, members(key, false), 0);
    const concerned = losses.release({ service: 'Orders', id: idOf('shop/p0') }, 0);
    expect([...concerned]).toEqual(['shop/p0']);
    expect([0, 1].map((i) => losses.isOfEmptied('orders', idOf(`shop/p${i}`)))).toEqual([false, true]);
  });
});

describe('at the start', () => {
  const pods = keys(30).map((key) => podNamed(key.slice('shop/'.length)));
  const consul = new MemoryConsul(...registered({ pods }));

  it('what is ours in Consul counts as there, of pods that are', () => {
    const [deleted, replaced, ...rest] = pods as [Pod, Pod, ...Pod[]];
    const view = viewOf({ ...replaced, uid: 'new' }, ...rest);
    const losses = new Losses('prod', GATE_OFF, view, consul, 0);
    for (const pod of rest) view.put({ ...pod, ready: NOT_READY, resourceVersion: '101' });
    const atStake = keys(30).filter((key) => losses.isAtStake(key));
    expect(atStake).toHaveLength(28);
    for (const key of atStake) losses.note(key, members(key, false, `uid-of-${key.slice('shop/'.length)}`), 0);
    expect(losses.isOfEmptied('orders', idOf('shop/p7'))).toBe(true);
    expect(losses.isOfEmptied('orders', idOf(`shop/${deleted.name}`))).toBe(false);
  });

  it.each<readonly [what: string, pod: Partial<Pod> | undefined, expected: boolean]>([
    ['Ready', {}, false],
    ['not Ready', { ready: NOT_READY }, true],
    ['being deleted', { deletionTimestamp: '2026-10-20T10:00:00Z' }, true],
    ['another of the name', { uid: 'another' }, true],
    ['not there', undefined, true],
  ])('a pod that is %s is at stake: %s', (_, overrides, expected) => {
    const [pod] = pods as [Pod];
    const view = viewOf(pod);
    const losses = new Losses('prod', GATE_OFF, view, consul, 0);
    if (overrides) view.put({ ...pod, ...overrides, resourceVersion: '101' });
    else view.delete({ ...pod, resourceVersion: '101' });
    expect(losses.isAtStake('shop/p0')).toBe(expected);
    expect(losses.isAtStake('shop/unknown')).toBe(false);
  });

  it('a pod of which something is lost is at stake until that is there again', () => {
    const losses = new Losses('prod', GATE_OFF, viewOf(...pods), consul, 0);
    losses.note('shop/p0', members('shop/p0', false, 'uid-of-p0'), 0);
    expect(losses.isAtStake('shop/p0')).toBe(true);
    losses.note('shop/p0', members('shop/p0', true, 'uid-of-p0'), 0);
    expect(losses.isAtStake('shop/p0')).toBe(false);
  });
});
