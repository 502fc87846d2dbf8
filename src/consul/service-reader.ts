import { decodeInstances, instancesRequest } from './catalog.ts';
import { assertWitness } from './catalog-reader.ts';
import type { ConsulAnswer, ConsulReader } from './client.ts';
import { Distrust } from './distrust.ts';
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

/**
 * Reads services one by one and decides what to believe. Whatever would take an instance away must come from a
 * complete, current answer about that one service, with the witness visible to the same token:
 *
 * | answer                                   | outcome                                                              |
 * |------------------------------------------|----------------------------------------------------------------------|
 * | the index that is known                  | no news; nothing changes, and it is not even decoded                 |
 * | no index, no leader, filtered            | error; nothing changes                                               |
 * | index lower than before                  | read again, confirmed by the leader; still lower: Consul went back   |
 * | an instance less, or none at first sight | taken when the witness is there, else error                          |
 * | ... and Consul went back a while ago     | what it has is taken, what it has not stays; error: read again       |
 * | anything else                            | taken                                                                |
 */
export class ServiceReader {
  readonly #client: ConsulReader;
  readonly #signal: AbortSignal;
  readonly #onPart: (known: KnownService) => void;
  readonly distrust: Distrust;

  /** @param onPart told when something that matters changed by an answer that is an error all the same */
  constructor(
    client: ConsulReader,
    signal: AbortSignal,
    onPart: (known: KnownService) => void = () => undefined,
    distrust = new Distrust(),
  ) {
    this.#client = client;
    this.#signal = signal;
    this.#onPart = onPart;
    this.distrust = distrust;
  }

  /**
   * Reads the service now; true when something that matters changed.
   * @param consistent asks the leader to confirm that it leads: for reads that decide a removal
   */
  async read(known: KnownService, consistent: boolean): Promise<boolean> {
    const request = instancesRequest(known.spelling);
    const asked = known.index;
    const answer = await this.#client.get({
      ...request,
      ...(consistent ? { query: { consistent: '' } } : {}),
      signal: this.#signal,
    });
    if (consistent && answer.index > 0 && answer.index < asked) {
      this.distrust.begin();
      // Whatever comes is news, until an answer is believed as a whole.
      known.index = 0;
    }
    return consistent ? this.#judge(known, answer) : this.take(known, answer);
  }

  /** Takes in an answer about the service; true when something that matters changed. @throws UntrustworthyAnswer */
  async take(known: KnownService, answer: ConsulAnswer): Promise<boolean> {
    return known.instances && answer.index === known.index ? false : this.#judge(known, answer);
  }

  async #judge(known: KnownService, answer: ConsulAnswer): Promise<boolean> {
    const { purpose } = instancesRequest(known.spelling);
    const instances = decodeInstances(answer, known.spelling);
    if (answer.index === 0) throw new UntrustworthyAnswer(purpose, 'one without an index');
    // Overtaken by a newer answer, or a Consul that went back: only the leader can tell, and then the index starts over.
    if (answer.index < known.index) return this.read(known, true);
    const before = known.instances;
    const present = new Set(instances.map(identity));
    const missing = before?.filter((instance) => !present.has(identity(instance)));
    if (missing ? missing.length > 0 : instances.length === 0) {
      if (this.distrust.lostAt) this.#takePart(known, instances, missing);
      else await assertWitness(this.#client, this.#signal);
    }
    // While we asked for the witness a newer answer may have been taken.
    if (answer.index < known.index) return false;
    known.index = answer.index;
    known.instances = instances;
    return !before || fingerprint(before) !== fingerprint(instances);
  }

  /**
   * An instance that is missing proves nothing, and one that is there is as true as ever. The index stays, so that the
   * next answer is news even if nothing has changed by then.
   * @throws UntrustworthyAnswer always
   */
  #takePart(
    known: KnownService,
    instances: readonly ServiceInstance[],
    missing: readonly ServiceInstance[] = [],
  ): never {
    const { instances: before } = known;
    if (before) {
      // Registered anew under another ID it is the same one, and its health is what it says now.
      const taken = new Set(instances.map(location));
      const merged = [...instances, ...missing.filter((instance) => !taken.has(location(instance)))];
      known.instances = merged;
      if (fingerprint(before) !== fingerprint(merged)) this.#onPart(known);
    }
    throw new UntrustworthyAnswer(
      instancesRequest(known.spelling).purpose,
      'one from a Consul that went back in time: what is missing may only not be back yet',
    );
  }
}

/** An ID is unique on its node only. */
function identity(instance: ServiceInstance): string {
  return `${instance.node}/${instance.id}`;
}

function location({ address, nodeAddress, port }: ServiceInstance): string {
  return `${address || nodeAddress} ${port}`;
}

/** What matters to readers; a check's output and the indexes do not. */
function fingerprint(instances: readonly ServiceInstance[]): string {
  return instances
    .map((instance) => JSON.stringify({ ...instance, meta: [...instance.meta] }))
    .sort()
    .join('\n');
}
