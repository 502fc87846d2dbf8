import { describe, expect, it } from '@jest/globals';
import { rightId } from '../../../../src/consul/rights.ts';
import { permitted } from '../../../../src/to-consul/plan/permitted.ts';
import type { PodPlan } from '../../../../src/to-consul/plan/pod-plan.ts';
import { annotations } from '../../builders.ts';
import { planning, podNamed, registered, type PlanningGiven } from '../planning.ts';

const named = (...names: string[]) => ({
  annotations: annotations(Object.fromEntries(names.map((name, i) => [`service-name.${8080 + i}`, name]))),
  containers: [
    {
      ...podNamed('x').containers[0],
      name: 'app',
      ports: names.map((_, i) => ({ name: '', port: 8080 + i, protocol: 'TCP' as const })),
    },
  ] as ReturnType<typeof podNamed>['containers'],
});

function shownOf(plan: PodPlan): string[] {
  const { changes, held, rejections, waitsFor, places, members } = plan;
  return [
    ...changes.create.map(({ service }) => `create ${service}`),
    ...changes.update.map(({ desired }) => `update ${desired.service}`),
    ...changes.remove.map(({ registration }) => `remove ${registration.service}`),
    ...held.map(({ registration }) => `hold ${registration.service}`),
    ...rejections.map(({ reason, message }) => `${reason}: ${message}`),
    ...waitsFor.map((wait) => ('right' in wait ? `waits for ${rightId(wait.right)}` : 'waits')),
    `places ${places.map(({ service }) => service).join()}`,
    `members ${[...members.byId.values()].map(({ service }) => service).join()}`,
  ];
}

function plan(given: PlanningGiven, ...denied: string[]): string[] {
  const { planner, consul } = planning(given);
  const denials = { isDenied: (right: Parameters<typeof rightId>[0]) => denied.includes(rightId(right)) };
  return shownOf(permitted(planner.plan('shop/a'), denials, (name) => consul.node(name)));
}

const REFUSED = (service: string) =>
  `ConsulRefused: Consul's ACLs refuse it: the token may not write service ${service}: add \`service "${service}" { policy = "write" }\` to its policy`;
const pods = [podNamed('a', named('orders', 'secret'))];

describe('what the token may not write', () => {
  it('is left out of the plan and told, with the rule that is missing; the rest of the pod is registered', () => {
    expect(plan({ pods }, 'service secret')).toEqual([
      'create orders',
      REFUSED('secret'),
      'waits for service secret',
      'places orders',
      'members orders',
    ]);
  });

  it('is no matter where it is in Consul as it should be', () => {
    const observed = registered({ pods });
    expect(plan({ pods, observed }, 'service secret')).toEqual(['places orders,secret', 'members orders,secret']);
  });

  it('stays as it is when it should be another', () => {
    const observed = registered({ pods: [podNamed('a', named('orders'), {})] });
    const tagged = podNamed('a', { ...named('orders') });
    const changed = { ...tagged, annotations: new Map([...tagged.annotations, ['consular.dev/service-tags', 'new']]) };
    expect(plan({ pods: [changed], observed }, 'service orders')).toEqual([
      'hold orders',
      REFUSED('orders'),
      'waits for service orders',
      'places orders',
      'members orders',
    ]);
  });

  it('stays when its pod goes, and is told all the same', () => {
    const observed = registered({ pods });
    const leaving = podNamed('a', { ...named('orders', 'secret'), deletionTimestamp: '2026-10-20T00:00:00Z' });
    expect(plan({ pods: [leaving], observed }, 'service secret')).toEqual([
      'remove orders',
      'hold secret',
      REFUSED('secret'),
      'waits for service secret',
      'places secret',
      'members ',
    ]);
  });

  it('stays when its pod is gone, and nobody has to prove that', () => {
    const observed = registered({ pods });
    expect(plan({ observed }, 'service secret', 'service orders')).toEqual([
      'hold orders',
      'hold secret',
      REFUSED('orders'),
      REFUSED('secret'),
      'waits for service orders',
      'waits for service secret',
      'places orders,secret',
      'members ',
    ]);
  });

  it('does not cost the pod what it has: the old name stays while the new one is refused', () => {
    const observed = registered({ pods: [podNamed('a', named('orders'))] });
    expect(plan({ pods: [podNamed('a', named('secret'))], observed }, 'service secret')).toEqual([
      'hold orders',
      REFUSED('secret'),
      'waits for service secret',
      'places orders',
      'members ',
    ]);
  });

  it('keeps no address that the pod has no more', () => {
    const observed = registered({ pods: [podNamed('a', named('orders'))] });
    const moved = podNamed('a', { ...named('secret'), podIPs: ['10.9.9.9'] });
    expect(plan({ pods: [moved], observed }, 'service secret')).toContain('remove orders');
  });

  it('is the node, for all that has to come to it, with the rule for all nodes of the cluster', () => {
    const lines = plan({ pods }, 'node k8s-prod--worker-1');
    expect(lines.slice(0, 1)).toEqual([
      'ConsulRefused: Consul\'s ACLs refuse it: the token may not write Consul node k8s-prod--worker-1: add `node_prefix "k8s-prod--" { policy = "write" }` to its policy',
    ]);
    const observed = registered({ pods: [podNamed('b')] });
    expect(plan({ pods: [...pods, podNamed('b')], observed }, 'node k8s-prod--worker-1')[0]).toBe('create orders');
  });
});
