import { setMaxListeners } from 'node:events';
import { sleep } from '../../backoff.ts';
import { systemClock } from '../../clock.ts';
import { createCommitter } from '../../consul/committer.ts';
import { ChangeLog } from '../../observability/change-log.ts';
import { FailingSince } from '../../observability/causes.ts';
import { serveStatus } from '../../observability/http.ts';
import { sparingLog } from '../../observability/sparing-log.ts';
import { createClients, type Context } from '../../world/context.ts';
import { Readings } from '../../world/readings.ts';
import { readWorld } from '../../world/world.ts';
import {
  consulStatus,
  createOwnEntry,
  retainingOf,
  startDirections,
  summaryOf,
  type Directions,
} from './directions.ts';
import { Lead } from './lead.ts';
import { Retention, type PodName } from './retention.ts';

/** What is on its way when the daemon is told to stop may take this long; orchestrators kill much later. */
const DRAIN_MS = 1500;

export interface RunningDaemon {
  /** The port of the status server. */
  readonly port: number;
  /** Resolves when both directions run, which a standby waits for; rejects with what waiting would not mend. */
  readonly started: Promise<void>;
  /** Resolves with what waiting would not mend, when that comes up while the daemon runs: it has to be stopped. */
  readonly broken: Promise<Error>;
  /** Finishes what is on its way, removes nothing. */
  stop(): Promise<void>;
}

export interface RunOptions {
  /** Adopt what an installation of another Kubernetes cluster left under our cluster name. @default false */
  readonly takeOver?: boolean;
  /** The pod that this process runs in. @default as its service account and the name of the machine say, if it is one */
  readonly pod?: PodName | undefined;
}

/**
 * The daemon. It answers on its status port before anything else, so that a start that waits for Consul or the API
 * server can say so; it writes nothing before it leads and both systems were read completely.
 */
export async function startDaemon(
  context: Omit<Context, 'signal'>,
  { takeOver = false, pod }: RunOptions = {},
): Promise<RunningDaemon> {
  const watches = new AbortController();
  // Each watch and each request on its way listens; there are a few hundred at most.
  setMaxListeners(0, watches.signal);
  const log = sparingLog(context.log, systemClock, watches.signal);
  const whole: Context = { ...context, log, signal: watches.signal };
  const clients = createClients(whole);
  // Not sparing: what was changed is news each time.
  const changes = new ChangeLog({ log: context.log, clock: systemClock });
  const readings = new Readings(whole, clients.cluster);
  let directions: Directions | undefined;
  let isStopping = false;
  const lookAgain = () => {
    directions?.toConsul?.lookAgain();
    directions?.toKubernetes?.lookAgain();
  };
  /** Writes nothing any more; what is on its way ends by itself. */
  const halt = async () => {
    isStopping = true;
    directions?.events.stop();
    directions?.ownEntry.stop();
    await Promise.all([directions?.toConsul?.stop(DRAIN_MS), directions?.toKubernetes?.stop(DRAIN_MS)]);
    changes.flush();
  };
  const retention = new Retention(whole, clients, pod);
  const lead = new Lead(whole, clients, readings, {
    ...{ takeOver, onLost: () => void halt(), onResumed: lookAgain },
    mayTakeRequest: () => retention.mayTakeRequest,
    onReleaseRequest: (text) => retention.request(text),
    released: () => retention.released,
  });
  const { leadership } = lead;
  const committer = createCommitter(clients.consul, context.metrics, leadership);
  const failures = () => [...lead.failures(), ...(directions?.toConsul?.failures() ?? [])];
  const failingSince = new FailingSince(systemClock);
  const failing = () => failingSince.note(failures());
  const isReady = () => lead.isReady && failures().length === 0;
  const status = await serveStatus(context.config.http.address, {
    registry: context.metrics.registry,
    notReady: () => (lead.isReady ? failing() : ['starting', ...failing()]),
    status: () => ({
      cluster: context.config.cluster,
      version: context.version,
      ready: isReady(),
      waitingFor: failing(),
      leader: lead.status(),
      consul: directions ? consulStatus(directions, lead.unfenced) : null,
      retained: directions ? retention.rows() : null,
      toConsul: directions?.toConsul?.status() ?? null,
      toKubernetes: directions?.toKubernetes?.status() ?? null,
    }),
  });
  readings.onReturn(lookAgain);
  void lookOften(failing, whole.signal);
  const summary = () =>
    directions &&
    summaryOf(directions, { unfenced: lead.unfenced, retained: retention.sentences(), failing: failing() });
  const started = readWorld(whole, clients, readings, (start) => lead.take(start, committer)).then(async (world) => {
    const ownEntry = createOwnEntry(whole, { nodes: clients.nodes, committer, summary }, world);
    await ownEntry.claim();
    if (isStopping) return;
    const isFollowing = () => failures().length === 0;
    directions = startDirections(whole, clients, world, { committer, ownEntry, leadership, isFollowing, changes });
    lead.runs(world.trust.witness);
    retention.begin(retainingOf(directions), directions.events);
    ownEntry.start();
    log.info('running', { cluster: context.config.cluster, clusterUid: world.owner.clusterUid });
  });
  // A caller that awaits `started` hears of the failure; without this, Node.js would end the process for it.
  started.catch(() => undefined);
  return {
    port: status.port,
    started,
    broken: Promise.race([clients.cluster.isOther, lead.lost]),
    async stop() {
      await halt();
      await lead.leave();
      watches.abort();
      status.close();
      await clients.close();
    },
  };
}

/** Since when something fails is known to the second, whether anybody asks or not. */
async function lookOften(look: () => unknown, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    look();
    await sleep(1000, signal);
  }
}
