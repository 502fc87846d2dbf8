import { describe, expect, it } from '@jest/globals';
import { formatExplanation } from '../../../../src/commands/explain/format.ts';
import type { ExplainedChange, ExplainedInstance, Explanation } from '../../../../src/commands/explain/explanation.ts';

function explanation(overrides: Partial<Explanation> = {}): Explanation {
  return {
    kind: 'pod',
    name: 'shop/orders-1',
    cluster: 'prod',
    exists: true,
    found: [],
    settings: [],
    decision: { rule: 'the pod is Ready', notes: [] },
    desired: [],
    observed: [],
    pods: [],
    imported: [],
    changes: [],
    rejections: [],
    warnings: [],
    ...overrides,
  };
}

const instance: ExplainedInstance = {
  node: 'k8s-prod--worker-1',
  id: 'prod.shop.orders-1:orders:8080',
  service: 'orders',
  address: '10.1.0.7',
  port: 8080,
  status: 'passing',
  tags: ['blue'],
  origin: 'ours, for Pod shop/orders-1',
};

function change(action: ExplainedChange['action'], overrides: Partial<ExplainedChange> = {}): ExplainedChange {
  return { action, kind: 'ServiceInstance', object: 'n/i', note: '', differences: [], ...overrides };
}

describe('an explanation as text', () => {
  it('has its sections in one order', () => {
    const text = formatExplanation(
      explanation({
        found: [
          { what: 'phase', value: 'Running' },
          { what: 'node', value: 'worker-1' },
        ],
        settings: [
          { source: 'Pod shop/orders-1', key: 'consular.dev/service-name', value: 'orders', note: '' },
          { source: 'Service shop/orders', key: 'consul.hashicorp.com/service-tags', value: 'a', note: 'ours wins' },
        ],
        decision: { rule: 'the pod is Ready', notes: ['Service shop/orders asks for its pods'] },
        desired: [instance],
        observed: [{ ...instance, status: 'critical', tags: [] }],
        changes: [
          change('update', { differences: [{ field: 'check.status', desired: 'passing', observed: 'critical' }] }),
        ],
        rejections: [{ object: 'Pod shop/orders-1', reason: 'InvalidPort', message: 'no such port' }],
        warnings: ['"SERVICE_ID" has no effect'],
      }),
    );
    expect(text.split('\n')).toEqual([
      'Pod shop/orders-1, as cluster prod sees it',
      '',
      'Found',
      '  phase  Running',
      '  node   worker-1',
      '',
      'Settings',
      '  Pod shop/orders-1: consular.dev/service-name = "orders"',
      '  Service shop/orders: consul.hashicorp.com/service-tags = "a" (ours wins)',
      '',
      'Decision',
      '  the pod is Ready',
      '  Service shop/orders asks for its pods',
      '  wanted: k8s-prod--worker-1/prod.shop.orders-1:orders:8080  orders 10.1.0.7:8080 passing ["blue"]',
      '',
      'In Consul',
      '  k8s-prod--worker-1/prod.shop.orders-1:orders:8080  orders 10.1.0.7:8080 critical  ours, for Pod shop/orders-1',
      '',
      'Would do',
      '  ~ update ServiceInstance n/i',
      '      check.status: critical -> passing',
      '',
      'Rejected',
      '  ! Pod shop/orders-1: InvalidPort: no such port',
      '',
      'Warnings',
      '  "SERVICE_ID" has no effect',
    ]);
  });

  it('says where there is nothing, and leaves out what is about problems', () => {
    expect(formatExplanation(explanation()).split('\n')).toEqual([
      'Pod shop/orders-1, as cluster prod sees it',
      '',
      'Settings',
      '  none',
      '',
      'Decision',
      '  the pod is Ready',
      '',
      'In Consul',
      "  nothing of Consular's",
      '',
      'Would do',
      '  nothing',
    ]);
  });

  it.each([
    ['create', '+ create ServiceInstance n/i  why'],
    ['update', '~ update ServiceInstance n/i  why'],
    ['remove', '- remove ServiceInstance n/i  why'],
    ['unproven', '? unproven ServiceInstance n/i  why'],
    ['held', '= held ServiceInstance n/i  why'],
  ] as const)('marks %s', (action, line) => {
    expect(formatExplanation(explanation({ changes: [change(action, { note: 'why' })] }))).toContain(`  ${line}`);
  });

  it('has no settings for a Consul service, and a line for each pod', () => {
    const pods = [{ pod: 'shop/orders-1', says: '0 in Consul: the pod is Ready; Duplicate: somebody is there' }];
    const text = formatExplanation(explanation({ kind: 'consul-service', name: 'orders', pods }));
    expect(text).toContain('Consul service orders, as');
    expect(text).toContain('Pods\n  shop/orders-1  0 in Consul: the pod is Ready; Duplicate: somebody is there');
    expect(text).not.toContain('Settings');
  });

  it('shows control characters and does not obey them', () => {
    const evil = 'a\u001b[31m\n\u202eb';
    const text = formatExplanation(
      explanation({
        found: [{ what: 'phase', value: evil }],
        settings: [{ source: evil, key: evil, value: evil, note: evil }],
        observed: [{ ...instance, id: evil, tags: [evil] }],
        rejections: [{ object: evil, reason: 'x', message: evil }],
      }),
    );
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect(text).toContain('  phase  a\\u001b[31m\\u000a\\u202eb');
  });
});
