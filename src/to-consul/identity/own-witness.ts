import type { Clock } from '../../clock.ts';
import type { BlockingQueryOptions } from '../../consul/blocking-query.ts';
import { decodeNodeServices } from '../../consul/catalog.ts';
import { nodeServicesRequest, readServers, readWithoutChecks } from '../../consul/catalog-reader.ts';
import type { ConsulReader } from '../../consul/client.ts';
import type { Distrust } from '../../consul/distrust.ts';
import { UntrustworthyAnswer } from '../../consul/errors.ts';
import type { NodeContents } from '../../consul/types.ts';
import type { Witness } from '../../consul/witness.ts';
import type { Owner } from '../../mark.ts';
import { entryIn, nonceOf, ownNodeName } from './entry.ts';

/** A Consul node without its checks; undefined where there is none. */
type Contents = Pick<NodeContents, 'node' | 'services'> | undefined;

/** Consular's own entry as it was when we last wrote or read it. */
export interface KnownEntry {
  readonly nonce: string;
  readonly nodeIndex: number;
  readonly serviceIndex: number;
}

/**
 * What is found of Consular's own entry, against what is known of it:
 *
 * | the entry                                                        | testimony |
 * |------------------------------------------------------------------|-----------|
 * | is not there, or has no nonce, or another                        | missing   |
 * | has the nonce, and it or its node has a lower index than it had  | older     |
 * | anything else                                                    | there     |
 */
export function testimony(owner: Owner, known: KnownEntry, contents: Contents): 'there' | 'older' | 'missing' {
  const entry = entryIn(owner, contents);
  if (!contents || !entry || nonceOf(entry) !== known.nonce) return 'missing';
  const isOlder = entry.modifyIndex < known.serviceIndex || contents.node.modifyIndex < known.nodeIndex;
  return isOlder ? 'older' : 'there';
}

/** What is known of the entry that was found; undefined when it is none of ours, or of a version that gave it no nonce. */
export function knownEntry(owner: Owner, contents: Contents): KnownEntry | undefined {
  const entry = entryIn(owner, contents);
  const nonce = entry && nonceOf(entry);
  if (!contents || !nonce) return undefined;
  return { nonce, nodeIndex: contents.node.modifyIndex, serviceIndex: entry.modifyIndex };
}

export interface OwnWitnessOptions {
  readonly client: ConsulReader;
  readonly owner: Owner;
  readonly distrust: Distrust;
  readonly clock: Pick<Clock, 'now'>;
}

const ENTRY = "read Consular's own entry";
const SERVERS = 'read the servers of Consul';
/** While the entry is missing, whoever asks within so long of the last answer hears that answer. */
const MISSING_MS = 500;

/**
 * Consular's own entry as the witness, known by the nonce that it got when it was written: no other Consul has it, and no token
 * sees it that lost its rights. Until there is an entry, or where the token may not write it, the witness is the service
 * `consul`: one of the servers that were there at the last look must still be. That is weaker: a token that lost its rights may
 * still see it, if everybody may.
 */
export class OwnWitness implements Witness {
  readonly #options: OwnWitnessOptions;
  /** Resolves when there is an entry for the first time. */
  readonly trusted: Promise<void>;
  #resolveTrusted: () => void = () => undefined;
  #known: KnownEntry | undefined;
  #servers: ReadonlySet<string>;
  #failure: string | undefined;
  #askedAt = -Infinity;
  #restore: (() => Promise<void>) | undefined;

  private constructor(options: OwnWitnessOptions, servers: ReadonlySet<string>) {
    this.#options = options;
    this.#servers = servers;
    this.trusted = new Promise((resolve) => (this.#resolveTrusted = resolve));
  }

  /** @throws ConsulError, UntrustworthyAnswer when Consul could not be read */
  static async read(options: OwnWitnessOptions): Promise<OwnWitness> {
    const servers = await readServers(options.client);
    if (servers.size === 0) throw new UntrustworthyAnswer(SERVERS, 'none: is the token missing or without rights?');
    return new OwnWitness(options, servers);
  }

  /** What is known of the entry; undefined while the servers of Consul are the witness. */
  get known(): KnownEntry | undefined {
    return this.#known;
  }

  /** Why nothing is believed to be gone now, as far as the witness is the reason. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** From now on this entry is the witness: it was found at the start, or has just been written. */
  trust(entry: KnownEntry): void {
    this.#known = entry;
    this.#failure = undefined;
    this.#resolveTrusted();
  }

  /** Whoever writes the entry anew when it is missing; the promise is rejected when that could not be done. */
  restoredBy(restore: () => Promise<void>): void {
    this.#restore = restore;
  }

  async assertThere(signal?: AbortSignal): Promise<void> {
    if (!this.#known) return this.#assertServers(signal);
    const { clock } = this.#options;
    if (this.#failure === undefined || clock.now() - this.#askedAt >= MISSING_MS) {
      this.#askedAt = clock.now();
      await this.#ask(this.#known, signal);
    }
    if (this.#failure !== undefined) throw new UntrustworthyAnswer(ENTRY, `none: ${this.#failure}`);
  }

  /**
   * Resolves when the entry is there, if need be because it was written anew just now: what else is missing may be written
   * anew then, too.
   * @throws UntrustworthyAnswer, ConsulError when it is missing and cannot be written
   */
  async ensureThere(): Promise<void> {
    try {
      await this.assertThere();
    } catch (error) {
      if (this.#failure === undefined || !this.#restore) throw error;
      await this.#restore();
    }
  }

  /** The entry was read, perhaps before it was written last: only the leader can tell that it is not there. */
  look(contents: Contents): void {
    if (!this.#known) return;
    if (testimony(this.#options.owner, this.#known, contents) === 'there') this.#found(contents);
    // Its outcome is kept.
    else this.assertThere().catch(() => undefined);
  }

  async #ask(known: KnownEntry, signal: AbortSignal | undefined): Promise<void> {
    const { client, distrust, owner } = this.#options;
    const contents = await readWithoutChecks(client, ownNodeName(owner), signal);
    // Written or seen while it was read: the answer may be of before.
    if (this.#known && this.#known !== known) return this.#ask(this.#known, signal);
    const found = testimony(owner, known, contents);
    if (found !== 'missing') {
      if (found === 'older') distrust.begin('older-entry');
      return this.#found(contents);
    }
    this.#failure ??= 'it was lost, the token lost its rights, or this is another Consul';
    // Whoever restores it tells of failures.
    this.#restore?.().catch(() => undefined);
  }

  #found(contents: Contents): void {
    const found = knownEntry(this.#options.owner, contents);
    if (found) this.trust(found);
  }

  async #assertServers(signal: AbortSignal | undefined): Promise<void> {
    const servers = await readServers(this.#options.client, signal);
    if (servers.size === 0) throw new UntrustworthyAnswer(SERVERS, 'none: has the token lost its rights?');
    const areKnown = [...servers].some((id) => this.#servers.has(id));
    this.#servers = servers;
    if (areKnown) return;
    this.#options.distrust.begin('other-servers');
    throw new UntrustworthyAnswer(SERVERS, 'others than before');
  }
}

/** How the entry is followed: by a long poll of its node, so that its loss is noticed at once. */
export function followOwnNode(
  owner: Owner,
  witness: Pick<OwnWitness, 'look'>,
): Pick<BlockingQueryOptions, 'request' | 'onAnswer' | 'perSecond'> {
  const request = nodeServicesRequest(ownNodeName(owner));
  return {
    request,
    perSecond: 1,
    onAnswer: (answer) => witness.look(decodeNodeServices(answer, request.purpose)),
  };
}
