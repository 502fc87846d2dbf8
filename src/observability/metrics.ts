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
      help: 'Time from a change being seen to its being written; deliberate waits are not in it.',
      labelNames: ['direction'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers,
    }),
    ...createStateGauges(registers, () => source),
    reconciles: new Counter({
      name: 'consular_reconciles_total',
      help: 'Keys reconciled.',
      labelNames: ['direction', 'outcome'],
      registers,
    }),
    rejections: new Counter({
      name: 'consular_rejections_total',
      help: 'User input that could not be honoured.',
      labelNames: ['direction', 'reason'],
      registers,
    }),
    imports: new Gauge({
      name: 'consular_imports',
      help: 'Services of others that take instances of a Consul service in.',
      registers,
    }),
    istioFallbacks: new Gauge({
      name: 'consular_istio_fallbacks',
      help: 'Consul services that should have WorkloadEntries and are mirrored without.',
      registers,
    }),
    closedNamespaces: new Gauge({
      name: 'consular_closed_namespaces',
      help: 'Namespaces that should get mirrored Services and cannot be written to.',
      registers,
    }),
    writesEnabled: new Gauge({
      name: 'consular_writes_enabled',
      help: '0 while writes are off and nothing is written in either system, else 1.',
      registers,
    }),
    leader: new Gauge({
      name: 'consular_leader',
      help: '1 while this process holds the Lease and has renewed it in time; without an election 0.',
      registers,
    }),
    fenced: new Gauge({
      name: 'consular_fenced',
      help: '1 while each transaction begins with the fence, 0 while it goes without, or writes nothing because another has it.',
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
      help: 'Time until Consul answered a transaction.',
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
      help: 'The limit of memory at which this process is killed: that of its container, else the memory of the machine.',
      registers,
    }),
    apiRequests: new Counter({
      name: 'consular_api_requests_total',
      help: 'Requests to Consul and to the API server, by the HTTP status of the answer, or error where none came.',
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
      help: 'Watches and blocking queries that failed.',
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
      help: 'Until then nothing that is missing from Consul is believed to be gone; 0 when there never was a reason.',
      registers,
    }),
    undecodable: new Counter({
      name: 'consular_undecodable_total',
      help: 'Objects that could not be read.',
      labelNames: ['kind'],
      registers,
    }),
    backgroundFailures: new Counter({
      name: 'consular_background_failures_total',
      help: 'Work that nobody waits for and that failed by a mistake in Consular.',
      registers,
    }),
    events: new Counter({
      name: 'consular_events_total',
      help: 'Kubernetes Events, by what became of them.',
      labelNames: ['outcome'],
      registers,
    }),
    buildInfo: new Gauge({
      name: 'consular_build_info',
      help: '1, with what runs.',
      labelNames: ['version', 'node_version', 'cluster'],
      registers,
    }),
  };
}
