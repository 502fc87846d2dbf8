import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { inBackground } from '../../background.ts';
import { systemClock } from '../../clock.ts';
import type { Committer } from '../../consul/committer.ts';
import { createKeyValue } from '../../consul/key-value.ts';
import type { Election } from '../../leadership/election.ts';
import {
  FenceOfAnotherCluster,
  twoInstallations,
  type Displaced,
  type TwoInstallations,
} from '../../leadership/fence-errors.ts';
import { Fence, type FenceOptions } from '../../leadership/fence.ts';
import type { LeaseMark } from '../../leadership/fence-record.ts';
import { followFence } from '../../leadership/follow-fence.ts';
import { LeaseMistakes } from '../../leadership/lease-mistakes.ts';
import { leasePlace } from '../../leadership/lease-place.ts';
import { Leadership } from '../../leadership/leadership.ts';
import type { Standing } from '../../leadership/standing.ts';
import { findOwnPod } from '../../kubernetes/connection.ts';
import { ANNOTATION, META, type Owner } from '../../mark.ts';
import type { Judgement } from '../../observability/causes.ts';
import { explainError } from '../../observability/log.ts';
import { ClusterIdentityError } from '../../to-consul/identity/cluster-identity.ts';
import type { OwnWitness } from '../../to-consul/identity/own-witness.ts';
import { adoptNodes } from '../../to-consul/nodes/adopt-nodes.ts';
import type { Clients, Context } from '../../world/context.ts';
import type { Readings } from '../../world/readings.ts';
import { standBy, STANDBY_SOURCE } from '../../world/standby.ts';
import type { Inherited, Start } from '../../world/world.ts';
import { readSwitch, type Writes } from '../../writes.ts';
import { createElection, leaseOf, tenureOf, whyNotLeading } from './election.ts';
import { FenceTaking, switched } from './fence-taking.ts';

export interface LeadOptions {
  /** Adopt what another Kubernetes cluster left under our name. */
  readonly takeOver: boolean;
  /** The switch of all writes, which an annotation on the Lease is a source of. */
  readonly writes: Writes;
  /** Called when another process leads: this one is to write nothing any more, anywhere. */
  readonly onLost: () => void;
  /** Called when this process leads again after a while in which it could not renew its Lease. */
  readonly onResumed: () => void;
  /** Told what an operator asks to be released, while this process leads. */
  readonly onReleaseRequest: (text: string) => void;
  /** Whether such a request can be carried out now. */
  readonly mayTakeRequest: () => boolean;
  /** What became of the last such request, for the Lease. */
  readonly released: () => string | undefined;
}

/** How far this process has come. */
type Phase = 'starting' | 'standing by' | 'taking over' | 'running';

/**
 * The way of this process to the right to write, and its end. With an election: stand by until the Lease is ours, take the fence,
 * read Consul, run. Without: take the fence at once.
 */
export class Lead {
  readonly #context: Context;
  readonly #clients: Clients;
  readonly #readings: Readings;
  readonly #options: LeadOptions;
  readonly #election: Election | undefined;
  /** Another for each process. */
  readonly #identity = `${hostname()}_${randomUUID()}`;
  readonly leadership: Leadership;
  /** Resolves when another process leads, and this one has to be started anew to stand by. */
  readonly lost: Promise<Error>;
  #resolveLost: (error: Error) => void = () => undefined;
  #resolveElected: () => void = () => undefined;
  readonly #elected = new Promise<void>((resolve) => (this.#resolveElected = resolve));
  #phase: Phase = 'starting';
  #before: Standing['kind'] | undefined;
  #fence: Fence | undefined;
  #taking: FenceTaking | undefined;
  #isDisplaced = false;
  readonly #mistakes: LeaseMistakes;
  /** This process keeps its Lease, so that nobody else who has that one takes the fence back either. */
  #rival: TwoInstallations | undefined;
  #witness: Pick<OwnWitness, 'known'> | undefined;
  #endStandby: (() => void) | undefined;

  constructor(context: Context, clients: Clients, readings: Readings, options: LeadOptions) {
    this.#context = context;
    this.#clients = clients;
    this.#readings = readings;
    this.#options = options;
    this.#mistakes = new LeaseMistakes(() => context.config.toConsul.annotationPrefix, context.log);
    this.lost = new Promise((resolve) => (this.#resolveLost = resolve));
    this.#election = createElection(context, clients, {
      identity: this.#identity,
      annotations: () => this.#annotations(),
      mayAcquire: () => this.#mayAcquire,
      onStanding: (standing) => this.#onStanding(standing),
      onSeen: (annotations) => this.#onLeaseSeen(annotations),
      mayTakeRequest: options.mayTakeRequest,
      onReleaseRequest: options.onReleaseRequest,
    });
    this.leadership = new Leadership(this.#election && tenureOf(this.#election), options.writes);
  }

  /**
   * Resolves when this process may write, as far as writes are on: while they are off `prepareToWrite` takes the fence.
   * @throws ClusterIdentityError, FenceOfAnotherCluster when our name is another cluster's
   */
  async take({ owner, distrust, timeLine }: Start, committer: Committer): Promise<Inherited> {
    const { takeOver, writes } = this.#options;
    if (!takeOver) await this.#assertOurName(owner);
    const election = this.#election;
    if (election) {
      this.#endStandby = standBy(this.#context, this.#clients, this.#readings, timeLine);
      election.start();
      await this.#elected;
      this.#endStandby();
    }
    // What a standby has read long ago is believed from now on.
    const isKubernetesRead = this.#phase === 'taking over' ? this.#readings.resume() : Promise.resolve();
    const fence = (this.#fence = this.#createFence({ owner, distrust }));
    const { consul: client, brake } = this.#clients;
    const take = async () => {
      const epoch = Number(election?.annotations.get(ANNOTATION.epoch) ?? 0);
      await fence.take({ epoch, takeOver });
      inBackground(followFence(fence, { ...this.#context, client, timeLine, brake }));
    };
    const taking = new FenceTaking({ ...this.#context, take, writes, onLost: this.#resolveLost });
    // Of what another cluster left nothing can be planned before it is adopted.
    if (takeOver)
      await this.#readings.untilRead('writes that are on', () => Promise.resolve().then(() => writes.assertOn()));
    const isFinal = (error: unknown) => error instanceof FenceOfAnotherCluster;
    await this.#readings.untilRead('fence in Consul', () => taking.begin(), isFinal);
    await isKubernetesRead;
    this.leadership.begin(fence);
    this.#taking = taking;
    // They may have been switched on between the look above and now.
    await taking.prepare();
    if (takeOver) await this.#readings.untilRead('Consul nodes to take over', () => this.#adopt(owner, committer));
    return { nonce: election?.annotations.get(ANNOTATION.nonce) };
  }

  /** Writes are about to be switched on. Before this process leads it has no fence to take. */
  async prepareToWrite(): Promise<void> {
    await this.#taking?.prepare();
  }

  /** Ends this process with what waiting would not mend. */
  async orLost(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#resolveLost(error instanceof Error ? error : new Error(explainError(error)));
    }
  }

  /** Both directions run. */
  runs(witness: Pick<OwnWitness, 'known'>): void {
    this.#witness = witness;
    this.#phase = 'running';
  }

  /** Whether this process does, or may have to do at any moment, what it is here for. */
  get isReady(): boolean {
    return this.#phase !== 'starting';
  }

  /** What keeps this process from reading, from writing, or from standing by for whoever writes; one sentence each. */
  judgements(): Judgement[] {
    const judged = (source: string, why: string | undefined) => ({ source, failures: why === undefined ? [] : [why] });
    return [
      ...this.#readings.judgements(this.#phase !== 'taking over'),
      ...(this.#election ? [judged('leader', this.#whyNoLeader())] : []),
      judged('fence', this.#rival?.message ?? this.#whyFenced()),
    ];
  }

  /** Why the fence lets nothing through. While writes are off nobody moves it, and nobody needs it. */
  #whyFenced(): string | undefined {
    if (this.#options.writes.off && !this.#isDisplaced) return undefined;
    return this.#taking?.failure ?? this.#fence?.failure;
  }

  /** Why writes to Consul go without a fence; undefined while they do not, or while there are none. */
  get unfenced(): string | undefined {
    return this.#fence?.absence;
  }

  /** What somebody wrote on the Lease in vain, a sentence each. */
  get mistakes(): readonly string[] {
    return this.#mistakes.sentences;
  }

  status() {
    const standing = this.#election?.standing;
    return {
      is: this.#isDisplaced ? 'displaced' : (standing?.kind ?? 'without an election'),
      phase: this.#phase,
      identity: this.#identity,
      leader: this.#leader ?? null,
      epoch: this.#fence?.epoch ?? null,
      mistakes: this.mistakes,
    };
  }

  /** Who leads, as far as this process knows. */
  get #leader(): string | undefined {
    const standing = this.#election?.standing;
    if (standing?.kind === 'standby') return standing.leader;
    return !this.#isDisplaced && (!standing || standing.kind === 'leading') ? this.#identity : undefined;
  }

  /**
   * Gives the right to write away, if no write of ours can come late; else others wait until the Lease is over. So they do after
   * an installation with another Lease took the fence: in a rollout to that Lease they are told to stop too.
   */
  async leave(): Promise<void> {
    if (this.unfenced === undefined && !this.#rival) await this.#election?.release();
    else this.#election?.stop();
  }

  #onStanding(standing: Standing): void {
    const before = this.#before;
    this.#before = standing.kind;
    this.#context.metrics.leader.set(standing.kind === 'leading' && !this.#isDisplaced ? 1 : 0);
    if (standing.kind === 'standby') this.#phase = 'standing by';
    if (standing.kind === 'lost') this.#lose(new Error(`lead: the Lease is lost: ${standing.why}`));
    if (standing.kind !== 'leading' || this.#isDisplaced) return;
    if (before === 'suspended') return this.#options.onResumed();
    if (this.#phase === 'standing by') this.#phase = 'taking over';
    this.#resolveElected();
  }

  #onDisplaced(error: Displaced): void {
    const { log, metrics, config } = this.#context;
    this.#isDisplaced = true;
    metrics.leader.set(0);
    this.#rival = twoInstallations(config, error.found, this.#lease);
    if (!this.#rival) return this.#lose(error);
    log.error('another installation writes to Consul for this cluster, writing nothing until started anew', {
      error: this.#rival,
    });
    this.#options.onLost();
  }

  get #lease(): LeaseMark | undefined {
    const standing = this.#election?.standing;
    return standing?.kind === 'leading' || standing?.kind === 'suspended' ? standing.term : undefined;
  }

  #lose(error: Error): void {
    this.#options.onLost();
    // Without an election whoever started the other process has to decide; nothing here takes the fence again.
    if (this.#election) this.#resolveLost(error);
  }

  /**
   * Whoever cannot reach Consul would be no leader, and keep others from being one. Of Kubernetes that is not asked: the Lease is
   * there too, and a right that this process lacks every other of this account lacks as well.
   */
  get #mayAcquire(): boolean {
    return !this.#readings.failures(false).some((why) => why.startsWith(STANDBY_SOURCE));
  }

  #whyNoLeader(): string | undefined {
    const election = this.#election;
    if (!election) return undefined;
    const { standing } = election;
    if (standing.kind === 'leading') return undefined;
    if (standing.kind !== 'standby') return `leader: ${election.failure ?? whyNotLeading(standing)}`;
    if (this.#phase === 'taking over') return undefined;
    if (standing.leader !== undefined) return election.failure;
    const waits = this.#mayAcquire ? '' : ', and this process does not take the Lease before it reaches Consul';
    return `leader: ${election.failure ?? whyNotLeading(standing)}${waits}`;
  }

  /** A Lease that is gone does not say that writes are on. */
  #onLeaseSeen(annotations: ReadonlyMap<string, string> | undefined): void {
    if (!annotations) return;
    const { config } = this.#context;
    const place = leasePlace(config, findOwnPod(config.kubernetes));
    const why = readSwitch(annotations.get(ANNOTATION.writes));
    const by = `annotation ${ANNOTATION.writes} on Lease ${place?.namespace}/${place?.name} ${why}`;
    this.#options.writes.say('lease', why && by);
    this.#mistakes.note(annotations.keys());
  }

  #annotations(): Readonly<Record<string, string>> {
    const epoch = this.#fence?.epoch;
    const nonce = this.#witness?.known?.nonce;
    const released = this.#options.released();
    return {
      ...(epoch === undefined ? {} : { [ANNOTATION.epoch]: String(epoch) }),
      ...(nonce === undefined ? {} : { [ANNOTATION.nonce]: nonce }),
      ...(released === undefined ? {} : { [ANNOTATION.released]: released }),
    };
  }

  #createFence(given: Pick<FenceOptions, 'owner' | 'distrust'>): Fence {
    const { log, metrics, signal, timings } = this.#context;
    const election = this.#election;
    return new Fence({
      ...{ ...given, log, metrics, signal, clock: systemClock, holder: this.#identity },
      keyValue: switched(createKeyValue(this.#clients.consul), this.#options.writes),
      confirmLease: election && (() => leaseOf(election)),
      onDisplaced: (error) => this.#onDisplaced(error),
      latestWriteMs: timings?.latestWriteMs,
    });
  }

  /** Before the fence says that the name is ours. */
  async #assertOurName(owner: Owner): Promise<void> {
    await this.#readings.untilRead(
      'cluster of this name in Consul',
      async () => {
        const nodes = await this.#clients.nodes.list(META.cluster, owner.cluster);
        const stranger = nodes.find(({ meta }) => meta.get(META.clusterUid) !== owner.clusterUid);
        if (stranger) throw new ClusterIdentityError(owner, stranger);
      },
      (error) => error instanceof ClusterIdentityError,
    );
  }

  async #adopt(owner: Owner, committer: Committer): Promise<void> {
    const adopted = await adoptNodes({ nodes: this.#clients.nodes, committer, owner });
    this.#context.log.warn('took over what another cluster left under this name', { nodes: adopted.length });
  }
}
