import { setMaxListeners } from 'node:events';
import { inBackground, onBackgroundFailure } from '../../background.ts';
import { sleep } from '../../backoff.ts';
import { systemClock } from '../../clock.ts';
import { createCommitter } from '../../consul/committer.ts';
import { ChangeLog } from '../../observability/change-log.ts';
import { FailingSince } from '../../observability/causes.ts';
import { serveStatus } from '../../observability/http.ts';
import { sparingLog } from '../../observability/sparing-log.ts';
import { describeOff, Writes } from '../../writes.ts';
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
import { assertOldName, isFinalForRename, renameCluster } from './rename.ts';
import { FollowedConfig, type ConfigFile } from './config-file.ts';
import { DeploymentEvents, type PodName } from './deployment-events.ts';
import { lastChanges, pageOf } from './page.ts';
import { Retention } from './retention.ts';
import { followState } from './state.ts';
import { carryOutSwitch, followSwitch } from './switch.ts';

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
  /** The cluster had this name before: everything gets the new one first. @default it had no other */
  readonly renameFrom?: string | undefined;
  /** The pod that this process runs in. @default as its service account and the name of the machine say, if it is one */
  readonly pod?: PodName | undefined;
  /** Followed as long as the daemon runs. @default the settings stay as they are */
  readonly file?: ConfigFile | undefined;
}

/**
 * The daemon. It answers on its status port before anything else, so that a start that waits for Consul or the API
 * server can say so; it writes nothing before it leads and both systems were read completely.
 */
export async function startDaemon(
  context: Omit<Context, 'signal'>,
  { takeOver = false, renameFrom, pod, file }: RunOptions = {},
): Promise<RunningDaemon> {
  if (renameFrom !== undefined) assertOldName(context.config, renameFrom);
  const watches = new AbortController();
  // Each watch and each request on its way listens; there are a few hundred at most.
  setMaxListeners(0, watches.signal);
  const log = sparingLog(context.log, systemClock, watches.signal);
  const config = file?.live.config ?? context.config;
  const whole: Context = { ...context, config, log, signal: watches.signal };
  const endTelling = onBackgroundFailure((error) => {
    context.metrics.backgroundFailures.inc();
    log.error('background work failed', { error });
  });
  const clients = createClients(whole);
  // Not sparing: what was changed is news each time.
  const changes = new ChangeLog({ log: context.log, clock: systemClock });
  const readings = new Readings(whole, clients.cluster);
  let directions: Directions | undefined;
  let isStopping = false;
  const writes = new Writes(systemClock);
  const obeySetting = () =>
    writes.say('setting', config.writes === 'off' ? `setting writes${file ? ` in ${file.path}` : ''}` : undefined);
  obeySetting();
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
  const deployment = new DeploymentEvents(whole, clients, pod);
  const retention = new Retention(whole, deployment);
  const lead = new Lead(whole, clients, readings, {
    ...{ takeOver, writes, onLost: () => inBackground(halt()), onResumed: lookAgain },
    mayTakeRequest: () => retention.mayTakeRequest,
    onReleaseRequest: (text) => retention.request(text),
    released: () => retention.released,
  });
  const startAnew = () => {
    directions?.toConsul?.startAnew();
    directions?.toKubernetes?.startAnew();
  };
  const tellTroubles = () => {
    if (directions && followed)
      for (const { reason, message: note } of followed.troubles)
        inBackground(deployment.warn(directions.events, { reason, action: 'Configure', note }));
  };
  const followed: FollowedConfig | undefined =
    file &&
    new FollowedConfig({
      ...{ file, log, clock: systemClock, signal: watches.signal, onTold: tellTroubles },
      onChanged: (settings) => {
        if (settings.some((setting) => !['writes', 'log.level'].includes(setting))) startAnew();
        obeySetting();
      },
    });
  const { leadership } = lead;
  const committer = createCommitter(clients.consul, context.metrics, leadership);
  const lastWords = createCommitter(clients.consul, context.metrics, leadership.lastWord);
  const sums = () => ({
    off: writes.off && describeOff(writes.off),
    configuration: followed?.troubles.map(({ message }) => `configuration: ${message}`) ?? [],
    unfenced: lead.unfenced,
    retained: retention.sentences(),
    failing: failing(),
  });
  const { failures: switchFailures } = carryOutSwitch({
    ...{ writes, log, metrics: context.metrics, clock: systemClock, signal: watches.signal },
    lastWord: () => {
      if (!directions || isStopping) return undefined;
      const summary = summaryOf(directions, sums(), true);
      return summary && directions.ownEntry.say(summary);
    },
    prepare: async () => {
      await lead.prepareToWrite();
      if (directions && !writes.off) await lead.orLost(directions.ownEntry.claim());
    },
    onOn: () => {
      startAnew();
      tellTroubles();
    },
  });
  const judgements = () => [
    ...lead.judgements(),
    { source: 'switch of writes', failures: switchFailures() },
    { source: 'instances in Consul', failures: directions?.toConsul?.failures() ?? [] },
  ];
  const failures = () => judgements().flatMap((judgement) => judgement.failures);
  const failingSince = new FailingSince(systemClock);
  const failing = () => failingSince.note(failures());
  const isReady = () => lead.isReady && failures().length === 0;
  followState(whole, clients, {
    directions: () => directions,
    judgements: () => [{ source: 'start', failures: lead.isReady ? [] : ['starting'] }, ...judgements()],
  });
  const status = await serveStatus(config.http.address, {
    registry: context.metrics.registry,
    notReady: () => (lead.isReady ? failing() : ['starting', ...failing()]),
    page: config.http.page ? pageOf(() => directions) : undefined,
    status: () => ({
      cluster: config.cluster,
      version: context.version,
      time: systemClock.date(),
      ready: isReady(),
      waitingFor: failing(),
      leader: lead.status(),
      writes: { enabled: writes.phase === 'on', since: writes.off?.since ?? null, by: writes.off?.by ?? [] },
      configuration: followed?.status ?? null,
      consulUi: config.consul.uiUrl === '' ? null : config.consul.uiUrl,
      lastChange: lastChanges(changes),
      consul: directions ? consulStatus(directions, clients.consul.address, lead.unfenced) : null,
      retained: directions ? retention.rows() : null,
      toConsul: directions?.toConsul?.status() ?? null,
      toKubernetes: directions?.toKubernetes?.status() ?? null,
    }),
  }).catch(async (error: unknown) => {
    // Whatever goes on would keep the process from ending.
    watches.abort();
    endTelling();
    await clients.close();
    throw error;
  });
  readings.onReturn(lookAgain);
  inBackground(lookOften(failing, whole.signal));
  const summary = () => directions && summaryOf(directions, sums());
  const mayWrite = () => writes.phase === 'on';
  const { controlFile } = config;
  if (controlFile !== '')
    await followSwitch(writes, { path: controlFile, log, clock: systemClock, signal: watches.signal });
  /** What stays under the old name is as another Consular's: pods that have it are told that they are there already. */
  const rename = async (from: string) => {
    writes.assertOn();
    const stay = await renameCluster(whole, clients, from);
    return stay === 0 ? whole : { ...whole, config: { ...config, besides: [...config.besides, from] } };
  };
  const renamed =
    renameFrom === undefined
      ? Promise.resolve(whole)
      : readings.untilRead('the new name', () => rename(renameFrom), isFinalForRename);
  const read = renamed.then((named) => readWorld(named, clients, readings, (start) => lead.take(start, committer)));
  const started = read.then(async (world) => {
    const ownEntry = createOwnEntry(whole, { nodes: clients.nodes, committer: lastWords, summary, mayWrite }, world);
    await ownEntry.claim();
    if (isStopping) return;
    const isFollowing = () => failures().length === 0 && mayWrite();
    const given = { committer, ownEntry, leadership, writes, isFollowing, changes };
    directions = startDirections(whole, clients, world, given);
    lead.runs(world.trust.witness);
    retention.begin(retainingOf(directions), directions.events);
    ownEntry.start();
    tellTroubles();
    log.info('running', { cluster: config.cluster, clusterUid: world.owner.clusterUid });
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
      endTelling();
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
