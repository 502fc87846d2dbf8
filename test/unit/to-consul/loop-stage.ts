import { createMetrics } from '../../../src/observability/metrics.ts';
import type { Proof } from '../../../src/to-consul/observed/proof-reader.ts';
import type { LoopOptions } from '../../../src/to-consul/loop-options.ts';
import { ToConsulLoop } from '../../../src/to-consul/loop.ts';
import { FirstProofs } from '../../../src/to-consul/plan/first-proofs.ts';
import type { Rejection } from '../../../src/to-consul/registration/rejection.ts';
import { Patience, SLICES_FOLLOW_MS } from '../../../src/to-consul/report/patience.ts';
import { subscribe } from '../../../src/to-consul/subscriptions.ts';
import { QUIET } from '../log.ts';
import { NO_BRAKE } from '../brake.ts';
import { settled, TestClock } from '../clock.ts';
import { NOBODY, planning, type PlanningGiven } from './planning.ts';

interface Submitted {
  readonly key: string;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What others have: a plan waits until a name is read, and whoever waits for a followed name is told when the test says so. */
class OtherServices {
  readonly ensured: string[] = [];
  isListed = (): boolean => false;
  readonly followed: string[] = [];
  failure: Error | undefined;
  onEnsure: () => void = () => undefined;
  #listener: (name: string) => void = () => undefined;

  ensure(service: string): Promise<void> {
    this.ensured.push(service);
    this.onEnsure();
    return this.failure ? Promise.reject(this.failure) : Promise.resolve();
  }

  follow(service: string): void {
    this.followed.push(service);
  }

  subscribe(listener: (name: string) => void): void {
    this.#listener = listener;
  }

  podsChanged(): void {
    // A name that was read is known, whatever pod asks.
  }

  changed(name: string): void {
    this.#listener(name);
  }
}

/**
 * The loop with all around it made of maps: views, a Consul, and a writer that sends what was submitted together in one
 * synchronous batch, a turn of the event loop later.
 */
export function loopStage(
  given: PlanningGiven = {},
  { secondProofMs = 0, ...overrides }: Partial<Pick<LoopOptions, 'gate'>> & { readonly secondProofMs?: number } = {},
) {
  const clock = new TestClock();
  const { views, index, places, losses, planner, consul, freshPlanner } = planning({ others: NOBODY, ...given });
  const others = new OtherServices();
  const submitted: Submitted[] = [];
  /** What goes wrong with the next batches: an error, or undefined for nothing. */
  const refusals: (Error | undefined)[] = [];
  const proofs: Proof[] = [];
  /** Kinds and names that a direct read finds, `Pod shop/a`. */
  const existing = new Set<string>();
  const rejected = new Map<string, string>();
  const reported: string[] = [];
  const toldOfServices: string[][] = [];
  const refreshed: string[] = [];
  const lanes = { areFull: false };
  const firstProofs = new FirstProofs(secondProofMs);
  /** Keys that come back at once for a second proof. */
  const due = new Set<string>();
  let reconciles = 0;
  const send = () => {
    const batch = submitted.splice(0);
    const failure = refusals.shift();
    const changes = batch.map(({ key }) => loop.planToWrite(key));
    if (!failure) changes.forEach((some) => consul.apply(some));
    for (const { resolve, reject } of batch)
      if (failure) reject(failure);
      else resolve();
  };
  const loop: ToConsulLoop = new ToConsulLoop({
    planner,
    places,
    losses,
    own: {
      get size() {
        return consul.size;
      },
      refresh: (node) => {
        refreshed.push(node);
        return Promise.resolve([]);
      },
    },
    foreign: others,
    denied: { subscribe: () => undefined },
    changes: { note: () => undefined },
    brake: NO_BRAKE,
    writer: {
      get isFull() {
        return lanes.areFull;
      },
      submit: (key) => {
        reconciles++;
        if (submitted.length === 0) setImmediate(send);
        return new Promise((resolve, reject) => submitted.push({ key, resolve, reject }));
      },
    },
    proofs: {
      exists: (_, proof) => {
        proofs.push(proof);
        return Promise.resolve(existing.has(`${proof.kind} ${proof.namespace}/${proof.name}`));
      },
    },
    firstProofs: {
      clear: () => firstProofs.clear(),
      give: (...given) => firstProofs.give(...given),
      forget: (...given) => firstProofs.forget(...given),
      settle: (key, ...more) => {
        const dueInMs = firstProofs.settle(key, ...more);
        if (dueInMs === 0) due.add(key);
        else due.delete(key);
        return dueInMs;
      },
    },
    clock,
    report: {
      rejected,
      alike: new Map(),
      rejections: (key: string, rejections: readonly Rejection[]) => {
        if (rejections.length > 0) rejected.set(`Pod ${key}`, rejections.map(({ message }) => message).join('; '));
        else rejected.delete(`Pod ${key}`);
      },
      warnings: () => undefined,
      ofServices: (_, problems) => toldOfServices.push(problems.map(({ rejection: { message } }) => message)),
    },
    patience: new Patience(SLICES_FOLLOW_MS),
    gate: undefined,
    log: QUIET,
    metrics: createMetrics(),
    ...overrides,
  });
  subscribe(views, index, {
    enqueue: (podKeys) => loop.enqueue(podKeys),
    addressChanged: (podKeys) => loop.enqueue(podKeys.filter((key) => losses.isAtStake(key))),
    reportService: ({ name }, addresses) => reported.push(`${name}: ${addresses.join()}`),
    forget: ({ uid }) => reported.push(`forget ${uid}`),
  });
  return {
    ...{
      loop,
      views,
      index,
      planner,
      freshPlanner,
      places,
      consul,
      others,
      submitted,
      refusals,
      proofs,
      existing,
      rejected,
    },
    ...{ clock, reported, refreshed, toldOfServices, lanes },
    get submissions() {
      return reconciles;
    },
    /** Waits until nothing is queued, running or backing off; fails when that takes more turns than any work here needs. */
    untilIdle: async () => {
      for (let turn = 0; turn < MOST_TURNS; turn++) {
        await settled();
        const { waiting, busy, failing } = loop.status;
        if (due.size === 0 && waiting + busy === 0 && Object.keys(failing).length === 0 && submitted.length === 0)
          return;
      }
      throw new Error(`wait until the loop is idle: ${JSON.stringify(loop.status)} after ${MOST_TURNS} turns`);
    },
  };
}

/** A failed key comes back after some 10 ms, in which there are many turns. */
const MOST_TURNS = 100_000;
