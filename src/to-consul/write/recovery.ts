import type { TransactionConflict } from '../../consul/errors.ts';
import type { DeniedRights } from '../../consul/denied-rights.ts';
import { isDenial, rightIn } from '../../consul/rights.ts';
import type { Log } from '../../observability/log.ts';
import type { RetryBrake } from '../../retry-brake.ts';
import type { NodeState, OwnInstance } from '../observed/own-instance.ts';
import { identityOf } from '../registration/registration.ts';
import { refusedGroups } from './batch.ts';
import type { Group } from './group.ts';
import { Contradictions } from './contradictions.ts';
import { nodesTouched, rightToWrite } from './operations.ts';
import type { Submissions } from './submissions.ts';

/** Our picture of Consul, as far as it is read again. */
export interface ReadableNodes {
  /** Whatever is being read of the node is out of date. */
  touch(node: string): void;
  /**
   * Reads the node; the keys for which Consul has something else than was known.
   * @param consistent asks the leader to confirm that it leads
   */
  refresh(node: string, consistent?: boolean): Promise<Iterable<string>>;
  /** Our instances for the pod, by `node/id`. */
  ofPod(podKey: string): ReadonlyMap<string, OwnInstance>;
  node(name: string): NodeState;
}

export interface RecoveryOptions {
  readonly own: ReadableNodes;
  /** Keys for which Consul turned out to have something else than was written: each has to be looked at. */
  readonly onDrift: (keys: Iterable<string>) => void;
  readonly denied: Pick<DeniedRights, 'deny'>;
  readonly brake: Pick<RetryBrake, 'tryTake'>;
  readonly log: Log;
  readonly submissions: Submissions;
}

/**
 * What is done after a transaction that was refused, before its keys are composed anew:
 *
 * | the transaction               | its keys                                | its nodes                                     |
 * |-------------------------------|-----------------------------------------|-----------------------------------------------|
 * | refused, these keys named     | tried again, three times at most        | read again                                    |
 * | ... and these cannot be read, | back to the queue                       | read again                                    |
 * | or the brake lets none pass   |                                         |                                               |
 * | ... and nothing is there, on two nodes or more | tried again, after a backoff | read again; see Contradictions          |
 * | refused, but not these keys   | tried again                             | known as before: nothing was applied          |
 * | refused for want of a right   | tried again without what needs it       | read no more                                  |
 * | ... which is not said         | back to the queue                       | read no more                                  |
 * | refused by somebody who names no key | all are tried again, as those named | read again                                 |
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #contradictions = new Contradictions();

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Nothing was applied. The refused groups are looked at again in the catalog, the others only had bad company. */
  async afterConflict(groups: readonly Group[], conflict: TransactionConflict): Promise<void> {
    const refused = refusedGroups(groups, conflict);
    if (conflict.isDenied) return this.#leaveOutDenied(groups, refused, conflict);
    const nodes = new Set([...refused].flatMap(({ changes }) => nodesTouched(changes)));
    const isKnown = await this.#readRefused(nodes);
    if (isKnown && conflict.failures.length > 0) for (const group of refused) this.#noteContradictions(group);
    const isFinal = !isKnown || !this.#options.brake.tryTake(1);
    for (const { key } of refused) this.#options.submissions.refused(key, conflict, isFinal);
  }

  #leaveOutDenied(groups: readonly Group[], refused: ReadonlySet<Group>, conflict: TransactionConflict): void {
    const { denied, submissions } = this.#options;
    const operations = groups.flatMap((group) => group.operations);
    let isKnown = false;
    for (const { index, what } of conflict.failures) {
      const operation = operations[index];
      const right = isDenial(what) ? (rightIn(what) ?? (operation && rightToWrite(operation))) : undefined;
      if (!right) continue;
      isKnown = true;
      denied.deny(right, what);
    }
    for (const { key } of refused) submissions.refused(key, conflict, !isKnown);
  }

  /** Why nothing that Consul says is trusted; undefined when it is. */
  get contradiction(): string | undefined {
    return this.#contradictions.why;
  }

  /** A transaction was applied, or nothing is left to be written. */
  forgetContradictions(): void {
    this.#contradictions.clear();
  }

  /** What was to be created exists, says Consul, and is not there, says the read after that. */
  #noteContradictions({ key, changes }: Group): void {
    const observed = this.#options.own.ofPod(key);
    for (const registration of changes.create)
      if (!observed.has(identityOf(registration)) && this.#options.own.node(registration.node.name).state !== 'refused')
        this.#contradictions.add(registration.node.name);
  }

  /** False when they could not be read. */
  async #readRefused(nodes: ReadonlySet<string>): Promise<boolean> {
    try {
      await this.readAgain(nodes);
      return true;
    } catch {
      return false;
    }
  }

  /** Reads these nodes, which the leader confirms. @throws Error when what Consul has there is still not known */
  async readAgain(nodes: ReadonlySet<string>): Promise<void> {
    const { log, onDrift, own } = this.#options;
    const read = async (node: string) => onDrift(await own.refresh(node, true));
    const [first, ...others] = nodes;
    if (first === undefined) return;
    try {
      for (const node of nodes) own.touch(node);
      // Where one cannot be read, the others are not asked for.
      await read(first);
      await Promise.all(others.map(read));
    } catch (error) {
      log.warn('Consul nodes could not be read again', { nodes: nodes.size, error });
      throw error;
    }
  }
}
