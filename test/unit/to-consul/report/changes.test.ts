import { describe, expect, it } from '@jest/globals';
import type { Pod } from '../../../../src/kubernetes/objects.ts';
import { logChanges } from '../../../../src/to-consul/report/changes.ts';
import { annotations, condition } from '../../builders.ts';
import { planning, podNamed, registered, type PlanningGiven } from '../planning.ts';

/** `action service address: reason` of what the plan for pod shop/a writes. */
function told(given: PlanningGiven): string[] {
  const { planner } = planning(given);
  const plan = planner.plan('shop/a');
  const records: string[] = [];
  const proven = plan.unproven.map(({ instance }) => instance);
  const log = {
    note: (...[, , action, service, describe]: Parameters<Parameters<typeof logChanges>[0]['note']>) => {
      const { address, reason } = describe();
      records.push(`${action} ${service} ${String(address)}: ${String(reason)}`);
    },
  };
  logChanges(log, 'shop/a', { ...plan.changes, remove: [...plan.changes.remove, ...proven] }, plan);
  return records;
}

const before = registered({ pods: [podNamed('a')] });
const NOT_READY = condition({ status: 'False', reason: 'ContainersNotReady', lastTransitionTime: '' });

describe('the record of what Consul took', () => {
  it('says that an instance came, and that its pod is Ready', () => {
    expect(told({ pods: [podNamed('a')] })).toEqual([
      expect.stringMatching(/^registered orders .*:8080: Pod is Ready/),
    ]);
  });

  it.each<[string, Partial<Pod> | undefined, string]>([
    ['the pod is gone', undefined, 'the pod is gone'],
    [
      'it is being deleted',
      { deletionTimestamp: '2026-10-20T00:00:00Z' },
      'the pod is being deleted since 2026-10-20T00:00:00Z',
    ],
    ['it is not Ready', { ready: NOT_READY }, 'Pod is not Ready: ContainersNotReady'],
    ['it has ended', { phase: 'Failed' }, 'the pod has ended: its phase is Failed'],
    [
      'its annotation was removed',
      { annotations: annotations({}) },
      'neither the pod nor a Service over it asks for a registration',
    ],
    [
      'it was switched off',
      { annotations: annotations({ 'service-name': 'orders', 'service-sync': 'false' }) },
      'the annotation service-sync of the pod is "false"',
    ],
    [
      'another pod has its name',
      { uid: 'another', annotations: annotations({}) },
      'the pod is gone, and another has its name',
    ],
    ['it has another address', { podIPs: ['10.9.9.9'], ready: NOT_READY }, 'the pod has the address 10.1.0.7 no more'],
    [
      'it asks for another name',
      { annotations: annotations({ 'service-name': 'bills' }) },
      'nobody asks for that name and port any more',
    ],
  ])('says why an instance left: %s', (_, overrides, reason) => {
    const lines = told({ pods: overrides ? [podNamed('a', overrides)] : [], observed: before });
    expect(lines.filter((line) => line.startsWith('deregistered'))).toEqual([
      expect.stringMatching(new RegExp(`^deregistered orders .*:8080: ${reason}$`)),
    ]);
  });

  it('says what of an instance changed, and why where it is the status', () => {
    const tagged = podNamed('a', {}, { 'service-tags': 'new' });
    expect(told({ pods: [tagged], observed: before })).toEqual([expect.stringMatching(/: tags \[\] -> \["new"\]$/)]);
    const critical = podNamed('a', { ready: NOT_READY }, { 'not-ready': 'critical' });
    expect(told({ pods: [critical], observed: before })).toEqual([
      expect.stringMatching(/: Pod is not Ready: ContainersNotReady: check.status passing -> critical$/),
    ]);
  });
});
