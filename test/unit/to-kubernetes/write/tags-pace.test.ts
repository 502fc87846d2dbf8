import { describe, expect, it } from '@jest/globals';
import type { Service } from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION } from '../../../../src/mark.ts';
import { desiredService } from '../../../../src/to-kubernetes/objects/service.ts';
import { createTagsPace } from '../../../../src/to-kubernetes/write/tags-pace.ts';
import { service, servicePort, strings } from '../../builders.ts';
import { mirrored } from '../mirrored.ts';
import { namespacePlan } from '../plans.ts';

/** Service `name` as it should be with these tags, and as it is with others. */
function update(name: string, wanted: string, found: string, more: Partial<Service> = {}) {
  const desired = desiredService(name, mirrored({ tags: [wanted] }), 'service');
  const [port] = desired.ports;
  const annotations = strings({
    ...{ [ANNOTATION.consulService]: 'Billing', [ANNOTATION.portChoice]: '80', [ANNOTATION.consulK8sSync]: 'false' },
    [ANNOTATION.consulTags]: found,
  });
  const observed = service({ name, selector: strings(), ports: [servicePort(port)], annotations, ...more });
  return { desired, observed };
}

const planOf = (...updates: ReturnType<typeof update>[]) =>
  namespacePlan({ service: { create: [], update: updates, remove: [] } });

describe('a Service that differs in its tags', () => {
  it('alone is written once a minute, however often they change', () => {
    let now = 0;
    const pace = createTagsPace(() => now);
    const held = () => {
      const { plan, waitMs } = pace.hold(planOf(update('billing', `${now}`, 'before')));
      return `${plan.service.update.length} ${waitMs}`;
    };
    const found: string[] = [];
    for (; now <= 60_000; now += 20_000) found.push(held());
    expect(found).toEqual(['1 0', '0 40000', '0 20000', '1 0']);
  });

  it('and in something else is written at once, and others have a pace of their own', () => {
    const pace = createTagsPace(() => 0);
    pace.hold(planOf(update('billing', 'a', 'b')));
    const plan = planOf(update('billing', 'c', 'a', { type: 'NodePort' }), update('orders', 'c', 'a'));
    expect(pace.hold(plan)).toEqual({ plan, waitMs: 0 });
    expect(pace.hold(planOf(update('billing', 'd', 'c'))).waitMs).toBe(60_000);
  });
});
