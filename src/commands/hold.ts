import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { sleep } from '../backoff.ts';
import { systemClock } from '../clock.ts';
import { createKeyValue, type KeyValue } from '../consul/key-value.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import { createLeaseApi, listLeases, type Lease, type LeaseApi, type LeaseName } from '../kubernetes/lease.ts';
import { Election } from '../leadership/election.ts';
import { fenceKey, readRecord, type FenceRecord } from '../leadership/fence-record.ts';
import { removeFence } from '../leadership/fence-removal.ts';
import { Fence } from '../leadership/fence.ts';
import { LeaseOfAnother } from '../leadership/lease-errors.ts';
import { Leadership } from '../leadership/leadership.ts';
import { ANNOTATION, LABEL, type Owner } from '../mark.ts';
import { explainError } from '../observability/log.ts';
import type { Clients, Context } from '../world/context.ts';
import { leaseOf, tenureOf } from './run/election.ts';
import type { Item, Remaining } from './purge/items.ts';
import { HOW_TO_STOP } from './led-by.ts';
import { watchedLease } from './watched-lease.ts';
import { readSwitch, WritesOff } from '../writes.ts';

/** Another process writes for that cluster, or may: waiting would not mend it. */
export class StillLed extends Error {}

export interface HoldOptions {
  /** For the Lease and the key: who holds them. */
  readonly command: 'purge' | 'rename';
  readonly owner: Owner;
  /** By which the daemons of this cluster agree; undefined where they elect nobody. */
  readonly lease: LeaseName | undefined;
  /** How long a leader may take to let go, and a Lease that nobody renews any more to be over. */
  readonly timeoutMs: number;
  readonly onProgress: (text: string) => void;
}

/** The right to write, for a command: the Lease and the fence, as a daemon that leads has them. */
export interface Hold {
  readonly leadership: Leadership;
  /** @throws Displaced, NotLeading, Error when somebody else writes by now */
  assertHeld(): Promise<void>;
  /** Lets others write. What was not there before is removed again. */
  release(): Promise<void>;
  /** Removes the key of the fence, and the Lease after it. Returns what stays. */
  remove(): Promise<Remaining[]>;
}

const LOOK_MS = 100;

/** What of the fence and the Lease is there, as a plan shows it. @throws ConsulError, KubernetesError when it is not known */
export async function readHeld(
  clients: Pick<Clients, 'consul' | 'kubernetes'>,
  owner: Owner,
  lease: LeaseName | undefined,
): Promise<Item[]> {
  const key = fenceKey(owner.cluster);
  const stored = await createKeyValue(clients.consul).read(key);
  const found = lease && (await createLeaseApi(clients.kubernetes, lease).read(AbortSignal.timeout(15_000)));
  return [
    ...(stored ? [{ kind: 'Key', object: key }] : []),
    ...(found && lease ? [{ kind: 'Lease', object: nameOf(lease) }] : []),
  ];
}

function nameOf({ namespace, name }: LeaseName): string {
  return `${namespace}/${name}`;
}

/**
 * Takes the Lease and then the fence. A leader that renews the Lease is never waited for: it is not told to stop by this.
 *
 * | the Lease                                       | then                                                                 |
 * |-------------------------------------------------|----------------------------------------------------------------------|
 * | is held, and renewed                            | refused: who leads, and how that is ended                            |
 * | is held, and not renewed                        | taken when it is over                                                |
 * | is free, or not there                           | taken                                                                |
 * | is not there, as its namespace is not           | nobody can lead by it: the fence alone is taken                      |
 * | is not that of the fence, which is somewhere else | refused: which one it is                                           |
 * | nobody is elected (`leaderElection.enabled: false`) | the fence alone is taken; whoever writes without a Lease writes no more |
 *
 * @throws WritesOff; Error when somebody else leads, or a right is missing; FenceOfAnotherCluster
 */
export async function takeHold(context: Context, clients: Clients, options: HoldOptions): Promise<Hold> {
  const holding = new Holding(context, clients, options);
  try {
    await holding.take();
    return holding;
  } catch (error) {
    await holding.release().catch(() => undefined);
    throw error;
  }
}

class Holding implements Hold {
  readonly #context: Context;
  readonly #clients: Clients;
  readonly #options: HoldOptions;
  readonly #identity: string;
  readonly #key: string;
  readonly #keyValue: KeyValue;
  #election: Election | undefined;
  #fence: Fence | undefined;
  #leadership: Leadership | undefined;
  #api: LeaseApi | undefined;
  /** What was not there before. */
  #made = { key: false, lease: false };

  constructor(context: Context, clients: Clients, options: HoldOptions) {
    this.#context = context;
    this.#clients = clients;
    this.#options = options;
    this.#identity = `${options.command}_${hostname()}_${randomUUID()}`;
    this.#key = fenceKey(options.owner.cluster);
    this.#keyValue = createKeyValue(clients.consul);
  }

  get leadership(): Leadership {
    if (!this.#leadership) throw new Error('hold the Lease and the fence: they are not taken yet');
    return this.#leadership;
  }

  async take(): Promise<void> {
    const { owner, lease: place } = this.#options;
    if (this.#context.config.writes === 'off') throw new WritesOff(['setting writes']);
    const stored = await this.#keyValue.read(this.#key);
    const record = stored && readRecord(stored.value);
    if (record?.lease && !place) await this.#assertNoOther(record, record.lease.uid);
    // The daemon itself, which renames, may look at its own Lease only.
    if (!record?.lease && this.#options.command === 'purge') await this.#assertNobodyElsewhere();
    if (place) await this.#elect(place, record);
    if (record && !record.lease)
      this.#options.onProgress(`${record.holder} may write without a Lease: from now on it writes no more`);
    const { metrics, log, signal } = this.#context;
    const election = this.#election;
    const fence = (this.#fence = new Fence({
      ...{ owner, log, metrics, signal, clock: systemClock, holder: this.#identity, keyValue: this.#keyValue },
      distrust: { begin: () => undefined },
      confirmLease: election && (() => leaseOf(election)),
      onDisplaced: () => undefined,
    }));
    await fence.take({ epoch: Number(election?.annotations.get(ANNOTATION.epoch) ?? 0) });
    if (fence.absence !== undefined)
      throw new Error(`hold key ${this.#key} in Consul: the token needs the right to write it: ${fence.absence}`);
    this.#made = { ...this.#made, key: !stored };
    this.#leadership = new Leadership(election && tenureOf(election));
    this.#leadership.begin(fence);
  }

  async #elect(place: LeaseName, record: FenceRecord | undefined): Promise<void> {
    const { owner, onProgress } = this.#options;
    const api = (this.#api = createLeaseApi(this.#clients.kubernetes, place, () => this.#clients.cluster.check()));
    const found = await api.read(AbortSignal.timeout(15_000));
    const off = readSwitch(found?.annotations.get(ANNOTATION.writes));
    if (off !== undefined) throw new WritesOff([`annotation ${ANNOTATION.writes} of Lease ${nameOf(place)} ${off}`]);
    const cluster = found?.labels.get(LABEL.cluster) ?? owner.cluster;
    if (cluster !== owner.cluster) throw new LeaseOfAnother(place, owner.cluster, cluster);
    if (record?.lease && record.lease.uid !== found?.uid) await this.#assertNoOther(record, record.lease.uid);
    if (!found && !(await this.#isNamespaceThere(place)))
      return onProgress(`there is no namespace ${place.namespace}, so nobody leads by a Lease there`);
    this.#made = { ...this.#made, lease: !found };
    await this.#untilElected(place, api, found);
  }

  /** Without a right to see it the namespace may be there: the Lease itself will tell. */
  async #isNamespaceThere({ namespace }: LeaseName): Promise<boolean> {
    const { api, resources } = this.#clients;
    try {
      return (await api.get(resources.namespaces, '', namespace)) !== undefined;
    } catch (error) {
      if (hasStatus(error, 403)) return true;
      throw error;
    }
  }

  /** A daemon that may not write the key leads by its Lease alone, wherever that is. */
  async #assertNobodyElsewhere(): Promise<void> {
    const { owner, lease: place } = this.#options;
    const what = `take key ${this.#key}: it names no Lease`;
    const leases = await listLeases(this.#clients.kubernetes, `${LABEL.cluster}=${owner.cluster}`).catch(
      (cause: unknown) => {
        throw new Error(`${what}, and one by which a daemon leads could not be looked for in all namespaces`, {
          cause,
        });
      },
    );
    const other = leases.find((lease) => lease.holderIdentity !== '' && !(place && nameOf(lease) === nameOf(place)));
    if (!other) return;
    throw new StillLed(
      `${what}, and ${other.holderIdentity} has the Lease ${nameOf(other)}. Stop that daemon; if there is none any more, delete the Lease`,
    );
  }

  /** The fence was taken by another Lease: is that one still there? */
  async #assertNoOther({ holder }: FenceRecord, uid: string): Promise<void> {
    const { owner, lease: place } = this.#options;
    const where = place ? `another than ${nameOf(place)}` : 'and none is looked at here';
    const what = `take key ${this.#key}: ${holder} leads by the Lease with uid ${uid}, ${where}`;
    const selector = `${LABEL.cluster}=${owner.cluster}`;
    const leases = await listLeases(this.#clients.kubernetes, selector).catch((cause: unknown) => {
      throw new Error(`${what}, and it could not be looked for`, { cause });
    });
    const other = leases.find((lease) => lease.uid === uid);
    if (!other) return;
    throw new StillLed(
      `${what}: it is ${nameOf(other)}. Say so with leaderElection.enabled, namespace and name in the configuration`,
    );
  }

  async #untilElected(place: LeaseName, api: LeaseApi, found: Lease | undefined): Promise<void> {
    const { owner, timeoutMs, onProgress } = this.#options;
    const watched = watchedLease(api, this.#identity, found);
    const election = (this.#election = new Election({
      ...{ lease: place, identity: this.#identity, cluster: owner.cluster, api: watched.api, log: this.#context.log },
      ...{ annotations: () => ({}), mayAcquire: () => true, onStanding: () => undefined },
      ...{ mayTakeRequest: () => false, onReleaseRequest: () => undefined },
      ...(this.#context.timings?.election ? { times: this.#context.timings.election } : {}),
    }));
    if (found && found.holderIdentity !== '')
      onProgress(`the Lease ${nameOf(place)} is held by ${found.holderIdentity}: looking whether it is renewed`);
    election.start();
    const end = AbortSignal.timeout(timeoutMs);
    while (!election.isLeading()) {
      if (watched.leader !== undefined) throw leads(place, watched.leader);
      if (watched.refusal !== undefined) throw watched.refusal;
      if (end.aborted)
        throw new Error(`hold the Lease ${nameOf(place)}: it could not be had within ${timeoutMs / 1000} s`, {
          cause: new Error(election.failure ?? `${found?.holderIdentity ?? 'nobody'} was seen to hold it`),
        });
      await sleep(LOOK_MS, end);
    }
  }

  async assertHeld(): Promise<void> {
    await this.#fence?.look();
    this.leadership.assertLeading();
  }

  async release(): Promise<void> {
    if (this.#made.key && this.#leadership) await this.#removeKey();
    if (this.#made.lease && this.#election?.isLeading() === true) await this.#removeLease();
    else await this.#election?.release();
  }

  async remove(): Promise<Remaining[]> {
    const key = await this.#removeKey();
    const lease = await this.#removeLease();
    return [...key, ...lease];
  }

  async #removeKey(): Promise<Remaining[]> {
    try {
      await removeFence(this.#keyValue, this.#key, this.#identity);
      return [];
    } catch (error) {
      return [{ kind: 'Key', object: this.#key, why: explainError(error) }];
    }
  }

  /** Given away first, so that no renewal of ours comes between the last read and the removal. */
  async #removeLease(): Promise<Remaining[]> {
    const { lease: place } = this.#options;
    if (!place || !this.#api || !this.#election) return [];
    const item = { kind: 'Lease', object: nameOf(place) };
    try {
      await this.#election.release();
      const signal = AbortSignal.timeout(15_000);
      const found = await this.#api.read(signal);
      if (!found) return [];
      if (found.holderIdentity !== '' && found.holderIdentity !== this.#identity)
        return [{ ...item, why: `${found.holderIdentity} has taken it` }];
      await this.#api.remove(found, signal);
      return [];
    } catch (error) {
      return hasStatus(error, 404) ? [] : [{ ...item, why: explainError(error) }];
    }
  }
}

function leads({ namespace, name }: LeaseName, leader: string): Error {
  return new StillLed(
    `hold the Lease ${namespace}/${name}: ${leader} leads, and renews it. ${HOW_TO_STOP} --namespace ${namespace}`,
  );
}
