import { setMaxListeners } from 'node:events';
import { inBackground, onBackgroundFailure } from '../../background.ts';
import { sleep } from '../../backoff.ts';
import { systemClock } from '../../clock.ts';
import { createCommitter, type Committer } from '../../consul/committer.ts';
import { FailingSince, type Judgement } from '../../observability/causes.ts';
import { ChangeLog } from '../../observability/change-log.ts';
import { serveStatus, type StatusServer } from '../../observability/http.ts';
import { sparingLog } from '../../observability/sparing-log.ts';
import { createClients, type Clients, type Context } from '../../world/context.ts';
import { Readings } from '../../world/readings.ts';
import { readWorld, type TrustingWorld } from '../../world/world.ts';
import { describeOff, Writes } from '../../writes.ts';
import { FollowedConfig, type ConfigFile } from './config-file.ts';
import { DeploymentEvents, type PodName } from './deployment-events.ts';
import { createOwnEntry, retainingOf, startDirections, summaryOf, type Directions } from './directions.ts';
import { Lead } from './lead.ts';
import { isFinalForRename, renameCluster } from './rename.ts';
import { Retention } from './retention.ts';
import { followState } from './state.ts';
import { statusSource } from './status.ts';
import { carryOutSwitch, followSwitch } from './switch.ts';

/** What is on its way when the daemon is told to stop may take this long; orchestrators kill much later. */
const DRAIN_MS = 1500;

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
 * One process from its start to its end: `open`, `run`, `stop`. Everything that is followed is
 * made at once; nothing is written before `run` has led, read both systems and started both directions.
 */
export class Daemon {
  readonly #options: RunOptions;
  readonly #watches = new AbortController();
  readonly #context: Context;
  readonly #endTelling: () => void;
  readonly #clients: Clients;
  readonly #changes: ChangeLog;
  readonly #readings: Readings;
  readonly #writes = new Writes(systemClock);
  readonly #deployment: DeploymentEvents;
  readonly #retention: Retention;
  readonly #lead: Lead;
  readonly #committer: Committer;
  readonly #followed: FollowedConfig | undefined;
  readonly #switchFailures: () => readonly string[];
  readonly #failingSince = new FailingSince(systemClock);
  #status: StatusServer | undefined;
  #directions: Directions | undefined;
  #isStopping = false;

  constructor(context: Omit<Context, 'signal'>, options: RunOptions) {
    this.#options = options;
    const { signal } = this.#watches;
    // Each watch and each request on its way listens; there are a few hundred at most.
    setMaxListeners(0, signal);
    const log = sparingLog(context.log, systemClock, signal);
    const whole = { ...context, config: options.file?.live.config ?? context.config, log, signal };
    this.#context = whole;
    this.#endTelling = onBackgroundFailure((error) => {
      context.metrics.backgroundFailures.inc();
      log.error('background work failed', { error });
    });
    this.#clients = createClients(whole);
    // Not sparing: what was changed is news each time.
    this.#changes = new ChangeLog({ log: context.log, clock: systemClock });
    this.#readings = new Readings(whole, this.#clients.cluster);
    this.#obeySetting();
    this.#deployment = new DeploymentEvents(whole, this.#clients, options.pod);
    this.#retention = new Retention(whole, this.#deployment);
    this.#lead = this.#createLead();
    this.#followed = this.#followConfig();
    this.#committer = createCommitter(this.#clients.consul, context.metrics, this.#lead.leadership);
    this.#switchFailures = this.#carryOutSwitch();
    followState(whole, this.#clients, {
      directions: () => this.#directions,
      judgements: () => [{ source: 'start', failures: this.#lead.isReady ? [] : ['starting'] }, ...this.#judgements()],
    });
  }

  /** Resolves with what waiting would not mend. */
  get broken(): Promise<Error> {
    return Promise.race([this.#clients.cluster.isOther, this.#lead.lost]);
  }

  /**
   * Answers on the status port, and finds out whether writes are off.
   * @returns the port. @throws when the address is not free; everything is ended then
   */
  async open(): Promise<number> {
    const port = await this.#serve();
    await this.#followControlFile();
    return port;
  }

  async #serve(): Promise<number> {
    const source = statusSource({
      context: this.#context,
      consulAddress: () => this.#clients.consul.address,
      ...{ lead: this.#lead, retention: this.#retention, writes: this.#writes, changes: this.#changes },
      configuration: () => this.#followed?.status,
      directions: () => this.#directions,
      failing: () => this.#failing(),
    });
    try {
      this.#status = await serveStatus(this.#context.config.http.address, source);
    } catch (error) {
      // Whatever goes on would keep the process from ending.
      await this.#end();
      throw error;
    }
    this.#readings.onReturn(() => this.#lookAgain());
    inBackground(this.#lookOften());
    return this.#status.port;
  }

  /** Resolves when the file was looked at once: before, nobody knows whether writes are off. */
  async #followControlFile(): Promise<void> {
    const { config, log, signal } = this.#context;
    const { controlFile: path } = config;
    if (path !== '') await followSwitch(this.#writes, { path, log, clock: systemClock, signal });
  }

  /** Resolves when both directions run, which a standby waits for. @throws what waiting would not mend */
  async run(): Promise<void> {
    const named = await this.#renamed();
    const world = await readWorld(named, this.#clients, this.#readings, (start) =>
      this.#lead.take(start, this.#committer),
    );
    const ownEntry = this.#createOwnEntry(world);
    await ownEntry.claim();
    if (this.#isStopping) return;
    const { leadership } = this.#lead;
    const isFollowing = () => this.#failures().length === 0 && this.#mayWrite();
    const given = { committer: this.#committer, ownEntry, leadership, writes: this.#writes, isFollowing };
    const directions = startDirections(this.#context, this.#clients, world, { ...given, changes: this.#changes });
    this.#directions = directions;
    this.#lead.runs(world.trust.witness);
    this.#retention.begin(retainingOf(directions), directions.events);
    ownEntry.start();
    this.#tellTroubles();
    const { config, log } = this.#context;
    log.info('running', { cluster: config.cluster, clusterUid: world.owner.clusterUid });
  }

  async stop(): Promise<void> {
    await this.#halt();
    await this.#lead.leave();
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#watches.abort();
    this.#endTelling();
    this.#status?.close();
    await this.#clients.close();
  }

  /** Writes nothing any more; what is on its way ends by itself. */
  async #halt(): Promise<void> {
    this.#isStopping = true;
    const { events, ownEntry, toConsul, toKubernetes } = this.#directions ?? {};
    events?.stop();
    ownEntry?.stop();
    await Promise.all([toConsul?.stop(DRAIN_MS), toKubernetes?.stop(DRAIN_MS)]);
    this.#changes.flush();
  }

  #createLead(): Lead {
    return new Lead(this.#context, this.#clients, this.#readings, {
      takeOver: this.#options.takeOver ?? false,
      writes: this.#writes,
      onLost: () => inBackground(this.#halt()),
      onResumed: () => this.#lookAgain(),
      mayTakeRequest: () => this.#retention.mayTakeRequest,
      onReleaseRequest: (text) => this.#retention.request(text),
      released: () => this.#retention.released,
    });
  }

  #followConfig(): FollowedConfig | undefined {
    const { file } = this.#options;
    if (!file) return undefined;
    const { log, signal } = this.#context;
    return new FollowedConfig({
      ...{ file, log, clock: systemClock, signal },
      onTold: () => this.#tellTroubles(),
      onChanged: (settings) => {
        if (settings.some((setting) => !['writes', 'log.level'].includes(setting))) this.#startAnew();
        this.#obeySetting();
      },
    });
  }

  #obeySetting(): void {
    const { file } = this.#options;
    const isOff = this.#context.config.writes === 'off';
    this.#writes.say('setting', isOff ? `setting writes${file ? ` in ${file.path}` : ''}` : undefined);
  }

  #carryOutSwitch(): () => readonly string[] {
    const { log, metrics, signal } = this.#context;
    const { failures } = carryOutSwitch({
      ...{ writes: this.#writes, log, metrics, clock: systemClock, signal },
      lastWord: () => {
        const summary = this.#isStopping ? undefined : this.#summary(true);
        return summary && this.#directions?.ownEntry.say(summary);
      },
      prepare: async () => {
        await this.#lead.prepareToWrite();
        if (this.#directions && !this.#writes.off) await this.#lead.orLost(this.#directions.ownEntry.claim());
      },
      onOn: () => {
        this.#startAnew();
        this.#tellTroubles();
      },
    });
    return failures;
  }

  /** What stays under the old name is as another Consular's: pods that have it are told that they are there already. */
  async #renamed(): Promise<Context> {
    const from = this.#options.renameFrom;
    if (from === undefined) return this.#context;
    const rename = () => {
      this.#writes.assertOn();
      return renameCluster(this.#context, this.#clients, from);
    };
    const stay = await this.#readings.untilRead('the new name', rename, isFinalForRename);
    const { config } = this.#context;
    return stay === 0 ? this.#context : { ...this.#context, config: { ...config, besides: [...config.besides, from] } };
  }

  #createOwnEntry(world: TrustingWorld) {
    const { nodes, consul } = this.#clients;
    const committer = createCommitter(consul, this.#context.metrics, this.#lead.leadership.lastWord);
    const given = { nodes, committer, summary: () => this.#summary(), mayWrite: () => this.#mayWrite() };
    return createOwnEntry(this.#context, given, world);
  }

  #mayWrite(): boolean {
    return this.#writes.phase === 'on';
  }

  #lookAgain(): void {
    this.#directions?.toConsul?.lookAgain();
    this.#directions?.toKubernetes?.lookAgain();
  }

  #startAnew(): void {
    this.#directions?.toConsul?.startAnew();
    this.#directions?.toKubernetes?.startAnew();
  }

  #tellTroubles(): void {
    const events = this.#directions?.events;
    if (!events) return;
    for (const { reason, message: note } of this.#followed?.troubles ?? [])
      inBackground(this.#deployment.warn(events, { reason, action: 'Configure', note }));
  }

  /** For the own entry. */
  #summary(isLastWord = false) {
    if (!this.#directions) return undefined;
    const { off } = this.#writes;
    const sums = {
      off: off && describeOff(off),
      configuration: [
        ...(this.#followed?.troubles.map(({ message }) => `configuration: ${message}`) ?? []),
        ...this.#lead.mistakes,
      ],
      unfenced: this.#lead.unfenced,
      retained: this.#retention.sentences(),
      failing: this.#failing(),
    };
    return summaryOf(this.#directions, sums, isLastWord);
  }

  #judgements(): Judgement[] {
    return [
      ...this.#lead.judgements(),
      { source: 'switch of writes', failures: this.#switchFailures() },
      { source: 'instances in Consul', failures: this.#directions?.toConsul?.failures() ?? [] },
    ];
  }

  #failures(): string[] {
    return this.#judgements().flatMap(({ failures }) => failures);
  }

  #failing(): string[] {
    return this.#failingSince.note(this.#failures());
  }

  /** Since when something fails is known to the second, whether anybody asks or not. */
  async #lookOften(): Promise<void> {
    const { signal } = this.#watches;
    while (!signal.aborted) {
      this.#failing();
      await sleep(1000, signal);
    }
  }
}
