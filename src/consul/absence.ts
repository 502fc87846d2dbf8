import type { ConsulClient } from './client.ts';
import { explainLoss, type Distrust } from './distrust.ts';
import type { TimeLine } from './time-line.ts';
import type { Witness } from './witness.ts';

/** Something is missing from an answer, and may be there all the same. */
export class NotBelieved extends Error {
  /** Milliseconds until it can be believed at the earliest; undefined when nobody knows. */
  readonly inMs: number | undefined;

  constructor(purpose: string, why: string, inMs?: number, cause?: unknown) {
    super(`${purpose}: something is missing, which is not believed to be gone: ${why}`, { cause });
    this.name = 'NotBelieved';
    this.inMs = inMs;
  }
}

export interface AbsenceOptions {
  readonly distrust: Distrust;
  readonly timeLine: Pick<TimeLine, 'assertUnbroken'>;
  readonly witness: Witness;
  /** Whose token shows what is there. */
  readonly client: Pick<ConsulClient, 'tokenTerm'>;
  readonly signal: AbortSignal;
}

/**
 * When something that is missing from a complete and current answer of Consul is believed to be gone:
 *
 * | time went back in the last ten minutes | Consul is known to be no older than it was | the witness is there | believed |
 * |----------------------------------------|---------------------------------------------|----------------------|----------|
 * | yes                                    |                                             |                      | no       |
 * | no                                     | no: it cannot be asked                      |                      | no       |
 * | no                                     | yes                                         | no                   | no       |
 * | no                                     | yes                                         | yes                  | yes      |
 *
 * The witness is read after the answer and with the same token: one with less rights shows less. The first question is asked once more at the end: whatever happened before the
 * answer was given is noticed by then. Whoever asks while it is being read shares the next reading with all others who do.
 */
export class Absence {
  readonly #options: AbsenceOptions;
  #reading: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(options: AbsenceOptions) {
    this.#options = options;
  }

  /**
   * @param purpose what was asked, for the error
   * @param tokenTerm of the answer
   * @throws NotBelieved when what is missing may be there all the same
   */
  async assertBelievable(purpose: string, tokenTerm: number): Promise<void> {
    this.#assertTrusted(purpose);
    this.#assertSameToken(purpose, tokenTerm);
    try {
      await (this.#next ??= this.#readNext());
    } catch (cause) {
      throw new NotBelieved(purpose, 'nobody knows whether the answer shows everything', undefined, cause);
    }
    this.#assertTrusted(purpose);
    this.#assertSameToken(purpose, tokenTerm);
  }

  /** Of the token that the next request is sent with, as far as that is known. */
  get tokenTerm(): number {
    return this.#options.client.tokenTerm;
  }

  /** Begins when the last reading is over. */
  async #readNext(): Promise<void> {
    await this.#reading.catch(() => undefined);
    this.#next = undefined;
    await (this.#reading = this.#read());
  }

  async #read(): Promise<void> {
    const { timeLine, witness, signal } = this.#options;
    await timeLine.assertUnbroken();
    await witness.assertThere(signal);
    await timeLine.assertUnbroken();
  }

  #assertSameToken(purpose: string, tokenTerm: number): void {
    if (tokenTerm !== this.tokenTerm)
      throw new NotBelieved(purpose, 'the token was replaced since, and the one before may have had less rights');
  }

  #assertTrusted(purpose: string): void {
    const { loss, remainingMs } = this.#options.distrust;
    if (loss) throw new NotBelieved(purpose, explainLoss(loss), remainingMs);
  }
}
