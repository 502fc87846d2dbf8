import type { Config } from '../config/schema.ts';
import type { ConsulClient } from '../consul/client.ts';
import { createConsulClient } from '../consul/create-client.ts';
import { createNodeReader, type NodeReader } from '../consul/node-reader.ts';
import type { SweepPace } from '../consul/sweep.ts';
import { createKubernetesClient, type KubernetesClient } from '../kubernetes/client.ts';
import { ClusterCheck } from '../kubernetes/cluster-check.ts';
import { connectKubernetes } from '../kubernetes/connection.ts';
import type { Keep } from '../kubernetes/kinds/metadata.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import { createObjectApi, type ObjectApi } from '../kubernetes/object-api.ts';
import type { WorkloadEntry } from '../kubernetes/objects.ts';
import type { KindPace } from '../kubernetes/optional-kind.ts';
import type { NamespacePace } from '../kubernetes/writable-namespace.ts';
import { createResources, workloadEntryKind, type CustomKind, type Resources } from '../kubernetes/resources.ts';
import type { ElectionTimes } from '../leadership/election-rules.ts';
import { KNOWN_ANNOTATIONS } from '../mark.ts';
import type { Log } from '../observability/log.ts';
import type { ApiTarget, Metrics } from '../observability/metrics.ts';
import { RetryBrake } from '../retry-brake.ts';
import type { EntryPace } from '../to-consul/identity/summary-pace.ts';
import type { LookPace } from '../to-consul/observed/looks.ts';
import { isOurAnnotation } from '../to-consul/requests/annotations.ts';
import { isRegistratorVariable } from '../to-consul/requests/registrator.ts';
import type { HostLimits } from '../to-kubernetes/addresses/host-cache.ts';
import type { Progress } from './progress.ts';

/** Waits of the daemon's own choosing. A test gives short ones; without a value the module that waits takes its own. */
export interface Timings {
  /** How long nothing is believed to be gone after time went back in Consul. */
  readonly distrustMs?: number | undefined;
  /** How long a Consul node of ours must have been empty to be removed. */
  readonly emptyNodeMs?: number | undefined;
  /** How long after a first direct read that found no pod a second one decides about the last instance of a service. */
  readonly secondProofMs?: number | undefined;
  /** How long after an answer of Consul in which much is missing a second one decides. */
  readonly secondAnswerMs?: number | undefined;
  /** How long the slices of a Service may lack one of its ports before its owner is told. */
  readonly slicesFollowMs?: number | undefined;
  /** Of looks at what is ours in Consul. */
  readonly lookPace?: LookPace | undefined;
  /** Of Consular's own entry. */
  readonly entryPace?: EntryPace | undefined;
  /** Of reading the services without a long poll. */
  readonly sweepPace?: SweepPace | undefined;
  /** Of looking for WorkloadEntries. */
  readonly kindPace?: KindPace | undefined;
  /** Of looking at the mirror namespaces. */
  readonly namespacePace?: NamespacePace | undefined;
  readonly hostLimits?: HostLimits | undefined;
  /** How often it is looked whether what is retained has to be told. */
  readonly retainedLookMs?: number | undefined;
  /** How long a write may be applied after nobody knows what became of it, without a fence. */
  readonly latestWriteMs?: number | undefined;
  /** Of the election. */
  readonly election?: ElectionTimes | undefined;
  /** Of looking at the TLS files for Consul. */
  readonly tlsLookMs?: number | undefined;
}

/** What every command is given. */
export interface Context {
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Ends every watch. */
  readonly signal: AbortSignal;
  readonly version: string;
  readonly timings?: Timings;
  /** True for a command that needs no right to write. @default false */
  readonly isReadOnly?: boolean;
  /** Where a command that reads once says what it waits for. @default nowhere */
  readonly progress?: Progress;
}

/** Both systems within reach; nothing is read yet. */
export interface Clients {
  readonly kubernetes: KubernetesClient;
  readonly consul: ConsulClient;
  readonly nodes: NodeReader;
  readonly api: ObjectApi;
  readonly resources: Resources;
  readonly workloadEntries: CustomKind<WorkloadEntry>;
  /** Whether the API server still answers for the cluster of the start. */
  readonly cluster: ClusterCheck;
  /** Holds back what is asked of either again after a failure. */
  readonly brake: RetryBrake;
  /** When certificates of TLS files end that are in use, by what they are for. */
  certificateEnds(): ReadonlyMap<string, Date>;
  close(): Promise<void>;
}

/** @throws Error when the kubeconfig is missing or wrong, a TLS file of Consul's cannot be read, or a proxy of the environment cannot be used. */
export function createClients({ config, log, metrics, version, timings }: Context): Clients {
  const userAgent = `consular/${version} (cluster ${config.cluster})`;
  const onAnsweredBy = (target: ApiTarget) => (code: number | 'error') => metrics.apiRequests.inc({ target, code });
  const connection = connectKubernetes(config.kubernetes);
  const kubernetes = createKubernetesClient(connection, userAgent, onAnsweredBy('kubernetes'));
  const consul = createConsulClient(config.consul, userAgent, log, {
    tlsLookMs: timings?.tlsLookMs,
    onAnswered: onAnsweredBy('consul'),
  });
  const keep: Keep = {
    annotation: (key) => isOurAnnotation(key, config.annotationPrefix) || KNOWN_ANNOTATIONS.has(key),
    variable: (name) => config.toConsul.registrator && isRegistratorVariable(name),
  };
  const api = createObjectApi(kubernetes, metrics);
  const resources = createResources(keep);
  return {
    ...{ kubernetes, consul, api, resources },
    nodes: createNodeReader(consul),
    cluster: new ClusterCheck(() => readClusterUid(api, resources, config), config.kubernetes.identityNamespace),
    workloadEntries: workloadEntryKind(keep),
    brake: new RetryBrake(),
    certificateEnds: () => new Map([...consul.certificateEnds, ...connection.certificateEnds]),
    close: async () => {
      await consul.close();
      await kubernetes.close();
    },
  };
}

/**
 * The identity of a Kubernetes cluster, for want of a better one: KEP-2149. A tenant who may not read kube-system has another
 * namespace for it, which the settings name: it must not depend on the rights of the day.
 */
async function readClusterUid(api: ObjectApi, resources: Resources, { kubernetes }: Config): Promise<string> {
  const { identityNamespace } = kubernetes;
  const namespace = await api.get(resources.namespaces, '', identityNamespace).catch((error: unknown) => {
    const hint = 'identity of this cluster: kubernetes.identityNamespace can name a namespace that may be read';
    throw hasStatus(error, 403) ? new Error(hint, { cause: error }) : error;
  });
  if (namespace) return namespace.uid;
  throw new Error(`get Namespace ${identityNamespace}: expected it, as the identity of the cluster, found none`);
}
