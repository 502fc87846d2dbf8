import type { Config } from '../../config/schema.ts';
import type { ConsulClient } from '../../consul/client.ts';
import type { NodeReader } from '../../consul/node-reader.ts';
import type { ServiceAccount } from '../../kubernetes/access.ts';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import type { LeaseName } from '../../kubernetes/lease.ts';
import type { ObjectApi } from '../../kubernetes/object-api.ts';
import type { Resources } from '../../kubernetes/resources.ts';
import type { Finding } from './finding.ts';
import type { Reads } from './reads.ts';

/** An installation, as its checks ask for it: both systems within reach. */
export interface Patient {
  readonly config: Config;
  readonly kubernetes: KubernetesClient;
  readonly api: ObjectApi;
  readonly resources: Resources;
  readonly consul: ConsulClient;
  readonly nodes: NodeReader;
  /** Of the leader election; undefined where there is none. */
  readonly lease: LeaseName | undefined;
  /** The daemon's, where it is not the one that asks. */
  readonly account: ServiceAccount;
  /** The configuration, as it was named on the command line. */
  readonly file: string;
  /** What several checks need, read once. */
  readonly reads: Reads;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export type SystemName = 'Kubernetes' | 'Consul';

/** One question, or several that belong together. */
export interface Check {
  /** Of its findings. */
  readonly id: string;
  /** Without these within reach there is nothing to ask. */
  readonly needs: readonly SystemName[];
  readonly run: (patient: Patient, signal: AbortSignal) => Promise<readonly Finding[]>;
}
