import { TransactionConflict } from '../consul/errors.ts';
import { isGone } from '../kubernetes/errors.ts';
import { Controller } from '../reconcile/controller.ts';
import { Tally } from '../reconcile/tally.ts';
import type { OwnInstance } from './observed/own-instance.ts';
import { withStaying } from './plan/places.ts';
import type { PodPlan } from './plan/pod-plan.ts';
import type { Given } from './plan/proof.ts';
import { askerOf } from './plan/removals.ts';
import { Waiting } from './plan/waiting.ts';
import type { LoopOptions, LoopStatus } from './loop-options.ts';
import type { Attention } from '../status-page/listing.ts';
import { attentionOf } from './report/attention.ts';
import { logChanges, logProven } from './report/changes.ts';
import { HeldInstances } from './report/held.ts';
import { lateOfPod } from './report/patience.ts';
import type { Release, Retaining } from '../guard/retained.ts';
import { RetainedInstances, type ShownInstance } from './report/retained-instances.ts';
import type { Rejection } from './registration/rejection.ts';
import { POD } from './requests/requests.ts';
import { assertKnown, ViewBehind } from './plan/view-behind.ts';

/** Keys that may wait for their transaction at a time: more than any batch takes, so that reconciling never caps it. */
const CONCURRENCY = 1024;
/** Nobody tells us when somebody else's Consul node, whose name we need, goes away. */
const REFUSED_NODE_RETRY_MS = 30_000;

/**
 * Reconciles pods. The queue brings the key of a pod; then, each time from the latest state:
 * 1. what needs nothing else is written: a read that cannot be had must not hold it up;
 * 2. foreign instances that the plan misses are read, and what depends on them is written;
 * 3. removals that nobody witnessed are proven by direct reads, and those that are proven are written; for the last instance
 *    of a service the key comes back for a second proof;
 * 4. the readiness gate is told what is in Consul now.
 *
 * What becomes of instances is told to the breaker when a key comes, before anything is planned for it, and with each plan
 * that is written. Where that changes what others have to be, their keys come too.
 *
 * The writer asks for the plan at the moment of sending (`planToWrite`). At that moment, and at no other, the pod gets its
 * places, what it waits for is noted and followed, and what is wrong with it is told. Any error brings the key back later.
 */
export class ToConsulLoop {
  readonly #options: LoopOptions;
  readonly #controller: Controller;
  readonly #waiting = new Waiting();
  /** The plans that were sent last, for keys being reconciled and for keys whose node is refused. */
  readonly #latest = new Map<string, PodPlan>();
  /** What was proven for keys that are being written for it. */
  readonly #proven = new Map<string, Map<OwnInstance, Given>>();
  readonly #held = new HeldInstances();
  readonly #kept = new Tally();
  readonly #retained = new RetainedInstances();
  #cancelExpiry = (): void => undefined;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#controller = new Controller({
      direction: 'to-consul',
      concurrency: CONCURRENCY,
      isRace: (error) =>
        (error instanceof TransactionConflict && !error.isDenied) || error instanceof ViewBehind || isGone(error),
      brake: options.brake,
      log: options.log,
      metrics: options.metrics,
      reconcile: (key) => this.#reconcile(key),
    });
    options.foreign.subscribe((name) => this.enqueue(this.#waiting.take({ name })));
    options.denied.subscribe((right) => this.enqueue(this.#waiting.take({ right })));
  }

  /** Looks at every pod that either side knows; a pod that changes meanwhile goes first. */
  start(): void {
    const keys = this.#options.planner.keys();
    for (const key of keys) this.#noteWhatIsAtStake(key);
    this.#controller.enqueueInBackground(keys);
  }

  /**
   * Looks at everything as after a restart: what went while nothing was written, or goes because the settings are others, passes
   * the same guards as what an earlier run left.
   */
  startAnew(): void {
    const { losses, firstProofs, clock } = this.#options;
    losses.startAnew(clock.now());
    firstProofs.clear();
    this.#controller.lookAgain();
    this.start();
  }

  /** These pods have to be looked at. */
  enqueue(podKeys: Iterable<string>): void {
    const keys = new Set(podKeys);
    this.#options.foreign.podsChanged(keys);
    for (const key of keys) this.#noteWhatIsAtStake(key);
    for (const key of keys) this.#controller.enqueue(key);
    for (const key of keys) this.#readAhead(key).catch(() => undefined);
  }

  /**
   * While a key can only wait for a transaction to come back, what its plan will miss is read, or it would wait for two, one
   * after the other. Nothing waits for that read, and nobody is told what goes wrong here: it does when the key is reconciled.
   */
  async #readAhead(key: string): Promise<void> {
    const { writer, foreign, planner } = this.#options;
    if (!writer.isFull || foreign.isListed(key)) return;
    await Promise.all(planner.plan(key).unread.map((service) => foreign.ensure(service, key)));
  }

  /** Consul has something else for these pods than was known: they have to be looked at, those that fail at their retry. */
  remind(podKeys: Iterable<string>): void {
    for (const key of podKeys) this.#controller.remind(key);
  }

  /** What the key's latest state wants written, and all that goes with writing it. */
  planToWrite(key: string): PodPlan['changes'] {
    const { planner, foreign, report, clock } = this.#options;
    const proven = this.#proven.get(key);
    let plan = planner.plan(key, proven);
    if (this.#noteMembers(key, plan)) plan = planner.plan(key, proven);
    this.#retained.note(key, plan, clock.now());
    this.#kept.note(key, plan.kept.length);
    // A proof is about the present: an instance that is wanted again needs another to go.
    const going = new Set([
      ...plan.changes.remove,
      ...plan.held,
      ...plan.kept,
      ...plan.unconfirmed.map(({ instance }) => instance),
    ]);
    for (const instance of proven?.keys() ?? []) if (!going.has(instance)) proven?.delete(instance);
    this.#latest.set(key, plan);
    logProven(this.#options.log, key, plan.changes.remove, proven);
    // The removal may be refused, or wait: until then what goes keeps its place.
    this.#takePlaces(key, withStaying(plan.places, plan.changes.remove));
    this.#waiting.set(key, plan.waitsFor);
    for (const wait of plan.waitsFor) if ('name' in wait) foreign.follow(wait.name);
    report.warnings(key, plan.warnings);
    this.#tell(key, plan);
    if (plan.refusedNodes.length > 0) this.#controller.enqueueAfter(key, REFUSED_NODE_RETRY_MS);
    return plan.changes;
  }

  /** Tells what somebody has to mend; what may be over in a moment only when it is not. */
  #tell(key: string, { rejections, ofServices, held }: PodPlan): void {
    const { patience, report, clock } = this.#options;
    const late = rejections.filter(({ ifItLasts }) => ifItLasts).map(lateOfPod);
    const { due, nextInMs } = patience.judge(key, [...ofServices, ...late], clock.now());
    const isDue = (rejection: Rejection) => !rejection.ifItLasts || due.some((one) => one.rejection === rejection);
    report.rejections(key, rejections.filter(isDue), held.length > 0, held[0]?.podUid);
    const dueOnServices = due.filter(({ service }) => service !== POD);
    report.ofServices(key, dueOnServices, new Set(held.map(({ registration }) => askerOf(registration.meta))));
    if (nextInMs !== undefined) this.#controller.enqueueAfter(key, nextInMs);
  }

  /** Consul took that for the key. */
  committed(key: string, changes: PodPlan['changes']): void {
    this.#controller.written(key);
    logChanges(this.#options.changes, key, changes, this.#latest.get(key));
  }

  get status(): LoopStatus {
    return {
      instances: this.#options.own.size,
      rejected: this.#options.report.rejected.size,
      held: this.#held.count,
      retained: this.#retained.count,
      kept: this.#kept.total,
      queue: this.#controller.state,
      ...this.#controller.status,
    };
  }

  /** What failed, is rejected or held, for whoever looks. */
  attention(): Iterable<Attention> {
    return attentionOf(this.#controller.failing(), this.#options.report.rejected, this.#held.reasons());
  }

  /** What is rejected and what is held, an object each. */
  troubles(): Iterable<string> {
    return this.#held.troubles(this.#options.report.rejected, this.#options.report.alike);
  }

  /** What is retained right now, under its hash. */
  retaining(): Retaining<ShownInstance> {
    return this.#retained.show(this.#options.clock);
  }

  /** Lets go what was shown under that hash and is retained still. */
  release(hash: string): Release {
    const { losses, clock, log } = this.#options;
    const release = this.#retained.release(hash, clock.now());
    if (release.outcome === 'unknown') return release;
    const released = release.instances.map(({ service, instance: id }) => losses.release({ service, id }, clock.now()));
    // Nothing of these pods has changed that had to be noted, and there may be thousands.
    const concerned = new Set(released.flatMap((keys) => [...keys]));
    for (const key of concerned) this.#controller.enqueue(key);
    log.warn('released what was retained', { hash, instances: release.instances.length, staying: release.staying });
    return release;
  }

  /** What pods failed for may be over: those that failed are looked at again. */
  lookAgain(): void {
    this.#controller.lookAgain();
  }

  /** Takes nothing more; true when what was being reconciled is done within the limit. */
  drain(limitMs: number): Promise<boolean> {
    this.#cancelExpiry();
    return this.#controller.drain(limitMs);
  }

  async #reconcile(key: string): Promise<void> {
    const { own, planner, gate } = this.#options;
    for (const node of this.#latest.get(key)?.refusedNodes ?? []) this.remind(await own.refresh(node));
    await this.#write(key);
    await this.#prove(key);
    assertKnown(key, this.#latest.get(key));
    if (gate) {
      const plan = planner.plan(key);
      assertKnown(key, plan);
      await gate.settle(key, plan);
    }
    this.#settle(key);
  }

  /** Writes what the latest state wants, and once more when foreign instances had to be read first. */
  async #write(key: string): Promise<void> {
    const { foreign } = this.#options;
    await this.#submit(key);
    const unread = this.#latest.get(key)?.unread ?? [];
    if (unread.length === 0) return;
    await Promise.all(unread.map((service) => foreign.ensure(service, key)));
    await this.#submit(key);
  }

  /** Once Consul has what the plan wants, the places of what is gone are free. */
  async #submit(key: string): Promise<void> {
    await this.#options.writer.submit(key);
    const plan = this.#latest.get(key);
    if (plan) this.#takePlaces(key, plan.places);
  }

  /** Before anything is planned for the key: what many keys lose at once has to be known before the first of them is written. */
  #noteWhatIsAtStake(key: string): void {
    if (this.#options.losses.isAtStake(key)) this.#noteMembers(key, this.#options.planner.plan(key));
  }

  /** @returns whether the plan may be another by it */
  #noteMembers(key: string, { members }: PodPlan): boolean {
    const { losses, clock } = this.#options;
    const concerned = losses.note(key, members, clock.now());
    for (const other of concerned) if (other !== key) this.#controller.enqueue(other);
    this.#awaitExpiry();
    return concerned.has(key);
  }

  /** What is kept beside pods that serve goes when these have served for long enough. */
  #awaitExpiry(): void {
    const { losses, clock } = this.#options;
    this.#cancelExpiry();
    const dueInMs = losses.dueInMs(clock.now());
    if (dueInMs === undefined) return;
    this.#cancelExpiry = clock.after(dueInMs, () => {
      for (const key of losses.expire(clock.now())) this.#controller.enqueue(key);
      this.#awaitExpiry();
    });
  }

  #takePlaces(key: string, registrations: PodPlan['places']): void {
    for (const freed of this.#options.places.record(key, registrations)) this.enqueue(this.#waiting.take(freed));
  }

  /**
   * What could be proven is written, whatever became of the other proofs.
   * @throws ViewBehind when an object exists after all, or when another proof than the given one is needed by now
   */
  async #prove(key: string): Promise<void> {
    const { proofs, firstProofs, clock } = this.#options;
    const proven = new Map<OwnInstance, Given>();
    const failures: unknown[] = [];
    for (const { instance, proof } of this.#latest.get(key)?.unproven ?? []) {
      const { id } = instance.registration;
      try {
        const askedAtMs = clock.now();
        if (await proofs.exists(key, proof)) {
          firstProofs.forget(key, instance);
          throw new ViewBehind(
            `deregister ${id}: the ${proof.kind} is missing from the watch, or not seen as it is, but exists`,
          );
        }
        proven.set(instance, firstProofs.give(key, instance, proof, askedAtMs));
      } catch (error) {
        failures.push(error);
        // Where the API server does not answer, each of the others would wait for its own time limit.
        if (!(error instanceof ViewBehind)) break;
      }
    }
    if (proven.size > 0) await this.#writeProven(key, proven);
    this.#awaitSecondProofs(key);
    if (failures.length > 0) throw failures[0];
    for (const { instance, proof } of this.#latest.get(key)?.unproven ?? [])
      throw new ViewBehind(`deregister ${instance.registration.id}: it needs a read of the ${proof.kind} by now`);
  }

  async #writeProven(key: string, proven: Map<OwnInstance, Given>): Promise<void> {
    this.#proven.set(key, proven);
    try {
      await this.#write(key);
    } finally {
      this.#proven.delete(key);
    }
  }

  /** The key comes back by itself when the next of its second reads is due. */
  #awaitSecondProofs(key: string): void {
    const { firstProofs, clock } = this.#options;
    const { unconfirmed = [], unproven = [] } = this.#latest.get(key) ?? {};
    const proven = new Map(unconfirmed.map(({ instance, proof }) => [instance, proof]));
    const unread = unproven.map(({ instance }) => instance);
    const dueInMs = firstProofs.settle(key, proven, unread, clock.now());
    if (dueInMs !== undefined) this.#controller.enqueueAfter(key, dueInMs);
  }

  #settle(key: string): void {
    const plan = this.#latest.get(key);
    this.#held.note(key, plan);
    if (plan?.refusedNodes.length === 0) this.#latest.delete(key);
  }
}
