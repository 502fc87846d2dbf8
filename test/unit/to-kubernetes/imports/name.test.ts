import { describe, expect, it } from '@jest/globals';
import { changesOf } from '../../../../src/to-kubernetes/plan/namespace-plan.ts';
import { annotations, instance, marked, service, slice } from '../../builders.ts';
import { importing, othersSlice, shown, stage } from './stage.ts';

/** A Service of somebody's with the very name that the mirrored Service of Consul service Billing would have. */
const billing = (text?: Readonly<Record<string, string>>) => importing(text, { name: 'billing' });
const KEY = 'shop/billing';

/** What the mirrored Service is to become: its conflict, and each kind with changes. */
function mirrorPlan({ mirrors }: ReturnType<typeof stage>) {
  const [plan, ...more] = mirrors.plan('billing', false).namespaces;
  if (!plan) return undefined;
  expect(more).toEqual([]);
  const changed = changesOf(plan).flatMap(([kind, { create, update, remove }]) => [
    ...create.map(() => `create ${kind}`),
    ...update.map(() => `update ${kind}`),
    ...remove.map(() => `remove ${kind}`),
  ]);
  return { conflict: plan.conflict?.name, changed };
}

describe('the name of a mirrored Service that somebody has', () => {
  it.each([
    ['is a conflict', service({ name: 'billing' }), { conflict: 'billing', changed: [] }],
    ['is none when that Service takes this Consul service in', billing(), undefined],
    ['nor while there is a mistake, which is told by itself', billing({ 'import-port': 'x' }), undefined],
    ['is one when it takes another in', billing({ import: 'other' }), { conflict: 'billing', changed: [] }],
    [
      'or may not take it in',
      importing({}, { name: 'billing', type: 'ExternalName' }),
      { conflict: 'billing', changed: [] },
    ],
  ])('%s', (_, occupant, expected) => {
    expect(mirrorPlan(stage([occupant], [instance()]))).toEqual(expected);
  });
});

describe('a mirrored Service that was let go, and takes its own Consul service in', () => {
  const left = slice({
    name: 'billing-left',
    labels: marked('prod', { 'kubernetes.io/service-name': 'billing' }),
    annotations: annotations({ 'consul-service': 'Billing' }),
    endpoints: othersSlice(['10.20.0.1']).endpoints,
  });

  it('keeps what it had until the slices of the import are there, so that no caller notices', () => {
    const world = stage([billing()], [instance()], [left]);
    const before = mirrorPlan(world);
    expect(before?.conflict).toBeUndefined();
    expect(before?.changed).not.toContain('remove EndpointSlice');
    const plan = world.plan(KEY);
    expect(shown(plan)).toEqual(['create billing-# http=8080/TCP 10.20.0.1']);
    world.apply(plan);
    expect(mirrorPlan(world)).toEqual({ conflict: undefined, changed: ['remove EndpointSlice'] });
    expect(shown(world.plan(KEY))).toEqual([]);
  });
});
