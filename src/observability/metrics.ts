import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { createStateGauges, type StateGauges, type StateSource } from './state-gauges.ts';

export type { Direction } from './state-gauges.ts';

/** What requests are sent to. */
export type ApiTarget = 'consul' | 'kubernetes';

/** Every metric, in one place. Label sets are closed: nothing that a user or a remote system writes becomes a label. */
export interface Metrics extends StateGauges {
  readonly registry: Registry;
  /** From now on the gauges of what is so now ask that source. */
  follow(source: StateSource): void;
  readonly buildInfo: Gauge<'version' | 'node_version' | 'cluster'>;
  readonly changeToWritten: Histogram<'direction'>;
  readonly reconciles: Counter<'direction' | 'outcome'>;
  readonly rejections: Counter<'direction' | 'reason'>;
  readonly imports: Gauge;
  readonly istioFallbacks: Gauge;
  readonly closedNamespaces: Gauge;
  readonly writesEnabled: Gauge;
  readonly leader: Gauge;
  readonly fenced: Gauge;
  readonly consulTransactions: Counter<'outcome'>;
  readonly consulOperations: Counter;
  readonly consulTransactionSeconds: Histogram;
  readonly kubernetesWrites: Counter<'verb' | 'kind'>;
  readonly memoryLimit: Gauge;
  readonly apiRequests: Counter<'target' | 'code'>;
  readonly relists: Counter<'kind'>;
  readonly watchFailures: Counter<'source'>;
  readonly timeWentBack: Counter<'source' | 'sign'>;
  readonly distrustEnds: Gauge;
  readonly undecodable: Counter<'kind'>;
  readonly events: Counter<'outcome'>;
  readonly backgroundFailures: Counter;
}

export function createMetrics(): Metrics {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  let source: StateSource | undefined;
  return {
    registry,
    follow: (followed) => (source = followed),
    changeToWritten: new Histogram({
      name: 'consular_change_to_written_seconds',
      help: 'Time from when a change was first seen to when it was written. Deliberate waits do not count.',
      labelNames: ['direction'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers,
    }),
    ...createStateGauges(registers, () => source),
    reconciles: new Counter({
      name: 'consular_reconciles_total',
      help: 'Pods and services that were reconciled, by outcome.',
      labelNames: ['direction', 'outcome'],
      registers,
    }),
    rejections: new Counter({
      name: 'consular_rejections_total',
      help: 'Objects for which Consular could not do what was asked, counted once for each new reason.',
      labelNames: ['direction', 'reason'],
      registers,
    }),
    imports: new Gauge({
      name: 'consular_imports',
      help: 'Services of users that take in instances of a Consul service.',
      registers,
    }),
    istioFallbacks: new Gauge({
      name: 'consular_istio_fallbacks',
      help: 'Consul services that should have WorkloadEntries and are mirrored without.',
      registers,
    }),
    closedNamespaces: new Gauge({
      name: 'consular_closed_namespaces',
      help: 'Namespaces that should get mirrored Services and cannot be written.',
      registers,
    }),
    writesEnabled: new Gauge({
      name: 'consular_writes_enabled',
      help: '1 while writes are on; 0 while they are off and nothing is written in either system.',
      registers,
    }),
    leader: new Gauge({
      name: 'consular_leader',
      help: '1 while this process holds the Lease and has renewed it in time; 0 on a standby and without an election.',
      registers,
    }),
    fenced: new Gauge({
      name: 'consular_fenced',
      help: '1 while each transaction begins with the fence; 0 without a fence, on a standby, and when another process holds it.',
      registers,
    }),
    consulTransactions: new Counter({
      name: 'consular_consul_transactions_total',
      help: 'Transactions sent to Consul.',
      labelNames: ['outcome'],
      registers,
    }),
    consulOperations: new Counter({
      name: 'consular_consul_operations_total',
      help: 'Operations in committed transactions.',
      registers,
    }),
    consulTransactionSeconds: new Histogram({
      name: 'consular_consul_transaction_seconds',
      help: 'Time that Consul took to answer a transaction.',
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    }),
    kubernetesWrites: new Counter({
      name: 'consular_kubernetes_writes_total',
      help: 'Objects written to Kubernetes.',
      labelNames: ['verb', 'kind'],
      registers,
    }),
    memoryLimit: new Gauge({
      name: 'consular_memory_limit_bytes',
      help: 'Memory at which this process is killed: the limit of its container, else the memory of the machine.',
      registers,
    }),
    apiRequests: new Counter({
      name: 'consular_api_requests_total',
      help: 'Requests to Consul and to the API server, by HTTP status; error when no answer came.',
      labelNames: ['target', 'code'],
      registers,
    }),
    relists: new Counter({
      name: 'consular_relists_total',
      help: 'Complete lists read from Kubernetes.',
      labelNames: ['kind'],
      registers,
    }),
    watchFailures: new Counter({
      name: 'consular_watch_failures_total',
      help: 'Watches of Kubernetes and blocking queries of Consul that failed.',
      labelNames: ['source'],
      registers,
    }),
    timeWentBack: new Counter({
      name: 'consular_time_went_back_total',
      help: 'Signs that a system lost data or was put back to an older state.',
      labelNames: ['source', 'sign'],
      registers,
    }),
    distrustEnds: new Gauge({
      name: 'consular_consul_distrust_ends_timestamp_seconds',
      help: 'Until then nothing counts as gone only because it is missing from Consul; 0 when that never happened.',
      registers,
    }),
    undecodable: new Counter({
      name: 'consular_undecodable_total',
      help: 'Objects of Kubernetes that could not be understood.',
      labelNames: ['kind'],
      registers,
    }),
    backgroundFailures: new Counter({
      name: 'consular_background_failures_total',
      help: 'Background work that failed because of an error in Consular.',
      registers,
    }),
    events: new Counter({
      name: 'consular_events_total',
      help: 'Kubernetes Events, by outcome.',
      labelNames: ['outcome'],
      registers,
    }),
    buildInfo: new Gauge({
      name: 'consular_build_info',
      help: 'Always 1; the labels say what runs.',
      labelNames: ['version', 'node_version', 'cluster'],
      registers,
    }),
  };
}
