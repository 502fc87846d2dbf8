import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { collectNodeMetrics } from '../../../src/observability/node-metrics.ts';

const valueOf = (text: string, name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('metrics of Node.js', () => {
  it('have the delay of the event loop since the last scrape, and what the process uses', async () => {
    const registry = new Registry();
    collectNodeMetrics(registry);
    // The first look at the event loop has none before it to be measured from.
    await pause(250);
    // The next look at the event loop is due at most 100 ms after it is held up, and comes when that ends.
    for (const end = performance.now() + 500; performance.now() < end;);
    await pause(150);
    const text = await registry.metrics();
    expect(valueOf(text, 'nodejs_eventloop_lag_max_seconds')).toBeGreaterThan(0.3);
    for (const percent of [50, 90, 99])
      expect(valueOf(text, `nodejs_eventloop_lag_p${percent}_seconds`)).toBeGreaterThanOrEqual(0);
    expect(valueOf(text, 'process_cpu_seconds_total')).toBeGreaterThan(0);
    expect(text).not.toContain('nodejs_eventloop_lag_mean_seconds');
    expect(valueOf(await registry.metrics(), 'nodejs_eventloop_lag_max_seconds')).toBe(0);
  });
});
