import { inBackground } from '../../background.ts';
import type { ChecksInState } from '../../consul/health-states.ts';
import type { Log } from '../../observability/log.ts';
import type { RetryBrake } from '../../retry-brake.ts';
import type { OwnCatalog } from './own-catalog.ts';

type Status = 'critical' | 'warning';

/** Reads of a node: all that is on it, and the state of its checks. */
const READS_OF_A_NODE = 2;

export interface CheckedNodesOptions {
  readonly own: Pick<OwnCatalog, 'refresh' | 'doubt' | 'nodesWithOtherChecks'>;
  /** Lists that say the same again and again have our nodes read no more often than what failed. */
  readonly brake: Pick<RetryBrake, 'tryTake'>;
  readonly onDrift: (podKeys: Iterable<string>) => void;
  /** Nodes wait for the next look at all of ours, which reads them whole. */
  readonly onLeft: () => void;
  readonly log: Pick<Log, 'warn'>;
}

/**
 * From the lists of critical and of warning checks to our nodes: where a check is not as we wrote it, the node is read at once. Others
 * wait for the same lists, so nothing here holds them up. Nodes beyond what the brake lets be read, and those that cannot be
 * read, are left to the next look.
 */
export class CheckedNodes {
  readonly #options: CheckedNodesOptions;
  /** The last of each list, until its turn comes. */
  readonly #waiting = new Map<Status, ChecksInState>();
  #isReading = false;

  constructor(options: CheckedNodesOptions) {
    this.#options = options;
  }

  take(status: Status, checks: ChecksInState): void {
    this.#waiting.set(status, checks);
    if (!this.#isReading) inBackground(this.#readAll());
  }

  async #readAll(): Promise<void> {
    this.#isReading = true;
    try {
      for (const [status, checks] of this.#waiting) {
        this.#waiting.delete(status);
        await this.#read(this.#otherNodes(status, checks));
      }
    } finally {
      this.#isReading = false;
    }
  }

  #otherNodes(status: Status, checks: ChecksInState): Set<string> {
    const listed = new Set<string>();
    for (const check of checks.keys()) listed.add(check.toLowerCase());
    return this.#options.own.nodesWithOtherChecks(status, listed);
  }

  async #read(nodes: ReadonlySet<string>): Promise<void> {
    const { own, brake, onDrift, onLeft, log } = this.#options;
    const left = new Set<string>();
    for (const node of nodes) {
      if (left.size > 0 || !brake.tryTake(READS_OF_A_NODE)) left.add(node);
      else
        await own.refresh(node).then(onDrift, (error: unknown) => {
          log.warn('Consul node could not be read, will look at it again', { node, error });
          left.add(node);
        });
    }
    for (const node of left) own.doubt(node);
    if (left.size > 0) onLeft();
  }
}
