import { describe, expect, it } from '@jest/globals';
import { formatPlan } from '../../../src/commands/format-plan.ts';
import type { Plan } from '../../../src/commands/plan.ts';

const plan = (overrides: Partial<Plan>): string =>
  formatPlan({
    cluster: 'prod',
    writesOff: [],
    changes: [],
    held: [],
    kept: [],
    retained: [],
    rejections: [],
    warnings: [],
    ...overrides,
  });

describe('a plan for people', () => {
  it('says so when there is nothing to do', () => {
    expect(plan({})).toBe(
      'to-consul:\n  nothing to do\nto-kubernetes:\n  nothing to do\nPlan: 0 to create, 0 to update, 0 to remove, 0 rejected.',
    );
  });

  it('has the changes in columns, then what is rejected, then what has no effect, for each direction', () => {
    const direction = 'to-consul';
    const text = plan({
      changes: [
        { direction, action: 'create', kind: 'ServiceInstance', object: 'node/a', note: '10.1.0.7:8080 passing' },
        { direction, action: 'remove', kind: 'ServiceInstance', object: 'node/longer', note: '' },
        { direction: 'to-kubernetes', action: 'update', kind: 'Service', object: 'shop/billing', note: 'from Consul' },
      ],
      rejections: [{ direction: 'to-kubernetes', object: 'Consul instance x', reason: 'no address' }],
      warnings: [{ direction, object: 'Pod shop/a', reason: '"SERVICE_ID" has no effect' }],
    });
    expect(text.split('\n')).toEqual([
      'to-consul:',
      '  + create  ServiceInstance  node/a        10.1.0.7:8080 passing',
      '  - remove  ServiceInstance  node/longer',
      '  * Pod shop/a: "SERVICE_ID" has no effect',
      'to-kubernetes:',
      '  ~ update  Service          shop/billing  from Consul',
      '  ! Consul instance x: no address',
      'Plan: 1 to create, 1 to update, 1 to remove, 1 rejected.',
    ]);
  });

  it('says first that writes are off, and who says so', () => {
    const [first] = plan({ writesOff: ['setting writes', 'the Lease'] }).split('\n');
    expect(first).toBe(
      'writes are off, by setting writes and by the Lease: run writes nothing of this until they are on',
    );
  });

  it('has what is kept in either direction because removals are off, and counts it', () => {
    const text = plan({
      kept: [
        { direction: 'to-consul', kind: 'ServiceInstance', object: 'node/a', note: 'critical' },
        { direction: 'to-kubernetes', kind: 'Service', object: 'shop/b', note: 'kept' },
      ],
    });
    expect(text).toContain('  = kept    ServiceInstance  node/a  critical');
    expect(text).toContain('  = kept    Service          shop/b  kept');
    expect(text).toContain('0 rejected, 2 kept.');
  });

  it('has what is held beside the changes, and counts it', () => {
    const text = plan({
      changes: [{ direction: 'to-consul', action: 'remove', kind: 'ServiceInstance', object: 'node/longer', note: '' }],
      held: [{ direction: 'to-consul', kind: 'ServiceInstance', object: 'node/a', note: 'it stays' }],
    });
    expect(text.split('\n').slice(1, 3)).toEqual([
      '  - remove  ServiceInstance  node/longer',
      '  = held    ServiceInstance  node/a       it stays',
    ]);
    expect(text).toContain('Plan: 0 to create, 0 to update, 1 to remove, 0 rejected, 1 held.');
  });

  it('has what is retained beside the changes, in a column that is wide enough, and counts it', () => {
    const text = plan({
      changes: [{ direction: 'to-consul', action: 'update', kind: 'ServiceInstance', object: 'node/a', note: '' }],
      retained: [{ direction: 'to-consul', kind: 'ServiceInstance', object: 'node/a', note: 'much was lost at once' }],
    });
    expect(text.split('\n').slice(1, 3)).toEqual([
      '  ~ update    ServiceInstance  node/a',
      '  = retained  ServiceInstance  node/a  much was lost at once',
    ]);
    expect(text).toContain('Plan: 0 to create, 1 to update, 0 to remove, 0 rejected, 1 retained.');
  });

  it('shows control characters of others and does not obey them', () => {
    const rejections = [{ direction: 'to-consul' as const, object: 'Pod a\u001b[31m', reason: 'x\ny' }];
    expect(plan({ rejections })).toContain('  ! Pod a\\u001b[31m: x\\u000ay');
  });
});
