import type { Absence } from './absence.ts';
import { instancesRequest } from './catalog.ts';
import type { ConsulAnswer, ConsulReader, ConsulRequest } from './client.ts';
import { UntrustworthyAnswer } from './errors.ts';
import { identity, lookThrough, type Look } from './instance-filter.ts';
import type { ServiceInstance } from './types.ts';

/** Asks the leader to confirm that it leads. */
const CONSISTENT = { consistent: '' };

/** What is known of one service. */
export interface KnownService {
  /** As Consul spells it; look-ups ignore case. */
  spelling: string;
  /** X-Consul-Index of the last answer; 0 when it was not believed as a whole, and before there is one. */
  index: number;
  /** Undefined until an answer was believed: not read is not empty. */
  instances?: readonly ServiceInstance[];
  /** True when what these instances do not have is known to be gone; an earlier run may have seen more. */
  isComplete: boolean;
}

/** What a reader tells, and which instances it marks. */
interface Listener {
  /** In Consul's filter language; instances that it does not select are left out. @default none */
  readonly filter?: string;
  /** Told when something that matters changed by an answer that is an error all the same. */
  readonly onPart?: (known: KnownService) => void;
  /** Told what an answer has that is taken, in whole or in part. */
  readonly onAnswer?: (known: KnownService, instances: readonly ServiceInstance[]) => void;
}

/**
 * Reads services one by one and decides what to believe. Whatever would take an instance away must come from a
 * complete, current answer about that one service, and its absence must be believable (see Absence):
 *
 * | answer                                      | outcome                                                           |
 * |---------------------------------------------|-------------------------------------------------------------------|
 * | the index that is known                     | no news; nothing changes, and it is not even decoded              |
 * | no index, no leader, filtered               | error; nothing changes                                            |
 * | index lower than before                     | read again, confirmed by the leader, and judged by the other rows: the index of a name goes back when its last instance gets another name |
 * | nothing is missing that was known           | taken                                                             |
 * | an instance less, or one less that the filter selects | taken when absence is believable                        |
 * | at first sight: who knows what was there    | the same                                                          |
 * | ... and absence is not believable           | what it has is taken, what it has not stays; error: read again    |
 * | asked for to decide a removal               | as if something were missing                                      |
 */
export class ServiceReader {
  readonly #client: ConsulReader;
  readonly #signal: AbortSignal;
  readonly #absence: Pick<Absence, 'assertBelievable'>;
  readonly #listener: Listener;

  constructor(
    client: ConsulReader,
    signal: AbortSignal,
    absence: Pick<Absence, 'assertBelievable'>,
    listener: Listener = {},
  ) {
    this.#client = client;
    this.#signal = signal;
    this.#absence = absence;
    this.#listener = listener;
  }

  /** Reads the service now; true when something that matters changed. */
  async read(known: KnownService): Promise<boolean> {
    return this.take(known, await this.#ask(known));
  }

  /**
   * The same for a read that decides a removal: the leader confirms that it leads, and the absence of whatever the answer does
   * not have must be believable, whether it was known before or not.
   * @throws UntrustworthyAnswer when nothing may be removed on that answer
   */
  async confirm(known: KnownService): Promise<boolean> {
    const { index } = known;
    const answer = await this.#ask(known, CONSISTENT);
    if (known.index !== index && answer.index < known.index) this.#overtaken(known, true);
    return this.#judge(known, answer, true);
  }

  /**
   * Takes in an answer about the service; true when something that matters changed.
   * @throws UntrustworthyAnswer; NotBelieved when it was taken in part
   */
  async take(known: KnownService, answer: ConsulAnswer): Promise<boolean> {
    const { index } = known;
    if (known.instances && answer.index === index) return false;
    if (answer.index === 0 || answer.index > index) return this.#judge(known, answer, false);
    // Overtaken by a newer answer, or an index that went back: only the leader can tell.
    const confirmed = await this.#ask(known, CONSISTENT);
    // Or by another while the leader was asked.
    if (known.index !== index && confirmed.index < known.index) return false;
    return this.#judge(known, confirmed, false);
  }

  #ask(known: KnownService, query: ConsulRequest['query'] = {}): Promise<ConsulAnswer> {
    return this.#client.get({ ...instancesRequest(known.spelling), query, signal: this.#signal });
  }

  async #judge(known: KnownService, answer: ConsulAnswer, isRemoval: boolean): Promise<boolean> {
    const { spelling, index } = known;
    const { purpose } = instancesRequest(spelling);
    if (answer.index === 0) throw new UntrustworthyAnswer(purpose, 'one without an index');
    const ask = (query: ConsulRequest['query']) => this.#ask(known, { ...query, ...(isRemoval ? CONSISTENT : {}) });
    const look = await lookThrough(spelling, answer, this.#listener.filter ?? '', ask);
    // While Consul was asked what the filter selects another answer may have been taken.
    const isOvertaken = () => known.index !== index && known.index >= look.index;
    if (isOvertaken()) return this.#overtaken(known, isRemoval);
    if (isRemoval || !known.isComplete || isLess(known, look.instances)) {
      const doubt = await this.#doubt(purpose, look.tokenTerm);
      // Or while it was found out.
      if (isOvertaken()) return this.#overtaken(known, isRemoval);
      if (doubt !== undefined) return this.#takePart(known, look.instances, doubt);
    }
    return this.#takeWhole(known, look);
  }

  #takeWhole(known: KnownService, { instances, index }: Look): boolean {
    const { instances: before, isComplete: wasComplete } = known;
    Object.assign(known, { index, instances, isComplete: true });
    this.#listener.onAnswer?.(known, instances);
    return !before || !wasComplete || fingerprint(before) !== fingerprint(instances);
  }

  /** @throws UntrustworthyAnswer when a removal was to be decided on the answer */
  #overtaken(known: KnownService, isRemoval: boolean): false {
    if (!isRemoval) return false;
    throw new UntrustworthyAnswer(instancesRequest(known.spelling).purpose, 'one that a newer one has overtaken');
  }

  /** Why what is missing may not be gone; undefined when it is. */
  async #doubt(purpose: string, tokenTerm: number): Promise<unknown> {
    try {
      await this.#absence.assertBelievable(purpose, tokenTerm);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /**
   * An instance that is missing proves nothing, and one that is there is as true as ever; an answer with none says nothing at
   * first sight. No index is known then, so that the next answer is news even if nothing has changed by then, and so that no
   * question waits for an index of a lost time. What was selected is not believed to be left out, and its health is what it says now.
   * @throws the doubt, always
   */
  #takePart(known: KnownService, shown: readonly ServiceInstance[], doubt: unknown): never {
    const { instances: before } = known;
    const selected = selectedOf(before ?? []);
    const instances = shown.map((one) => (selected.has(identity(one)) ? { ...one, isLeftOut: false } : one));
    known.index = 0;
    if (before || instances.length > 0) {
      // Registered anew under another ID it is the same one, and its health is what it says now.
      const taken = new Set(instances.map(location));
      const staying = missingFrom(known, instances).filter((instance) => !taken.has(location(instance)));
      const merged = [...instances, ...staying];
      known.instances = merged;
      this.#listener.onAnswer?.(known, instances);
      if (!before || fingerprint(before) !== fingerprint(merged)) this.#listener.onPart?.(known);
    }
    throw doubt;
  }
}

/** What is known of a service, and not in an answer about it. */
function missingFrom(
  { instances: known = [] }: KnownService,
  instances: readonly ServiceInstance[],
): readonly ServiceInstance[] {
  const present = new Set(instances.map(identity));
  return known.filter((instance) => !present.has(identity(instance)));
}

/** Something that was known is missing, or was selected and is left out. */
function isLess(known: KnownService, instances: readonly ServiceInstance[]): boolean {
  const selected = selectedOf(instances);
  const isLost = [...selectedOf(known.instances ?? [])].some((one) => !selected.has(one));
  return isLost || missingFrom(known, instances).length > 0;
}

function selectedOf(instances: readonly ServiceInstance[]): ReadonlySet<string> {
  return new Set(instances.filter(({ isLeftOut }) => !isLeftOut).map(identity));
}

function location({ address, nodeAddress, port }: ServiceInstance): string {
  return `${address || nodeAddress} ${port}`;
}

/** What matters to readers; a check's output and the indexes do not. */
function fingerprint(instances: readonly ServiceInstance[]): string {
  return instances
    .map((instance) =>
      JSON.stringify({ ...instance, isLeftOut: instance.isLeftOut === true, meta: [...instance.meta] }),
    )
    .sort()
    .join('\n');
}
