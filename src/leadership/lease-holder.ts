import type { Clock } from '../clock.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import { microTime, type Lease, type LeaseApi, type LeaseContent, type LeaseName } from '../kubernetes/lease.ts';
import { isNewer } from '../kubernetes/resource-version.ts';
import { ANNOTATION, LABEL, MANAGED_BY } from '../mark.ts';
import { isInTime, nextStep, see, type ElectionTimes, type Sighting, type Step, type Term } from './election-rules.ts';
import { LeaseOfAnother } from './lease-errors.ts';

export interface LeaseHolderOptions {
  readonly api: LeaseApi;
  readonly lease: LeaseName;
  /** Of the installation: a Lease with the label of another is not ours to take. */
  readonly cluster: string;
  /** Another for each process: a Lease that names it is ours. */
  readonly identity: string;
  /** Asked at each write of the Lease: what of ours is to be on it. */
  readonly annotations: () => Readonly<Record<string, string>>;
  /** Asked before the Lease is made or taken: whether this process could do what a leader is there for. */
  readonly mayAcquire: () => boolean;
  /** Asked at each look: the annotation `consular.dev/release` stays on the Lease until a request can be carried out. */
  readonly mayTakeRequest: () => boolean;
  /**
   * Told of the annotation `consular.dev/release` while we lead. The next write takes it from the Lease, and with it what
   * became of an earlier request, unless `annotations` says that anew.
   */
  readonly onReleaseRequest: (text: string) => void;
  /** Told what is on the Lease, at each look and write; of none when there is no Lease. */
  readonly onSeen?: ((annotations: ReadonlyMap<string, string> | undefined) => void) | undefined;
  /** Told after each write. */
  readonly onHeld: (term: Term) => void;
  readonly times: ElectionTimes;
  readonly clock: Clock;
}

const NO_ANNOTATIONS: ReadonlyMap<string, string> = new Map();
/** Others may write the Lease too; who loses so often in a row looks again after the usual distance. */
const MOST_TRIES = 5;
/** An outcome of an earlier request is none of this one. */
const TAKEN = { [ANNOTATION.release]: undefined, [ANNOTATION.released]: undefined };
/** Of a release: whoever waits for it is about to end. */
const RELEASE_MS = 500;

/**
 * Looks at the Lease, and writes what the rules ask for. Each look is a consistent read, so a change by somebody else is seen
 * before our write, or makes that fail. Whoever calls waits for one call before the next.
 */
export class LeaseHolder {
  readonly #options: LeaseHolderOptions;
  #sighting: Sighting | undefined;
  /** The Lease of the last look or write. */
  #lease: Lease | undefined;
  #term: Term | undefined;
  /** A write of the Lease was sent, whatever became of it. */
  #hasWritten = false;
  #lost: string | undefined;
  #hasEnded = false;
  /** Ends the request that is on its way. */
  #request = new AbortController();
  /** What the last Lease that was seen says of writes. Whoever deletes the Lease has not said that they are on. */
  #switch: string | undefined;
  /** A request of an operator that we were told, and that may still be on the Lease. */
  #taken: string | undefined;

  constructor(options: LeaseHolderOptions) {
    this.#options = options;
  }

  get sighting(): Sighting | undefined {
    return this.#sighting;
  }

  /** Of the Lease as it was last seen. */
  get annotations(): ReadonlyMap<string, string> {
    return this.#lease?.annotations ?? NO_ANNOTATIONS;
  }

  /** Since we have held the Lease, whether or not we may act. */
  get term(): Term | undefined {
    return this.#term;
  }

  /** Whether the Lease may be ours: also when the answer to our very first write has not come. */
  get mayHold(): boolean {
    return this.#hasWritten;
  }

  /** Why the Lease is ours no more. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /** Whether an operator's request is on the Lease that nobody has been told of, and could be. */
  get hasRequest(): boolean {
    const isThere = this.#lease?.annotations.has(ANNOTATION.release) === true && this.#taken === undefined;
    return isThere && this.#options.mayTakeRequest();
  }

  /** True of a version that is newer than what we know of the Lease. */
  isNews(version: string): boolean {
    return !this.#lease || isNewer(version, this.#lease.resourceVersion);
  }

  /** @throws KubernetesError or Error when the API server refuses, or does not answer in time; LeaseOfAnother */
  async look(): Promise<void> {
    for (let tries = 1; !this.#isOver; tries++) {
      await this.#read();
      try {
        return await this.#act();
      } catch (error) {
        // The Lease has changed since it was read, in whatever way.
        if (!isOutrun(error) || tries === MOST_TRIES) throw error;
      }
    }
  }

  /** Whether the API server says, now, that the Lease is ours. @throws as `look` */
  async confirm(): Promise<boolean> {
    if (!this.#term || this.#isOver) return false;
    await this.#read();
    const step = this.nextStep();
    if (step?.kind === 'lost') this.#lost = step.why;
    return step?.kind === 'renew';
  }

  nextStep(): Step | undefined {
    const { identity, clock, times } = this.#options;
    return this.#sighting && nextStep(this.#sighting, this.#term, identity, clock.now(), times);
  }

  /** Ends what is on its way; from now on nothing is written but by `giveAway`. */
  end(): void {
    this.#hasEnded = true;
    this.#request.abort(new Error('the election has ended'));
  }

  /**
   * Lets others have the Lease, within half a second.
   * @returns false when it never was ours
   * @throws as `look`, and Error when it is not ours any more
   */
  async giveAway(): Promise<boolean> {
    const { api, identity } = this.#options;
    return this.#within(RELEASE_MS, async (signal) => {
      for (let lease = this.#term ? this.#lease : await api.read(signal); ; lease = await api.read(signal)) {
        if (!this.#term && lease?.holderIdentity !== identity) return false;
        const observed = this.#expectOurs(lease);
        try {
          await api.replace(observed, { record: this.#released(observed), labels: {}, annotations: {} }, signal);
          return true;
        } catch (error) {
          if (!isOutrun(error)) throw error;
        }
      }
    });
  }

  get #isOver(): boolean {
    return this.#lost !== undefined || this.#hasEnded;
  }

  async #read(): Promise<void> {
    const { api, lease: place, cluster } = this.#options;
    const lease = await this.#within(this.#requestMs, (signal) => api.read(signal));
    const found = lease?.labels.get(LABEL.cluster) ?? cluster;
    if (found !== cluster) throw new LeaseOfAnother(place, cluster, found);
    this.#know(lease);
  }

  #know(lease: Lease | undefined): void {
    this.#lease = lease;
    this.#sighting = see(this.#sighting, lease, this.#options.clock.now());
    if (lease) this.#switch = lease.annotations.get(ANNOTATION.writes);
    this.#options.onSeen?.(lease?.annotations);
    if (lease?.annotations.get(ANNOTATION.release) !== this.#taken) this.#taken = undefined;
  }

  async #act(): Promise<void> {
    const step = this.nextStep();
    switch (step?.kind) {
      case undefined:
      case 'wait':
        return;
      case 'lost':
        this.#lost = step.why;
        return;
      case 'create':
      case 'acquire':
        if (!this.#term && !this.#options.mayAcquire()) return;
        return this.#write(step.transitions, undefined);
      case 'renew':
        this.#takeRequest();
        return this.#write(this.#lease?.leaseTransitions ?? 0, this.#lease?.acquireTime);
    }
  }

  /** A request that comes between the look and the write makes the write fail, and the next look sees it. */
  #takeRequest(): void {
    const { mayTakeRequest, onReleaseRequest, clock, times } = this.#options;
    const request = this.#lease?.annotations.get(ANNOTATION.release);
    if (request === undefined || request === this.#taken || !mayTakeRequest()) return;
    if (!this.#term || !isInTime(this.#term, clock.now(), times)) return;
    this.#taken = request;
    onReleaseRequest(request);
  }

  async #write(leaseTransitions: number, acquireTime: string | undefined): Promise<void> {
    const { api, identity, cluster, annotations, times, clock } = this.#options;
    const observed = this.#lease;
    const renewedMs = clock.now();
    const renewTime = microTime(clock.date());
    const content: LeaseContent = {
      record: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(times.leaseMs / 1000),
        acquireTime: acquireTime ?? renewTime,
        ...{ renewTime, leaseTransitions },
      },
      labels: { [LABEL.managedBy]: MANAGED_BY, [LABEL.cluster]: cluster },
      annotations: {
        ...(this.#taken !== undefined && TAKEN),
        ...(!observed && this.#switch !== undefined && { [ANNOTATION.writes]: this.#switch }),
        ...annotations(),
      },
    };
    this.#hasWritten = true;
    const written = await this.#within(this.#requestMs, (signal) =>
      observed ? api.replace(observed, content, signal) : api.create(content, signal),
    );
    if (this.#isOver) return;
    this.#know(written);
    this.#term = { uid: written.uid, transitions: leaseTransitions, renewedMs };
    this.#options.onHeld(this.#term);
  }

  #expectOurs(lease: Lease | undefined): Lease {
    const { lease: place, identity } = this.#options;
    const term = this.#term ?? { uid: lease?.uid, transitions: lease?.leaseTransitions };
    const isOurs =
      lease?.holderIdentity === identity && lease.uid === term.uid && lease.leaseTransitions === term.transitions;
    if (lease && isOurs) return lease;
    throw new Error(
      `update Lease ${place.namespace}/${place.name}: expected ${identity} as its holder, found ${lease?.holderIdentity || 'nobody'}`,
    );
  }

  /** As client-go: whoever believes the duration waits for one second at most. */
  #released({ leaseTransitions }: Lease): LeaseContent['record'] {
    const now = microTime(this.#options.clock.date());
    return { holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now, leaseTransitions };
  }

  /** An answer that does not come must leave time for another try, on another connection. */
  get #requestMs(): number {
    return this.#options.times.renewMs / 2;
  }

  async #within<T>(ms: number, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const request = new AbortController();
    this.#request = request;
    const cancel = this.#options.clock.after(ms, () =>
      request.abort(new Error(`expected an answer within ${Math.round(ms)} ms, found none`)),
    );
    try {
      return await ask(request.signal);
    } finally {
      cancel();
    }
  }
}

/** Somebody has written the Lease, deleted it or made it since it was read. */
function isOutrun(error: unknown): boolean {
  return hasStatus(error, 409) || (hasStatus(error, 404) && error.purpose.verb === 'update');
}
