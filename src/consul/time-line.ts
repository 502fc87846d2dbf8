import type { Clock } from '../clock.ts';
import type { Log } from '../observability/log.ts';
import { decodeServiceNames, SERVICES_REQUEST } from './catalog.ts';
import type { ConsulReader } from './client.ts';
import type { Distrust } from './distrust.ts';
import { UntrustworthyAnswer } from './errors.ts';

/** What a followed question tells of the state that it was answered from. */
export interface AnswerTimes {
  /** A question was answered before its wait was over, and its index had not moved. */
  early(purpose: string): void;
  /** A question was not answered. */
  failed(): void;
  /** Such a question was answered now. */
  answeredAgain(): void;
}

/** What was seen since Consul was last found to be no older than we know it. */
interface Doubt {
  /** Undefined when no answer came early. */
  readonly early:
    | {
        /** The leader of that time. */
        readonly leader: string;
        /** Of the list of all services, where it is certain that it is of before; else undefined. */
        readonly namesIndex: number | undefined;
      }
    | undefined;
}

export interface TimeLineOptions {
  readonly client: ConsulReader;
  readonly distrust: Distrust;
  readonly log: Log;
  readonly clock: Pick<Clock, 'now'>;
}

/**
 * A wait of 30 s is never over sooner (what Consul adds to it is random), so nothing new before that is no answer that Consul
 * gives in peace. What the list said so long ago, it said before the question began that was answered early: before Consul gave
 * up its state.
 */
export const PEACE_MS = 29_000;
const CONFIRM_ATTEMPTS = 3;

/**
 * Whether Consul still is what we know, or was put back to an older state meanwhile. Doubt after a failure costs nothing until
 * somebody wants to believe that something is gone; then, and at once after an early answer, the leader is asked for the list of
 * all services:
 *
 * | what was seen                             | the leader's list then                    | outcome                          |
 * |-------------------------------------------|-------------------------------------------|----------------------------------|
 * | any                                       | cannot be had                             | the doubt stays                  |
 * | any                                       | has a lower index than before             | time went back                   |
 * | an answer that came early                 | has the very index that it had 29 s before | no sign: no service was lost    |
 * | an answer that came early                 | comes from the leader of before           | time went back                   |
 * | an answer that came early                 | comes from another leader                 | no sign: the old leader stopped  |
 * | a question that failed, or a lower index  | has no lower index                        | no sign                          |
 *
 * An early answer is what the restore of a snapshot causes: Consul gives up the state that its questions wait on. The index may
 * have caught up by the time that anybody looks, so the answer alone is the sign; a server that stops does the same, which is why
 * the leader counts. A lone server that stops comes back as its own successor, with the index that it had: after a restore the
 * list cannot have that index unless no service was written since the snapshot, because whatever that Consul writes next has a
 * higher one. Source: hashicorp/consul agent/blockingquery, seen on 1.22.0.
 */
export class TimeLine implements AnswerTimes {
  readonly #options: TimeLineOptions;
  /** Highest index that the list of all services ever had. */
  #namesIndex = 0;
  #namesIndexAt = -Infinity;
  #leader: string;
  #doubt: Doubt | undefined;
  #confirming: Promise<void> | undefined;

  private constructor(options: TimeLineOptions, leader: string) {
    this.#options = options;
    this.#leader = leader;
  }

  /** @throws ConsulError when the leader could not be read */
  static async read(options: TimeLineOptions): Promise<TimeLine> {
    return new TimeLine(options, await readLeader(options.client));
  }

  /** The highest index that the list of all services is known to have had. */
  get namesIndex(): number {
    return this.#namesIndex;
  }

  /** An earlier run has seen the list of all services with that index. */
  remember(namesIndex: number): void {
    this.#raise(namesIndex);
  }

  early(purpose: string): void {
    this.#options.log.info('Consul answered before it had to, with nothing new', { query: purpose });
    this.#doubt = { early: this.#doubt?.early ?? this.#before() };
    this.#confirmSoon();
  }

  failed(): void {
    this.#doubt = { early: this.#doubt?.early };
  }

  answeredAgain(): void {
    if (this.#doubt?.early) this.#confirmSoon();
  }

  /** The list of all services was answered with that index, whatever its filter; 0 when Consul told none. */
  async takeNamesIndex(index: number): Promise<void> {
    if (index === 0 || index >= this.#namesIndex) return this.#raise(index);
    this.failed();
    await this.assertUnbroken();
  }

  /**
   * Resolves when Consul is known to be no older than it was. Time that went back is for `Distrust` to know.
   * @throws ConsulError, UntrustworthyAnswer while that cannot be found out
   */
  async assertUnbroken(): Promise<void> {
    for (let attempt = 0; this.#doubt && attempt < CONFIRM_ATTEMPTS; attempt++) await this.#confirm();
    if (this.#doubt)
      throw new UntrustworthyAnswer(SERVICES_REQUEST.purpose, 'connections to Consul that break again and again');
  }

  /** Whatever Consul takes in meanwhile hides what happened. */
  #confirmSoon(): void {
    this.#confirm().catch((error: unknown) =>
      this.#options.log.warn('whether Consul went back in time is not known yet', { error }),
    );
  }

  #raise(namesIndex: number): void {
    if (namesIndex <= this.#namesIndex) return;
    this.#namesIndex = namesIndex;
    this.#namesIndexAt = this.#options.clock.now();
  }

  /** What is known of the time before an answer that came early. */
  #before(): NonNullable<Doubt['early']> {
    const isSettled = this.#options.clock.now() - this.#namesIndexAt >= PEACE_MS;
    return { leader: this.#leader, namesIndex: isSettled ? this.#namesIndex : undefined };
  }

  #confirm(): Promise<void> {
    this.#confirming ??= this.#askLeader().finally(() => (this.#confirming = undefined));
    return this.#confirming;
  }

  async #askLeader(): Promise<void> {
    const { client, distrust, log } = this.#options;
    const doubt = this.#doubt;
    // What comes meanwhile may be newer than the leader's answer.
    const known = this.#namesIndex;
    const answer = await client.get({ ...SERVICES_REQUEST, query: { consistent: '' } });
    decodeServiceNames(answer);
    if (answer.index === 0) throw new UntrustworthyAnswer(SERVICES_REQUEST.purpose, 'one without an index');
    const leader = await readLeader(client);
    const isSame = answer.index === doubt?.early?.namesIndex;
    if (answer.index < known) {
      distrust.begin('lower-names-index');
      this.#namesIndex = answer.index;
    } else if (doubt?.early?.leader === leader && !isSame) distrust.begin('early-answer');
    else if (leader !== this.#leader) log.info('Consul has another leader', { before: this.#leader, leader });
    this.#raise(answer.index);
    this.#leader = leader;
    // What was seen since the question needs another answer. Early answers come together: those after the first say no more.
    if (this.#doubt === doubt) this.#doubt = undefined;
    else if (doubt?.early && !isSame) this.#doubt = { early: undefined };
  }
}

async function readLeader(client: ConsulReader): Promise<string> {
  const purpose = 'read the leader of Consul';
  const { body } = await client.get({ purpose, path: '/status/leader' });
  if (typeof body !== 'string' || body === '') throw new UntrustworthyAnswer(purpose, 'no leader');
  return body;
}
