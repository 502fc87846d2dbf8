import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { collectNodeMetrics, createLoopDelay } from '../../../src/observability/node-metrics.ts';

async function valuesIn(registry: Registry): Promise<ReadonlyMap<string, number>> {
  const lines = [...(await registry.metrics()).matchAll(/^(\w+?)(?:_seconds)? (\S+)$/gm)];
  return new Map(lines.map(([, name = '', value]) => [name.replace('nodejs_eventloop_lag_', ''), Number(value)]));
}

describe('the delay of the event loop', () => {
  it('is, in percentiles and at most, what was noted since the last scrape', async () => {
    const registry = new Registry();
    const note = createLoopDelay(registry);
    for (let i = 0; i < 100; i++) note(i < 60 ? 0 : i < 95 ? 20 : 300);
    const values = await valuesIn(registry);
    const expected = { p50: 0, p90: 0.02, p99: 0.3, max: 0.3 };
    for (const [of, value] of Object.entries(expected)) expect(values.get(of)).toBeCloseTo(value, 3);
  });

  it('is 0 where nothing was noted since the last scrape', async () => {
    const registry = new Registry();
    createLoopDelay(registry)(300);
    await registry.metrics();
    expect(Object.fromEntries(await valuesIn(registry))).toEqual({ max: 0, p50: 0, p90: 0, p99: 0 });
  });
});

describe('metrics of Node.js', () => {
  it('are there with what the process uses, and without what needs 100 looks a second', async () => {
    const registry = new Registry();
    collectNodeMetrics(registry);
    const names = [...(await valuesIn(registry)).keys()];
    expect(names).toEqual(
      expect.arrayContaining(['max', 'p99', 'process_cpu_seconds_total', 'nodejs_heap_size_used_bytes']),
    );
    expect(names).not.toContain('mean');
  });
});
