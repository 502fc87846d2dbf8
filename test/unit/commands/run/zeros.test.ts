import { expect, it } from '@jest/globals';
import { beginAtZero } from '../../../../src/commands/run/zeros.ts';
import { createMetrics } from '../../../../src/observability/metrics.ts';
import { seriesIn } from '../../../rig/series.ts';

it('counters are there at 0 before anything happens, of the directions that are switched on', async () => {
  const metrics = createMetrics();
  beginAtZero(metrics, ['to-consul'], ['Pod']);
  const series = seriesIn(await metrics.registry.metrics());
  expect([...new Set(series.values())]).toEqual([0]);
  const names = [...series.keys()];
  expect(names).toEqual(
    expect.arrayContaining([
      'consular_reconciles_total{direction="to-consul",outcome="failed"}',
      'consular_rejections_total{direction="to-consul",reason="InvalidPort"}',
      'consular_change_to_written_seconds_count{direction="to-consul"}',
      'consular_change_to_written_seconds_bucket{le="0.005",direction="to-consul"}',
      'consular_change_to_written_seconds_bucket{le="60",direction="to-consul"}',
      'consular_consul_transactions_total{outcome="conflict"}',
      'consular_kubernetes_writes_total{verb="patch",kind="Pod"}',
      'consular_api_requests_total{target="consul",code="409"}',
      'consular_api_requests_total{target="kubernetes",code="error"}',
      'consular_watch_failures_total{source="Pod"}',
      'consular_watch_failures_total{source="consul"}',
      'consular_time_went_back_total{source="consul",sign="early-answer"}',
      'consular_events_total{outcome="dropped"}',
    ]),
  );
  expect(names.filter((name) => name.includes('to-kubernetes'))).toEqual([]);
});
