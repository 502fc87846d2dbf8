import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import type { Counter, Gauge } from 'prom-client';
import { LiveConfig } from '../../src/config/live.ts';
import { parseConfig } from '../../src/config/load.ts';
import { startDaemon, type RunningDaemon } from '../../src/commands/run/run.ts';
import { createLog } from '../../src/observability/log.ts';
import { createMetrics, type Metrics } from '../../src/observability/metrics.ts';
import type { EntryPace } from '../../src/to-consul/identity/summary-pace.ts';
import type { Timings } from '../../src/world/context.ts';
import { startConsul, type ConsulOptions, type ConsulServer } from '../control-plane/index.ts';
import { ConsulApi } from './consul.ts';
import { KubernetesApi } from './kubernetes.ts';
import { seriesIn } from './series.ts';
import { sharedPlane, type Plane } from './shared-plane.ts';
import { until } from './until.ts';

export { nextPodIP, podIPsOfTheirOwn, type Manifest, type PodOptions } from './kubernetes.ts';
export { createDeployment } from './deployment.ts';
export { until, untilEqual } from './until.ts';
export type { CatalogEntry, InstanceRow } from './consul.ts';

export interface LogRecord {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

export interface Daemon extends RunningDaemon {
  readonly metrics: Metrics;
  readonly records: readonly LogRecord[];
}

/**
 * Distances that the daemon keeps for the sake of large clusters, short: nobody waits for them in a test. What a test counts
 * must not depend on them; Consular's own entry, which would move Consul's index now and then, keeps its pace.
 */
const QUICK: Timings = {
  lookPace: { firstMs: 50, gapMs: 500, gapInLooks: 1, longestGapMs: 2000, ownGapMsPerNode: 0, longestOwnGapMs: 0 },
  sweepPace: { firstMs: 50, gapMs: 250, longestGapMs: 1000 },
  kindPace: { lookAgainMs: 300, pauseMs: 50, missingMs: 300, grantedMs: 2000 },
  secondProofMs: 300,
  secondAnswerMs: 300,
  slicesFollowMs: 1500,
  namespacePace: { lookAgainMs: 200, openMs: 5000, grantedMs: 200 },
  hostLimits: { shortestMs: 200, longestRetryMs: 1000 },
  tlsLookMs: 100,
  retainedLookMs: 100,
};

/** For tests of Consular's own entry. */
export const QUICK_ENTRY: EntryPace = { gapMs: 300, steadyMs: 100, longestMs: 1000, tickMs: 50 };

/** Settings for one daemon: YAML of the configuration below the rig's own, and another kubeconfig or token when wanted. */
export interface DaemonOptions {
  readonly cluster?: string;
  /** @default all other clusters that had a daemon of this rig */
  readonly besides?: readonly string[];
  readonly annotationPrefix?: string;
  /** Beside the kubeconfig. */
  readonly kubernetes?: object;
  /** Beside the address. */
  readonly consul?: object;
  readonly toConsul?: object;
  readonly toKubernetes?: object;
  /** @default none: a test runs in no pod */
  readonly leaderElection?: object;
  readonly controlFile?: string;
  /** Of the switch of all writes, as in a configuration file. */
  readonly writes?: string;
  /** A file that the settings are written to, and that the daemon follows. @default none */
  readonly file?: string;
  /** That it takes itself for. @default none */
  readonly pod?: { readonly namespace: string; readonly name: string };
  readonly kubeconfig?: string;
  readonly consulAddress?: string;
  readonly token?: string;
  readonly takeOver?: boolean;
  readonly renameFrom?: string;
  /** Over those of the rig; undefined is what the product has. */
  readonly timings?: Timings;
  /** Where it answers status requests. @default 127.0.0.1:0 */
  readonly http?: string;
  /** Whether there is a page at that address. @default true */
  readonly page?: boolean;
  /** What it says of itself. @default test */
  readonly version?: string;
  /** @default true: waits until both directions run */
  readonly awaitStart?: boolean;
}

export interface DaemonSettings {
  /** As in a configuration file. */
  readonly settings: object;
  readonly token: string;
  readonly timings: Timings;
}

/** The Kubernetes of this Jest worker, a Consul and namespaces of this test file's own, and daemons on them. */
export interface Rig {
  readonly kubernetes: KubernetesApi;
  readonly consul: ConsulApi;
  readonly consulServer: ConsulServer;
  /** Namespace for pods and for mirrored Services; a fresh one. */
  readonly namespace: string;
  readonly cluster: string;
  /** Every cluster that a daemon of this rig had. */
  readonly clusters: ReadonlySet<string>;
  readonly kubeconfig: string;
  startDaemon(options?: DaemonOptions): Promise<Daemon>;
  /** What startDaemon would give it, for a daemon in a process of its own. */
  settingsOf(options: DaemonOptions): DaemonSettings;
  close(): Promise<void>;
}

/** @param plane a Kubernetes of the test's own, in place of the worker's */
export async function openRig(options: ConsulOptions = {}, ownPlane?: Plane): Promise<Rig> {
  const [consulServer, plane] = await Promise.all([startConsul(options), ownPlane ?? sharedPlane()]);
  const kubernetes = new KubernetesApi(plane.server, plane.caFile, plane.adminToken);
  const consul = new ConsulApi(consulServer.address, consulServer.managementToken);
  const cluster = `t${randomBytes(4).toString('hex')}`;
  const namespace = `${cluster}-apps`;
  await kubernetes.createNamespace(namespace);
  // The endpoints controllers leave out pods on nodes that do not exist.
  await Promise.all(['node-0', 'node-1', 'node-2'].map((node) => kubernetes.createNode(node)));
  const { kubeconfig } = plane;
  const daemons: Daemon[] = [];
  const clusters = new Set<string>();
  const consulAddress = consulServer.address;
  const token = consulServer.managementToken ?? '';
  const defaults: Defaults = { cluster, kubeconfig, consulAddress, token, namespace, clusters };
  return {
    kubernetes,
    consul,
    consulServer,
    namespace,
    cluster,
    clusters,
    kubeconfig,
    async startDaemon(daemonOptions = {}) {
      clusters.add(daemonOptions.cluster ?? cluster);
      const daemon = await launch(defaults, daemonOptions);
      daemons.push(daemon);
      if (daemonOptions.awaitStart !== false) await daemon.started;
      return daemon;
    },
    settingsOf: (daemonOptions) => settingsOf(defaults, daemonOptions),
    async close() {
      await Promise.all(daemons.map((daemon) => daemon.stop()));
      // Other tests' daemons see all namespaces, and tell of Services that take something in where they may not.
      if (!ownPlane) await kubernetes.must('DELETE', `/api/v1/namespaces/${namespace}/services`);
      await consulServer.stop();
      await Promise.all([kubernetes.close(), consul.close()]);
    },
  };
}

interface Defaults {
  readonly cluster: string;
  readonly kubeconfig: string;
  readonly consulAddress: string;
  readonly token: string;
  readonly namespace: string;
  readonly clusters: ReadonlySet<string>;
}

function settingsOf(defaults: Defaults, options: DaemonOptions): DaemonSettings {
  const cluster = options.cluster ?? defaults.cluster;
  const settings = {
    cluster,
    besides: options.besides ?? [...defaults.clusters].filter((other) => other !== cluster),
    ...(options.annotationPrefix === undefined ? {} : { annotationPrefix: options.annotationPrefix }),
    kubernetes: { kubeconfig: options.kubeconfig ?? defaults.kubeconfig, ...options.kubernetes },
    consul: { address: options.consulAddress ?? defaults.consulAddress, ...options.consul },
    toConsul: { namespaces: { include: [defaults.namespace], exclude: [] }, ...options.toConsul },
    toKubernetes: { namespaces: [defaults.namespace], ...options.toKubernetes },
    leaderElection: { ...options.leaderElection },
    controlFile: options.controlFile ?? '',
    ...(options.writes === undefined ? {} : { writes: options.writes }),
    http: { address: options.http ?? '127.0.0.1:0', page: options.page ?? true },
  };
  return { settings, token: options.token ?? defaults.token, timings: { ...QUICK, ...options.timings } };
}

async function launch(defaults: Defaults, options: DaemonOptions): Promise<Daemon> {
  const { settings, token, timings } = settingsOf(defaults, options);
  const parse = (text: string) => parseConfig(text, { CONSUL_HTTP_TOKEN: token });
  const config = parse(JSON.stringify(settings));
  const { file: path } = options;
  if (path !== undefined) writeFileSync(path, JSON.stringify(settings));
  const file = path === undefined ? undefined : { path, parse, live: new LiveConfig(config) };
  const records: LogRecord[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      records.push(JSON.parse(chunk.toString()) as LogRecord);
      done();
    },
  });
  const metrics = createMetrics();
  const level = () => (path === undefined ? 'debug' : (file?.live.config.log.level ?? 'debug'));
  const log = createLog({ level, format: 'json', stream });
  const { takeOver = false, renameFrom, pod, version = 'test' } = options;
  const given = { takeOver, renameFrom, pod, file };
  const daemon = await startDaemon({ config, metrics, version, log, timings }, given);
  return { ...daemon, metrics, records };
}

/** What the metrics of a daemon say, as whoever scrapes them finds it: the value of a series, `consular_ready{source="start"}`. */
export async function scrape({ port }: Pick<Daemon, 'port'>): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  return seriesIn(await response.text());
}

/** What a counter or a gauge says, but for what it has as 0. */
export async function counted(metric: Pick<Counter | Gauge, 'get'>) {
  return (await metric.get()).values.filter(({ value }) => value !== 0);
}

/** Waits until a daemon has nothing to do: its queues are empty and nothing is failing. */
export async function untilIdle(daemon: Pick<Daemon, 'port'>): Promise<void> {
  await until('an idle daemon', async () => {
    const { ready, toConsul, toKubernetes } = await statusOf(daemon);
    return (
      ready &&
      [toConsul, toKubernetes].every(
        (work) => work === null || (work.waiting === 0 && work.busy === 0 && Object.keys(work.failing).length === 0),
      )
    );
  });
}

/** What a daemon says of itself. */
export async function statusOf({ port }: Pick<Daemon, 'port'>): Promise<Status> {
  const response = await fetch(`http://127.0.0.1:${port}/status`);
  return (await response.json()) as Status;
}

export interface Status {
  readonly ready: boolean;
  readonly writes: { readonly enabled: boolean; readonly since: string | null; readonly by: readonly string[] };
  readonly configuration: {
    readonly file: string;
    readonly refused: string | null;
    readonly needRestart: readonly string[];
  } | null;
  readonly waitingFor: readonly string[];
  readonly leader: {
    readonly is: string;
    readonly phase: string;
    readonly identity: string;
    readonly leader: string | null;
    readonly epoch: number | null;
  };
  readonly consul: {
    /** Where it is asked now. */
    readonly address: string;
    readonly witness: string;
    readonly wentBack: { readonly sign: string; readonly until: string } | null;
    /** Why writes go without a fence. */
    readonly unfenced: string | null;
  };
  readonly retained: readonly RetainedRow[] | null;
  readonly toConsul: Work | null;
  readonly toKubernetes: (Work & ToKubernetesWork) | null;
}

export interface RetainedRow {
  readonly direction: string;
  readonly service: string;
  readonly instances: number;
  readonly why: string;
  readonly since: string;
  readonly hash: string;
  readonly release: string;
}

interface ToKubernetesWork {
  readonly retained: number;
  readonly workloadEntries: string;
  readonly withoutWorkloadEntries: number;
  readonly closedNamespaces: Readonly<Record<string, string>>;
}

export interface Work {
  /** Of to-consul only. */
  readonly instances?: number;
  readonly held?: number;
  readonly closedNamespaces?: Readonly<Record<string, string>>;
  readonly kept: number;
  readonly retained?: number;
  readonly rejected: number;
  readonly waiting: number;
  readonly busy: number;
  readonly unwritten: number;
  readonly failing: Readonly<Record<string, string>>;
}
