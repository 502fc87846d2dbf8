import { inBackground } from '../background.ts';
import { sleep } from '../backoff.ts';
import { systemClock, type Clock } from '../clock.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import { explainError, type Log } from '../observability/log.ts';
import { ELECTION_TIMES, isInTime, liveHolder, type ElectionTimes, type Term } from './election-rules.ts';
import { namedRight } from './lease-errors.ts';
import { LeaseHolder, type LeaseHolderOptions } from './lease-holder.ts';
import { LeaseWatch } from './lease-watch.ts';
import { standingTeller, type Standing } from './standing.ts';

export interface ElectionOptions extends Omit<LeaseHolderOptions, 'onHeld' | 'times' | 'clock'> {
  /** Told whenever our standing becomes one of another kind, or another leader is seen; of `lost` as the last one. */
  readonly onStanding: (standing: Standing) => void;
  readonly log: Log;
  /** @default those of client-go */
  readonly times?: ElectionTimes;
  /** @default that of the process */
  readonly clock?: Clock;
  /** @default Math.random */
  readonly random?: () => number;
}

/** client-go's: a standby looks after 1 to 2.2 times the distance. */
const JITTER = 1.2;
/** Between looks that we have no right to. */
const LONGEST_WAIT_MS = 10_000;

/**
 * Of several processes with one Lease at most one leads. The rules are in `election-rules.ts`; this is the loop around them:
 * it looks at the Lease every 2 s, and as soon as a watch tells that the Lease changed.
 */
export class Election {
  readonly #options: ElectionOptions;
  readonly #times: ElectionTimes;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #holder: LeaseHolder;
  readonly #name: string;
  readonly #tell: (standing: Standing, failure: string | undefined) => void;
  readonly #stop = new AbortController();
  #watch: LeaseWatch | undefined;
  #failure: string | undefined;
  /** Looks in a row that we had no right to. */
  #refusals = 0;
  /** The newest change that the watch told. */
  #news: string | undefined;
  #wake = new AbortController();
  /** Looks and writes come one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #cancelDeadline = (): void => undefined;

  constructor(options: ElectionOptions) {
    const { lease, identity, log, onStanding } = options;
    this.#options = options;
    this.#times = options.times ?? ELECTION_TIMES;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#name = `${lease.namespace}/${lease.name}`;
    this.#failure = `get Lease ${this.#name}: not looked at yet`;
    this.#tell = standingTeller(log, { lease: this.#name, identity }, onStanding);
    const onHeld = (term: Term) => this.#onHeld(term);
    this.#holder = new LeaseHolder({ ...options, onHeld, times: this.#times, clock: this.#clock });
  }

  start(): void {
    const { api, lease, log } = this.#options;
    this.#watch = new LeaseWatch({
      ...{ api, lease, log, clock: this.#clock, random: this.#random },
      onNews: (version) => this.#onNews(version),
      retryMs: this.#times.retryMs,
      signal: this.#stop.signal,
    });
    inBackground(this.#run());
  }

  /** Whether we may write now. Cheap: to be asked before each write. */
  isLeading(nowMs = this.#clock.now()): boolean {
    const { term } = this.#holder;
    return !this.#isOver && term !== undefined && isInTime(term, nowMs, this.#times);
  }

  get standing(): Standing {
    const { lost, term, sighting } = this.#holder;
    if (lost !== undefined) return { kind: 'lost', why: lost };
    if (this.#stop.signal.aborted) return { kind: 'ended' };
    if (term) return { kind: this.isLeading() ? 'leading' : 'suspended', term };
    return { kind: 'standby', leader: sighting && liveHolder(sighting, this.#clock.now(), this.#times) };
  }

  /** Why the Lease cannot be looked at, written or followed; a missing right is named. Undefined while all is well. */
  get failure(): string | undefined {
    return this.#failure ?? this.#watch?.failure;
  }

  /** Of the Lease as it was last seen: what the leader before us wrote is among them until we write our own. */
  get annotations(): ReadonlyMap<string, string> {
    return this.#holder.annotations;
  }

  /**
   * Asks the API server whether the Lease is ours now.
   * @returns false too when it is, and we may not act for want of a renewal
   * @throws KubernetesError or Error when the API server does not say
   */
  async confirm(): Promise<boolean> {
    const isOurs = await this.#serially(() => this.#holder.confirm());
    this.#tellStanding();
    return isOurs && this.isLeading();
  }

  /** Looks no more, and leads no more. The Lease stays as it is, and is over when nobody renews it. */
  stop(): void {
    this.#stop.abort();
    this.#wake.abort();
    this.#holder.end();
    this.#cancelDeadline();
  }

  /**
   * Stops, and lets others have the Lease at once where it is ours still.
   * @returns whether it was given away; what takes longer than half a second is given up
   */
  async release(): Promise<boolean> {
    const mayBeHeld = !this.#isOver && this.#holder.mayHold;
    this.stop();
    await this.#last;
    if (!mayBeHeld || this.#holder.lost !== undefined) return false;
    const { log } = this.#options;
    try {
      if (!(await this.#holder.giveAway())) return false;
      log.info('released the Lease', { lease: this.#name });
      return true;
    } catch (error) {
      log.warn('could not release the Lease, others wait until it is over', { lease: this.#name, error });
      return false;
    }
  }

  get #isOver(): boolean {
    return this.#holder.lost !== undefined || this.#stop.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      // What went wrong is told already.
      await this.#serially(() => this.#look()).catch(() => undefined);
      await this.#pause();
    }
  }

  /** A look at the Lease, and what follows from it. */
  async #look(): Promise<void> {
    const { log, lease } = this.#options;
    this.#news = undefined;
    try {
      await this.#holder.look();
      this.#failure = undefined;
      this.#refusals = 0;
    } catch (error) {
      if (this.#stop.signal.aborted) throw error;
      const named = namedRight(error, lease);
      this.#refusals = hasStatus(error, 403) ? this.#refusals + 1 : 0;
      this.#failure = explainError(named);
      log.warn('cannot look at the Lease or write it, will try again', { lease: this.#name, error: named });
      throw named;
    } finally {
      this.#tellStanding();
    }
  }

  /** Up to the next look: its time has come, or the watch told something that we do not know. */
  async #pause(): Promise<void> {
    this.#wake = new AbortController();
    const isNews = this.#news !== undefined && this.#holder.isNews(this.#news);
    if (!isNews && !this.#isOver) await sleep(this.#pauseMs(), this.#wake.signal, this.#clock);
  }

  #pauseMs(): number {
    const { retryMs } = this.#times;
    // Somebody asked before there was a leader: the next look is the leader's.
    if (this.#holder.term) return this.#holder.hasRequest && this.#failure === undefined ? 0 : retryMs;
    const ms = retryMs * (1 + JITTER * this.#random());
    if (this.#refusals > 1) return Math.min(LONGEST_WAIT_MS, ms * 2 ** (this.#refusals - 1));
    const step = this.#holder.nextStep();
    // Not later than the end of a leader's time, and never without a pause.
    return step?.kind === 'wait' ? Math.max(1, Math.min(ms, step.untilMs - this.#clock.now())) : ms;
  }

  #onNews(version: string): void {
    if (!this.#holder.isNews(version)) return;
    this.#news = version;
    this.#wake.abort();
  }

  #onHeld({ renewedMs }: Term): void {
    this.#tellStanding();
    this.#cancelDeadline();
    const endMs = renewedMs + this.#times.renewMs;
    this.#cancelDeadline = this.#clock.after(endMs - this.#clock.now() + 1, () => this.#tellStanding());
  }

  #tellStanding(): void {
    if (this.#holder.lost !== undefined) this.stop();
    this.#tell(this.standing, this.#failure);
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work);
    this.#last = run.catch(() => undefined);
    return run;
  }
}
