import { SIGNS } from '../../consul/distrust.ts';
import type { Direction, Metrics } from '../../observability/metrics.ts';
import { REASONS as REJECTIONS } from '../../to-consul/registration/rejection.ts';
import { REASONS as PROBLEMS } from '../../to-kubernetes/problem.ts';

const REASONS = { 'to-consul': REJECTIONS, 'to-kubernetes': PROBLEMS } as const;
/** What each direction writes. */
const WRITES = {
  'to-consul': [['patch', 'Pod']],
  'to-kubernetes': ['Service', 'EndpointSlice', 'Endpoints', 'WorkloadEntry'].flatMap((kind) =>
    ['create', 'patch', 'delete'].map((verb) => [verb, kind] as const),
  ),
} as const;
/** Answers that either system gives in a life without surprises, and those that alerts are about. */
const CODES = {
  consul: [200, 403, 404, 409, 429, 500, 503, 'error'],
  kubernetes: [200, 201, 401, 403, 404, 409, 410, 422, 429, 500, 503, 'error'],
} as const;

/**
 * Counters and histograms whose labels are known beforehand are there from the start, at 0: what appears with its first event
 * is no increase for Prometheus.
 * @param directions that are switched on
 * @param kinds of Kubernetes, all that are ever followed
 */
export function beginAtZero(metrics: Metrics, directions: readonly Direction[], kinds: readonly string[]): void {
  for (const direction of directions) {
    metrics.changeToWritten.zero({ direction });
    for (const outcome of ['done', 'race', 'failed', 'off']) metrics.reconciles.inc({ direction, outcome }, 0);
    for (const reason of REASONS[direction]) metrics.rejections.inc({ direction, reason }, 0);
    for (const [verb, kind] of WRITES[direction]) metrics.kubernetesWrites.inc({ verb, kind }, 0);
  }
  for (const outcome of ['committed', 'conflict', 'failed']) metrics.consulTransactions.inc({ outcome }, 0);
  for (const outcome of ['written', 'failed', 'dropped']) metrics.events.inc({ outcome }, 0);
  for (const target of ['consul', 'kubernetes'] as const)
    for (const code of CODES[target]) metrics.apiRequests.inc({ target, code }, 0);
  for (const kind of kinds) {
    metrics.relists.inc({ kind }, 0);
    metrics.undecodable.inc({ kind }, 0);
    metrics.watchFailures.inc({ source: kind }, 0);
  }
  metrics.watchFailures.inc({ source: 'consul' }, 0);
  for (const sign of SIGNS) metrics.timeWentBack.inc({ source: 'consul', sign }, 0);
  for (const sign of ['lower-revision', 'lower-lease-transitions'])
    metrics.timeWentBack.inc({ source: 'kubernetes', sign }, 0);
}
