import { assertWitness, decodeInstances, serviceRequest } from './catalog.ts';
import type { ConsulAnswer, ConsulClient } from './client.ts';
import { UntrustworthyAnswer } from './errors.ts';
import type { ServiceInstance } from './types.ts';

/** What is known of one service. */
export interface KnownService {
  /** As Consul spells it; look-ups ignore case. */
  spelling: string;
  /** X-Consul-Index of the last answer that was believed; 0 before. */
  index: number;
  /** Undefined until an answer was believed: not read is not empty. */
  instances?: readonly ServiceInstance[];
}

/** After a restored snapshot or a Consul that lost its data, applications need time to register again. */
const DISTRUST_MS = 10 * 60_000;

/**
 * Reads services one by one and decides what to believe. Whatever would take an instance away must come from a
 * complete, current answer about that one service, with the witness visible to the same token:
 *
 * | answer                                   | outcome                                                              |
 * |------------------------------------------|----------------------------------------------------------------------|
 * | the index that is known                  | no news; nothing changes, and it is not even decoded                 |
 * | no index, no leader, filtered            | error; nothing changes                                               |
 * | index lower than before                  | read again, confirmed by the leader; still lower: Consul went back   |
 * | an instance less, or none at first sight | taken when the witness is there and Consul did not go back in the    |
 * |                                          | last 10 minutes, else error                                          |
 * | anything else                            | taken                                                                |
 */
export class ServiceReader {
  readonly #client: ConsulClient;
  readonly #signal: AbortSignal;
  #wentBackAt = -Infinity;

  constructor(client: ConsulClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /**
   * Reads the service now; true when something that matters changed.
   * @param consistent asks the leader to confirm that it leads: for reads that decide a removal
   */
  async read(known: KnownService, consistent: boolean): Promise<boolean> {
    const request = serviceRequest(known.spelling);
    const asked = known.index;
    const answer = await this.#client.get({
      ...request,
      ...(consistent ? { query: { consistent: '' } } : {}),
      signal: this.#signal,
    });
    if (consistent && answer.index > 0 && answer.index < asked) {
      this.distrust();
      known.index = answer.index;
    }
    return consistent ? this.#judge(known, answer) : this.take(known, answer);
  }

  /** Takes in an answer about the service; true when something that matters changed. @throws UntrustworthyAnswer */
  async take(known: KnownService, answer: ConsulAnswer): Promise<boolean> {
    return known.instances && answer.index === known.index ? false : this.#judge(known, answer);
  }

  async #judge(known: KnownService, answer: ConsulAnswer): Promise<boolean> {
    const { purpose } = serviceRequest(known.spelling);
    const instances = decodeInstances(answer, known.spelling);
    if (answer.index === 0) throw new UntrustworthyAnswer(purpose, 'one without an index');
    // Overtaken by a newer answer, or a Consul that went back: only the leader can tell, and then the index starts over.
    if (answer.index < known.index) return this.read(known, true);
    const before = known.instances;
    const kept = new Set(instances.map(identity));
    const lost = before ? before.some((instance) => !kept.has(identity(instance))) : instances.length === 0;
    if (lost) await this.#assertBelievable(purpose);
    // While we asked for the witness a newer answer may have been taken.
    if (answer.index < known.index) return false;
    known.index = answer.index;
    known.instances = instances;
    return !before || fingerprint(before) !== fingerprint(instances);
  }

  /** Consul has lost data, or was put back to an older state: what is missing from it may only not be back yet. */
  distrust(): void {
    this.#wentBackAt = performance.now();
  }

  /** @throws UntrustworthyAnswer when something missing from an answer proves nothing. */
  async #assertBelievable(purpose: string): Promise<void> {
    if (performance.now() - this.#wentBackAt < DISTRUST_MS) {
      throw new UntrustworthyAnswer(
        purpose,
        'one from a Consul that went back in time: what is missing may only not be back yet',
      );
    }
    await assertWitness(this.#client, this.#signal);
  }
}

/** An ID is unique on its node only. */
function identity(instance: ServiceInstance): string {
  return `${instance.node}/${instance.id}`;
}

/** What matters to readers; a check's output and the indexes do not. */
function fingerprint(instances: readonly ServiceInstance[]): string {
  return instances
    .map((instance) => JSON.stringify({ ...instance, meta: [...instance.meta] }))
    .sort()
    .join('\n');
}
