import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { dashboardJson } from '../../../deploy/monitoring/dashboard.ts';
import { PANELS } from '../../../deploy/monitoring/panels.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';

/** What deploy/monitoring ships, as far as files say it; test/slow/monitoring.test.ts asks Prometheus. */

const ROOT = join(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook_url: string };
}
interface Cases {
  readonly tests: readonly {
    readonly name: string;
    readonly promql_expr_test?: readonly { readonly expr: string; readonly exp_samples: readonly unknown[] }[];
  }[];
}

const { groups } = parse(read('deploy/monitoring/alerts.yaml')) as { groups: { rules: Alert[] }[] };
const alerts = groups.flatMap(({ rules }) => rules);
const names = alerts.map(({ alert }) => alert);
const { tests } = parse(read('deploy/monitoring/alerts.test.yaml')) as Cases;

describe('the alerts', () => {
  it.each(alerts.map((rule) => [rule.alert, rule] as const))(
    '%s says how bad it is, what is wrong, and what to look at first',
    (_, { alert, labels, annotations }) => {
      expect(labels.severity).toMatch(/^(critical|warning|info)$/);
      expect(annotations.summary).toMatch(/\.$/);
      expect(annotations.description).toContain('Look first at ');
      expect(annotations.runbook_url).toBe(`docs/alerts.md#${alert.toLowerCase()}`);
    },
  );

  it('have a section each in the page of alerts, and that page has no other', () => {
    const sections = [...read('docs/alerts.md').matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
    expect(sections).toEqual(names);
  });

  it('stand in the manual with their severity', () => {
    const rows = read('docs/monitoring.md').matchAll(/^\| \[(Consular\w+)\]\([^)]*\) \| (\w+) \|/gm);
    expect([...rows].map(([, name, severity]) => [name, severity])).toEqual(
      alerts.map(({ alert, labels }) => [alert, labels.severity]),
    );
  });

  it.each(names)('%s has a case for promtool in which it fires, and one in which it does not', (name) => {
    const cases = tests.filter((test) => test.name === name).flatMap(({ promql_expr_test = [] }) => promql_expr_test);
    expect(new Set(cases.map(({ expr }) => expr))).toEqual(
      new Set([`ALERTS{alertname="${name}", alertstate="firing"}`]),
    );
    expect(new Set(cases.map(({ exp_samples }) => exp_samples.length))).toEqual(new Set([0, 1]));
  });
});

describe('the dashboard', () => {
  it('is what the builder makes; npm run dashboard writes it', () => {
    expect(read('deploy/monitoring/dashboard.json')).toBe(dashboardJson());
  });

  it('begins with how long a change takes to be written, in each direction', () => {
    const { panels } = JSON.parse(dashboardJson()) as {
      panels: { title: string; gridPos: { x: number; y: number }; targets: { legendFormat: string }[] }[];
    };
    const [first] = panels;
    expect(first).toMatchObject({ title: 'From a change seen to written', gridPos: { x: 0, y: 0 } });
    expect(first?.targets.map(({ legendFormat }) => legendFormat)).toEqual(['{{direction}} p50', '{{direction}} p99']);
    expect(panels).toHaveLength(PANELS.length);
  });
});

it('alerts and dashboard name only metrics that there are', async () => {
  const metrics = (await createMetrics().registry.getMetricsAsJSON()).map(({ name }) => name);
  const expressions = [
    ...alerts.map(({ expr }) => expr),
    ...PANELS.flatMap(({ queries }) => queries.map((q) => q.expr)),
  ];
  const named = expressions.flatMap((expr) => [...expr.matchAll(/\bconsular_\w+/g)].map(([name]) => name));
  expect(new Set(named).size).toBeGreaterThan(20);
  expect(named.filter((name) => !metrics.includes(name.replace(/_bucket$/, '')))).toEqual([]);
});
