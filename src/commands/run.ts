import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { systemClock } from '../clock.ts';
import { createCommitter } from '../consul/committer.ts';
import { EventRecorder } from '../kubernetes/events.ts';
import { serveStatus, splitAddress } from '../observability/http.ts';
import { sparingLog } from '../observability/sparing-log.ts';
import type { Owner } from '../mark.ts';
import { runToConsul, type ToConsul, type ToConsulOptions } from '../to-consul/index.ts';
import type { Release, Retaining } from '../to-consul/report/retained-instances.ts';
import { explainLoss } from '../consul/distrust.ts';
import { OwnEntry, type OwnEntryOptions } from '../to-consul/identity/own-entry.ts';
import { summarize, type Summary } from '../to-consul/identity/summary.ts';
import { adoptNodes } from '../to-consul/nodes/adopt-nodes.ts';
import { runToKubernetes, type ToKubernetes } from '../to-kubernetes/index.ts';
import { createClients, type Clients, type Context } from '../world/context.ts';
import type { Trust } from '../world/trust.ts';
import { readWorld, type TrustingWorld } from '../world/world.ts';
import { Readings } from '../world/readings.ts';

/** What is on its way when the daemon is told to stop may take this long; orchestrators kill much later. */
const DRAIN_MS = 1500;

export interface RunningDaemon {
  /** The port of the status server. */
  readonly port: number;
  /** Resolves when both directions run; rejects with what waiting would not mend. */
  readonly started: Promise<void>;
  /** Resolves with what waiting would not mend, when that comes up while the daemon runs: it has to be stopped. */
  readonly broken: Promise<Error>;
  /** What is retained in Consul because much was lost at once; undefined while it does not run. */
  retaining(): Retaining | undefined;
  /** Lets go in Consul what was shown under that hash; undefined while it does not run. */
  release(hash: string): Release | undefined;
  /** Finishes what is on its way, removes nothing. */
  stop(): Promise<void>;
}

interface Directions {
  readonly events: EventRecorder;
  readonly toConsul: ToConsul | undefined;
  readonly toKubernetes: ToKubernetes | undefined;
  readonly ownEntry: OwnEntry;
  readonly trust: Trust;
}

export interface RunOptions {
  /** Adopt what an installation of another Kubernetes cluster left under our cluster name. @default false */
  readonly takeOver?: boolean;
}

/**
 * The daemon. It answers on its status port before anything else, so that a start that waits for Consul or the API
 * server can say so; it writes nothing before both systems were read completely.
 */
export async function startDaemon(
  context: Omit<Context, 'signal'>,
  { takeOver = false }: RunOptions = {},
): Promise<RunningDaemon> {
  const watches = new AbortController();
  // Each watch and each request on its way listens; there are a few hundred at most.
  setMaxListeners(0, watches.signal);
  const log = sparingLog(context.log, systemClock, watches.signal);
  const whole: Context = { ...context, log, signal: watches.signal };
  const clients = createClients(whole);
  const committer = createCommitter(clients.consul, context.metrics);
  const { nodes } = clients;
  const readings = new Readings(whole, clients.cluster);
  let directions: Directions | undefined;
  let isStopping = false;
  const failures = () => [...readings.failures(), ...(directions?.toConsul?.failures() ?? [])];
  const status = await serveStatus(context.config.http.address, {
    registry: context.metrics.registry,
    notReady: () => (directions ? failures() : ['starting', ...failures()]),
    status: () => ({
      cluster: context.config.cluster,
      version: context.version,
      ready: directions !== undefined && failures().length === 0,
      waitingFor: failures(),
      consul: directions ? consulStatus(directions) : null,
      toConsul: directions?.toConsul?.status() ?? null,
      toKubernetes: directions?.toKubernetes?.status() ?? null,
    }),
  });
  readings.onReturn(() => {
    directions?.toConsul?.lookAgain();
    directions?.toKubernetes?.lookAgain();
  });
  const summary = () => directions && summaryOf(directions);
  const adopt = async (owner: Owner) => {
    const adopted = await adoptNodes({ nodes, committer, owner });
    log.warn('took over what another cluster left under this name', { nodes: adopted.length });
  };
  const started = readWorld(whole, clients, readings, takeOver ? adopt : undefined).then(async (world) => {
    const ownEntry = createOwnEntry(whole, { nodes, committer, summary }, world);
    await ownEntry.claim();
    if (isStopping) return;
    const isFollowing = () => failures().length === 0;
    directions = startDirections(whole, clients, world, { committer, ownEntry, isFollowing });
    ownEntry.start();
    log.info('running', { cluster: context.config.cluster, clusterUid: world.owner.clusterUid });
  });
  // A caller that awaits `started` hears of the failure; without this, Node.js would end the process for it.
  started.catch(() => undefined);
  return {
    port: status.port,
    started,
    broken: clients.cluster.isOther,
    retaining: () => directions?.toConsul?.retaining(),
    release: (hash) => directions?.toConsul?.release(hash),
    async stop() {
      isStopping = true;
      directions?.events.stop();
      directions?.ownEntry.stop();
      await Promise.all([directions?.toConsul?.stop(DRAIN_MS), directions?.toKubernetes?.stop(DRAIN_MS)]);
      watches.abort();
      status.close();
      await clients.close();
    },
  };
}

function startDirections(
  context: Context,
  { api, cluster, consul, nodes, kubernetes, resources, brake }: Clients,
  { owner, trust, toConsul, toKubernetes }: TrustingWorld,
  { ownEntry, ...more }: Pick<Directions, 'ownEntry'> & Pick<ToConsulOptions, 'committer' | 'isFollowing'>,
): Directions {
  const { config, log, metrics, timings } = context;
  const events = new EventRecorder(kubernetes, hostname(), log, metrics);
  const common = { owner, api, consul, nodes, resources, events, brake, ...trust, ...context };
  const { timeLine, witness } = trust;
  const consulMark = () => ({ index: timeLine.namesIndex, nonce: witness.known?.nonce ?? '' });
  return {
    events,
    ownEntry,
    trust,
    toConsul:
      toConsul &&
      runToConsul({
        ...common,
        config: config.toConsul,
        ...toConsul,
        ...more,
        ...timings,
        checkCluster: () => cluster.check(),
        onLook: () => ownEntry.forget(),
      }),
    toKubernetes:
      toKubernetes && runToKubernetes({ ...common, consulMark, config: config.toKubernetes, ...toKubernetes }),
  };
}

function createOwnEntry(
  { config, log, version, timings }: Context,
  given: Pick<OwnEntryOptions, 'nodes' | 'committer' | 'summary'>,
  { owner, trust, toConsul }: TrustingWorld,
): OwnEntry {
  const { host, port } = splitAddress(config.http.address);
  const address = isIP(host) !== 0 && !WILDCARDS.has(host) ? host : addressOfThisMachine();
  const onCommit = (index: number) => toConsul?.own.noteCommit(index);
  const { distrust, witness } = trust;
  return new OwnEntry({
    ...{ ...given, owner, address, port, version, distrust, witness, onCommit, log },
    ...{ tags: config.toConsul.ownEntry.tags, createNonce: randomUUID, clock: systemClock, pace: timings?.entryPace },
  });
}

const WILDCARDS = new Set(['0.0.0.0', '::']);

function addressOfThisMachine(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.0.1';
}

/** Whether what is missing from Consul is believed to be gone, and what shows that nothing is hidden from us. */
function consulStatus({ ownEntry, trust: { distrust, witness } }: Directions) {
  return {
    witness: witness.known ? "Consular's own entry" : 'the servers of Consul, which is weaker',
    witnessMissing: witness.failure ?? null,
    ownEntryNotWritten: ownEntry.failure ?? null,
    wentBack: distrust.loss ?? null,
  };
}

/** Undefined while anything is still being found out or written: the summary would change with the next look. */
function summaryOf({ toConsul, toKubernetes, trust }: Directions): Summary | undefined {
  const consul = toConsul?.status();
  const kubernetes = toKubernetes?.status();
  if ([consul, kubernetes].some((status) => status && status.waiting + status.busy > 0)) return undefined;
  const { loss } = trust.distrust;
  return summarize({
    loss: loss && explainLoss(loss),
    instances: consul?.instances ?? 0,
    rejected: (consul?.rejected ?? 0) + (kubernetes?.rejected ?? 0),
    held: consul?.held ?? 0,
    mirrored: kubernetes?.services,
    troubles: [...(toConsul?.troubles() ?? []), ...(toKubernetes?.troubles() ?? [])],
  });
}
