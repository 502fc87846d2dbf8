import { setMaxListeners } from 'node:events';
import { createCommitter } from '../../consul/committer.ts';
import type { LeaseName } from '../../kubernetes/lease.ts';
import { leadersApi } from '../../leadership/leaders-api.ts';
import { leasePlace } from '../../leadership/lease-place.ts';
import { ANNOTATION, type Owner } from '../../mark.ts';
import { ownNodeName } from '../../to-consul/identity/entry.ts';
import { createClients, type Clients, type Context } from '../../world/context.ts';
import type { OnceContext } from '../../world/read-once.ts';
import { LATE, removeNode } from './consul-removal.ts';
import { takeHold, type Hold } from '../hold.ts';
import { ledBy } from '../led-by.ts';
import { writesOffBy } from '../writes-off.ts';
import { itemKey, type Item, type Remaining } from './items.ts';
import { removeObject } from './kubernetes-removal.ts';
import { itemOf } from './kubernetes-side.ts';
import { allItems, findOurs, type Direction, type Findings, type PurgePlan } from './plan.ts';

export interface PurgeOptions {
  readonly direction: Direction;
  readonly timeoutMs: number;
  /** Of the Lease, where the configuration does not say it. */
  readonly namespace: string;
  /** Told what is being done. */
  readonly onProgress: (text: string) => void;
  /** Asked before anything is written, with all that would go; with false nothing is. */
  readonly confirm: (plan: PurgePlan) => Promise<boolean>;
}

export interface PurgeResult {
  readonly plan: PurgePlan;
  /** False when it was not agreed to, or there was nothing. */
  readonly isDone: boolean;
  readonly removed: readonly Item[];
  /** What has our marks and is there still, or could not be looked at. */
  readonly remaining: readonly Remaining[];
}

/** Objects of Kubernetes that are deleted at a time. */
const AT_ONCE = 8;

/**
 * Removes all that is ours of one direction, or of both with what they share. First it is read and shown, then the Lease and the
 * fence are taken, as a daemon does that leads; what was shown is removed, each thing as it was read or read anew; at the end all is
 * read again, so that the result is what is there. Own entry, fence and Lease go last, and stay as long as anything failed.
 * @throws ClusterIdentityError, FenceOfAnotherCluster when the name is another cluster's; Error when somebody else leads, or writes
 *   are off
 */
export async function purge(context: OnceContext, options: PurgeOptions): Promise<PurgeResult> {
  const watches = new AbortController();
  setMaxListeners(0, watches.signal);
  const whole: Context = { ...context, signal: watches.signal };
  const clients = createClients(whole);
  try {
    const owner: Owner = { cluster: context.config.cluster, clusterUid: await clients.cluster.begin() };
    return await new Purge(whole, clients, owner, options).run();
  } finally {
    watches.abort();
    await clients.close();
  }
}

/** @throws Error that says how writes are switched on */
export function assertOn(writesOff: readonly string[]): void {
  if (writesOff.length === 0) return;
  throw new Error(
    `purge: writes are off, by ${writesOff.join(' and by ')}. Whoever said so has to say on first: "writes: on" in the file, no line "writes off" in the control file, "kubectl annotate lease ... ${ANNOTATION.writes}-"; or look with --dry-run`,
  );
}

class Purge {
  readonly #context: Context;
  readonly #clients: Clients;
  readonly #owner: Owner;
  readonly #options: PurgeOptions;
  readonly #lease: LeaseName | undefined;
  /** Why something stays, by its key. */
  readonly #why = new Map<string, Remaining>();
  #planned: ReadonlySet<string> = new Set();

  constructor(context: Context, clients: Clients, owner: Owner, options: PurgeOptions) {
    this.#context = context;
    this.#clients = clients;
    this.#owner = owner;
    this.#options = options;
    const { cluster, leaderElection } = context.config;
    // On a machine of the operator too: the daemons elect a leader in their pods.
    const enabled = leaderElection.enabled !== false;
    this.#lease = leasePlace({ cluster, leaderElection: { ...leaderElection, enabled } }, options);
  }

  async run(): Promise<PurgeResult> {
    const [before, led] = await Promise.all([this.#find(), ledBy(this.#clients.kubernetes, this.#lease)]);
    const plan = { ...before.plan, notes: [...before.plan.notes, ...led] };
    const nothing = { plan, isDone: false, removed: [], remaining: plan.remaining };
    if (allItems(plan).length === 0 || !(await this.#options.confirm(plan))) return nothing;
    // Somebody may have switched them off meanwhile.
    const { config } = this.#context;
    assertOn(await writesOffBy(config, this.#clients.kubernetes, { namespace: this.#lease?.namespace ?? '' }));
    this.#planned = new Set(allItems(plan).map(itemKey));
    const { owner, timeoutMs, onProgress } = { owner: this.#owner, ...this.#options };
    const given = { command: 'purge', owner, lease: this.#lease, timeoutMs, onProgress } as const;
    const hold = await takeHold(this.#context, this.#clients, given);
    try {
      await this.#removeKubernetes(before, hold);
      await this.#removeConsul(before, hold);
      await this.#finish(hold);
    } catch (error) {
      await hold.release().catch(() => undefined);
      throw error;
    }
    return this.#outcome(plan, await this.#find());
  }

  #find(): Promise<Findings> {
    const { direction } = this.#options;
    return findOurs(this.#context, this.#clients, { owner: this.#owner, direction, lease: this.#lease });
  }

  async #removeKubernetes({ kubernetes: { stages } }: Findings, hold: Hold): Promise<void> {
    const api = leadersApi(this.#clients.api, () => hold.leadership.assertLeading());
    const { length } = stages.flat();
    let done = 0;
    for (const stage of stages) {
      for (let i = 0; i < stage.length; i += AT_ONCE) {
        await hold.assertHeld();
        const some = stage.slice(i, i + AT_ONCE);
        for (const stays of await Promise.all(some.map((object) => removeObject(api, object))))
          if (stays) this.#note(stays);
        done += some.length;
        this.#options.onProgress(`Kubernetes: ${done} of ${length} objects`);
      }
    }
  }

  async #removeConsul({ consul: { nodes }, plan }: Findings, hold: Hold): Promise<void> {
    let done = 0;
    const onGone = (count: number) => {
      done += count;
      this.#options.onProgress(`Consul: ${done} of ${plan.toConsul.length} done`);
    };
    for (const { name } of nodes) {
      await hold.assertHeld();
      await this.#removeNode(hold, name, onGone);
    }
  }

  async #removeNode(hold: Hold, name: string, onGone: (count: number) => void): Promise<void> {
    const { consul, nodes } = this.#clients;
    const committer = createCommitter(consul, this.#context.metrics, hold.leadership);
    const isPlanned = (item: Item) => this.#planned.has(itemKey(item));
    const remaining = await removeNode({ nodes, committer, owner: this.#owner, isPlanned, onGone }, name);
    for (const one of remaining) this.#note(one);
  }

  #note(remaining: Remaining): void {
    this.#why.set(itemKey(remaining), remaining);
  }

  /** What is shared goes when all else has gone that could; else the name stays ours, and the next try goes on. */
  async #finish(hold: Hold): Promise<void> {
    const { direction, onProgress } = this.#options;
    if (direction !== 'both' || !(await this.#isClean())) return hold.release();
    onProgress("removing Consular's own entry, the fence and the Lease");
    await hold.assertHeld();
    await this.#removeNode(hold, ownNodeName(this.#owner), () => undefined);
    if (this.#failed.length > 0) return hold.release();
    for (const one of await hold.remove()) this.#note(one);
  }

  async #isClean(): Promise<boolean> {
    const { toConsul, toKubernetes, remaining } = (await this.#find()).plan;
    const failed = [...remaining, ...this.#failed].filter(({ isForOthers }) => !isForOthers);
    return toConsul.length + toKubernetes.length + failed.length === 0;
  }

  get #failed(): Remaining[] {
    return [...this.#why.values()].filter(({ isForOthers }) => !isForOthers);
  }

  #outcome(plan: PurgePlan, { plan: after, kubernetes }: Findings): PurgeResult {
    const left = allItems(after);
    const there = new Set([...left, ...after.remaining].map(itemKey));
    // What was refused and is gone all the same is gone, if all could be read.
    const isUnread = after.remaining.some(({ isForOthers }) => !isForOthers);
    const failed = [...this.#why.values()].filter((one) => isUnread || there.has(itemKey(one)));
    const told = new Map([...after.remaining, ...failed].map((one) => [itemKey(one), one]));
    const waits = new Map<string, string>([
      ...after.shared.map((item) => [itemKey(item), 'it goes last, when all else is gone'] as const),
      ...kubernetes.stages
        .flat()
        .filter(({ observed }) => observed.deletionTimestamp !== '')
        .map((own) => [itemKey(itemOf(own)), 'it is being deleted, which its finalizers hold up'] as const),
    ]);
    const untoldWhy = (key: string) => waits.get(key) ?? (this.#planned.has(key) ? 'it is there still' : LATE);
    const untold = left
      .filter((item) => !told.has(itemKey(item)))
      .map((item) => ({ ...item, why: untoldWhy(itemKey(item)) }));
    const remaining = [...told.values(), ...untold];
    const stay = new Set(remaining.map(itemKey));
    return { plan, isDone: true, removed: allItems(plan).filter((item) => !stay.has(itemKey(item))), remaining };
  }
}
