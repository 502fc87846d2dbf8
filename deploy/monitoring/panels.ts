/** What the dashboard shows, in its order. Every expression is run against a real Prometheus by a test. */
export interface PanelOfDashboard {
  readonly title: string;
  /** For whoever looks at it and does not know Consular. */
  readonly description: string;
  /** Of Grafana; `none` are plain numbers. */
  readonly unit: 's' | 'bytes' | 'none' | 'reqps' | 'ops';
  /** Of the 24 columns. */
  readonly width: 4 | 8 | 12 | 16;
  /** A number of now, red at 0 and else green, in place of lines. */
  readonly isState?: true;
  readonly queries: readonly Query[];
}

interface Query {
  /** PromQL; `$job` stands for what is chosen at the top, and `$__rate_interval` for what Grafana makes of the scrape interval. */
  readonly expr: string;
  /** In Grafana's words. */
  readonly legend: string;
}

const OF = 'job=~"$job"';
const RATE = '[$__rate_interval]';

const quantile = (q: number, histogram: string, by: string) =>
  `histogram_quantile(${q}, sum by (${by}) (rate(${histogram}_bucket{${OF}}${RATE})))`;
const written = (q: number) => quantile(q, 'consular_change_to_written_seconds', 'direction, le');
const rate = (by: string, counter: string) => `sum by (${by}) (rate(${counter}{${OF}}${RATE}))`;
const most = (by: string, gauge: string) => `max by (${by}) (${gauge}{${OF}})`;
/** Metrics that other programs have too, of Consular only. */
const ownOf = (metric: string) => `${metric}{${OF}} and on (job, instance) consular_build_info{${OF}}`;

export const PANELS: readonly PanelOfDashboard[] = [
  {
    title: 'From a change seen to written',
    description:
      'The promise: how long it takes from a change that is seen in one system until it is written in the other. Less than a second is usual.',
    ...{ unit: 's', width: 16 },
    queries: [
      { expr: written(0.5), legend: '{{direction}} p50' },
      { expr: written(0.99), legend: '{{direction}} p99' },
    ],
  },
  {
    title: 'Ready',
    description:
      'Each pod, while all its sources of readiness are well. /readyz of a pod that is not says why, as the alert does.',
    ...{ unit: 'none', width: 4, isState: true },
    queries: [{ expr: `min by (instance) (consular_ready{${OF}})`, legend: '{{instance}}' }],
  },
  {
    title: 'Leaders',
    description: 'One pod holds the Lease and writes. Without an election this is 0 and means nothing.',
    ...{ unit: 'none', width: 4, isState: true },
    queries: [{ expr: `sum by (job) (consular_leader{${OF}})`, legend: '{{job}}' }],
  },
  {
    title: 'What needs somebody',
    description:
      'Rejected: what was asked cannot be done. Held: instances that stay unchanged although they should change. Failing: tried again. Retained: much was lost at once.',
    ...{ unit: 'none', width: 12 },
    queries: ['rejected', 'held', 'failing', 'retained'].map((what) => ({
      expr: most('direction', `consular_${what}`),
      legend: `${what} {{direction}}`,
    })),
  },
  {
    title: 'Owned',
    description: 'Instances that Consular registered in Consul, and Consul services that it mirrors into Kubernetes.',
    ...{ unit: 'none', width: 12 },
    queries: [{ expr: most('direction', 'consular_owned'), legend: '{{direction}}' }],
  },
  {
    title: 'Queue',
    description: 'Keys that wait to be looked at: pods, or Consul services.',
    ...{ unit: 'none', width: 8 },
    queries: [{ expr: most('direction', 'consular_queue_depth'), legend: '{{direction}}' }],
  },
  {
    title: 'Waits longest',
    description: 'The age of the key that has waited longest for being written, those that fail among them.',
    ...{ unit: 's', width: 8 },
    queries: [{ expr: most('direction', 'consular_oldest_waiting_seconds'), legend: '{{direction}}' }],
  },
  {
    title: 'Keys looked at',
    description:
      'done: it is as it should be now. race: somebody else was faster, looked at again. failed: tried again.',
    ...{ unit: 'ops', width: 8 },
    queries: [{ expr: rate('direction, outcome', 'consular_reconciles_total'), legend: '{{direction}} {{outcome}}' }],
  },
  {
    title: 'Transactions of Consul',
    description: 'Conflicts are usual now and then: an entry changed meanwhile, and is looked at again.',
    ...{ unit: 'ops', width: 8 },
    queries: [{ expr: rate('outcome', 'consular_consul_transactions_total'), legend: '{{outcome}}' }],
  },
  {
    title: 'Consul answers a transaction after',
    description: 'What Consul and the network take of the time in the first panel.',
    ...{ unit: 's', width: 8 },
    queries: [
      { expr: quantile(0.5, 'consular_consul_transaction_seconds', 'le'), legend: 'p50' },
      { expr: quantile(0.99, 'consular_consul_transaction_seconds', 'le'), legend: 'p99' },
    ],
  },
  {
    title: 'Objects written to Kubernetes',
    description: 'Services, slices, Endpoints and WorkloadEntries of what is mirrored.',
    ...{ unit: 'ops', width: 8 },
    queries: [{ expr: rate('verb, kind', 'consular_kubernetes_writes_total'), legend: '{{verb}} {{kind}}' }],
  },
  {
    title: 'Requests',
    description: 'By the status of the answer; error where none came.',
    ...{ unit: 'reqps', width: 12 },
    queries: [{ expr: rate('target, code', 'consular_api_requests_total'), legend: '{{target}} {{code}}' }],
  },
  {
    title: 'Watches and blocking queries that failed',
    description: 'What changes there is noticed late meanwhile.',
    ...{ unit: 'ops', width: 12 },
    queries: [{ expr: rate('source', 'consular_watch_failures_total'), legend: '{{source}}' }],
  },
  {
    title: 'Memory',
    description: 'Of each pod, with the limit at which it is killed.',
    ...{ unit: 'bytes', width: 8 },
    queries: [
      { expr: ownOf('process_resident_memory_bytes'), legend: '{{instance}}' },
      { expr: ownOf('nodejs_heap_size_used_bytes'), legend: '{{instance}} heap' },
      { expr: `min(consular_memory_limit_bytes{${OF}})`, legend: 'limit' },
    ],
  },
  {
    title: 'Processor',
    description: 'Cores that each pod uses.',
    ...{ unit: 'none', width: 8 },
    queries: [
      {
        expr: `rate(process_cpu_seconds_total{${OF}}${RATE}) and on (job, instance) consular_build_info{${OF}}`,
        legend: '{{instance}}',
      },
    ],
  },
  {
    title: 'Event loop',
    description: 'How late a timer of the process is, at the 99th percentile; 0 while nothing is delayed.',
    ...{ unit: 's', width: 8 },
    queries: [{ expr: ownOf('nodejs_eventloop_lag_p99_seconds'), legend: '{{instance}}' }],
  },
];
