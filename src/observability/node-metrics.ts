import { createHistogram } from 'node:perf_hooks';
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';

/**
 * How often the event loop is looked at. prom-client's own look, each 10 ms, is half of all that an idle Consular does; 300 looks
 * between two scrapes are enough for a 99th percentile.
 */
const LOOK_MS = 100;
/** As rarely as a timer can. */
const NEVER_MS = 2 ** 31 - 1;
/** What prom-client makes of its own looks. */
const OF_ITS_LOOKS = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'];

/** Metrics of Node.js and of the process, under prom-client's names, and the delay of the event loop. */
export function collectNodeMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS });
  for (const of of OF_ITS_LOOKS) registry.removeSingleMetric(nameOf(of));
  const note = createLoopDelay(registry);
  let due = performance.now() + LOOK_MS;
  const look = () => {
    const now = performance.now();
    note(now - due);
    due = now + LOOK_MS;
  };
  setInterval(look, LOOK_MS).unref();
}

/** Gauges of delays, each since the last scrape, whoever scraped. @returns notes a delay, in milliseconds */
export function createLoopDelay(registry: Registry): (delayMs: number) => void {
  const histogram = createHistogram();
  const gaugeOf = (percent: number) =>
    new Gauge({
      name: nameOf(`p${percent}`),
      help: `The delay of the event loop since the last scrape, ${percent}th percentile.`,
      registers: [],
    });
  const gauges = new Map([50, 90, 99].map((percent) => [percent, gaugeOf(percent)]));
  const seconds = (microseconds: number) => (histogram.count === 0 ? 0 : microseconds / 1e6);
  const max: Gauge = new Gauge({
    name: nameOf('max'),
    help: 'The longest delay of the event loop that was seen since the last scrape.',
    registers: [registry],
    // A metric is collected before those that were registered after it.
    collect: () => {
      max.set(seconds(histogram.max));
      for (const [percent, gauge] of gauges) gauge.set(seconds(histogram.percentile(percent)));
      histogram.reset();
    },
  });
  for (const gauge of gauges.values()) registry.registerMetric(gauge);
  // A histogram takes no zero.
  return (delayMs) => histogram.record(Math.max(1, Math.round(1000 * delayMs)));
}

function nameOf(of: string): string {
  return `nodejs_eventloop_lag_${of}_seconds`;
}
