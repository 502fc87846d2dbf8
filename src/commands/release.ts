import { sleep } from '../backoff.ts';
import { HASH_FORM, isHash, readOutcome, type ReleaseOutcome } from '../guard/release-request.ts';
import { createKubernetesClient } from '../kubernetes/client.ts';
import { connectKubernetes } from '../kubernetes/connection.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import { createLeaseApi, type Lease, type LeaseApi, type LeaseContent } from '../kubernetes/lease.ts';
import { leasePlace } from '../leadership/lease-place.ts';
import { ANNOTATION } from '../mark.ts';
import type { OnceContext } from '../world/read-once.ts';

export interface ReleaseOptions {
  readonly hash: string;
  readonly timeoutMs: number;
  /** Of the daemon, where the configuration does not say it. */
  readonly namespace: string;
  /** Told what is being waited for, whenever that is something else. */
  readonly onProgress: (text: string) => void;
}

export interface ReleaseResult {
  /** `namespace/name`. */
  readonly lease: string;
  /** What the leader made of it. */
  readonly outcome: ReleaseOutcome;
}

const LOOK_MS = 300;

/**
 * Asks the leader, by an annotation on its Lease, to let go what it retains under a hash, and waits until it has. What the
 * leader does not take in time is taken back.
 * @throws Error when the hash is malformed, there is no Lease, nobody takes the hash in time, or nobody says what became of it
 */
export async function requestRelease(context: OnceContext, options: ReleaseOptions): Promise<ReleaseResult> {
  const { hash, timeoutMs, namespace } = options;
  if (!isHash(hash)) throw new Error(`release: expected a hash of ${HASH_FORM}, found ${JSON.stringify(hash)}`);
  const { config, version } = context;
  if (config.leaderElection.enabled === false)
    throw new Error(`release ${hash}: expected an election, found leaderElection.enabled: false. ${WITHOUT_LEASE}`);
  const leaderElection = { ...config.leaderElection, enabled: true as const };
  const place = leasePlace({ cluster: config.cluster, leaderElection }, { namespace });
  if (!place) throw new Error(`release ${hash}: expected a Lease to be configured, found none. ${WITHOUT_LEASE}`);
  const client = createKubernetesClient(connectKubernetes(config.kubernetes), `consular/${version}`);
  const asking = new ReleaseAsking(createLeaseApi(client, place), `${place.namespace}/${place.name}`, options);
  try {
    return { lease: asking.lease, outcome: await asking.run(AbortSignal.timeout(timeoutMs)) };
  } finally {
    await client.close();
  }
}

const WITHOUT_LEASE = 'Where no leader is elected, write the hash into the file that the setting controlFile names';

/** How long it may take to take back what was asked for in vain. */
const TAKE_BACK_MS = 5000;

class ReleaseAsking {
  readonly #api: LeaseApi;
  readonly #options: ReleaseOptions;
  readonly lease: string;
  #told: string | undefined;

  constructor(api: LeaseApi, lease: string, options: ReleaseOptions) {
    this.#api = api;
    this.lease = lease;
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<ReleaseOutcome> {
    const { hash } = this.#options;
    while (!(await this.#ask(signal))) await this.#pause(signal);
    let lease = await this.#read(signal);
    try {
      for (; lease.annotations.get(ANNOTATION.release) === hash; lease = await this.#read(signal)) {
        const { holderIdentity } = lease;
        this.#tell(holderIdentity === '' ? 'nobody leads yet' : `waiting for the leader ${holderIdentity}`);
        await this.#pause(signal);
      }
    } catch (cause) {
      throw new Error(`${this.#what}: the leader did not take it in time, ${await this.#takeBack()}`, { cause });
    }
    const said = lease.annotations.get(ANNOTATION.released);
    const outcome = readOutcome(said ?? '');
    if (outcome?.hash === hash) return outcome;
    throw new Error(
      `${this.#what}: it was taken from the Lease; expected annotation ${ANNOTATION.released} to say what became of it, ` +
        `found ${said ?? 'none'}. The log of the leader may say it`,
    );
  }

  get #what(): string {
    return `release ${this.#options.hash} by Lease ${this.lease}`;
  }

  /** False while something else is asked for, or somebody was faster. */
  async #ask(signal: AbortSignal): Promise<boolean> {
    const { hash } = this.#options;
    const lease = await this.#read(signal);
    const other = lease.annotations.get(ANNOTATION.release);
    if (other === hash) return true;
    if (other !== undefined) {
      this.#tell(`waiting until the leader has taken ${other}`);
      return false;
    }
    // What became of the same hash before says nothing of this time.
    return this.#annotate(lease, { [ANNOTATION.release]: hash, [ANNOTATION.released]: undefined }, signal);
  }

  async #annotate(lease: Lease, annotations: LeaseContent['annotations'], signal: AbortSignal): Promise<boolean> {
    try {
      await this.#api.replace(lease, { record: lease, labels: {}, annotations }, signal);
      return true;
    } catch (error) {
      // The leader has renewed it in between.
      if (!hasStatus(error, 409)) throw error;
      return false;
    }
  }

  /** What was asked for and may be taken at any time later would come as a surprise. */
  async #takeBack(): Promise<string> {
    const signal = AbortSignal.timeout(TAKE_BACK_MS);
    try {
      for (;;) {
        const lease = await this.#read(signal);
        if (lease.annotations.get(ANNOTATION.release) !== this.#options.hash) return 'but has taken it now';
        if (await this.#annotate(lease, { [ANNOTATION.release]: undefined }, signal)) return 'and it was taken back';
      }
    } catch {
      return `and it could not be taken back: annotation ${ANNOTATION.release} is still there`;
    }
  }

  async #read(signal: AbortSignal): Promise<Lease> {
    const lease = await this.#api.read(signal);
    if (lease) return lease;
    throw new Error(`${this.#what}: expected the Lease, found none. ${WITHOUT_LEASE}`);
  }

  async #pause(signal: AbortSignal): Promise<void> {
    await sleep(LOOK_MS, signal);
    signal.throwIfAborted();
  }

  #tell(text: string): void {
    if (text !== this.#told) this.#options.onProgress(text);
    this.#told = text;
  }
}
