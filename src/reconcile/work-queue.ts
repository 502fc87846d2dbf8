import { inBackground } from '../background.ts';
import { backoffMs } from '../backoff.ts';
import { systemClock, type Clock } from '../clock.ts';
import type { RetryBrake } from '../retry-brake.ts';
import { Line } from './line.ts';

/**
 * A queue of keys with the semantics of client-go's work queue:
 * - a key that waits is not queued twice: many events, one look;
 * - a key is never processed twice at the same time; added while it runs, it runs once more afterwards;
 * - a failed key comes back after an exponential backoff, with jitter, and when the brake lets it; success forgets its
 *   failures;
 * - an event for a key that backs off looks again at once: something changed, so the reason may be gone; a reminder, which may
 *   say the same again and again, leaves the key its wait;
 * - keys in the background have their turn when nothing else waits: what changes while thousands of keys are looked at, at a
 *   start say, does not wait for these;
 * - after a slice of work the queue waits until timers and sockets had a turn: whatever its users enqueue, even keys that
 *   put each other back for ever, the process goes on answering.
 * It holds keys only, never objects: whoever processes a key reads the latest state.
 */
export interface WorkQueueOptions {
  /**
   * @param seenAt when the first event came that no run of the key has done away with, by the clock; undefined for a key of the
   *   background, of which nobody knows since when it is so
   */
  readonly process: (key: string, seenAt: number | undefined) => Promise<void>;
  /** Called once for each failed run; the queue has already scheduled the retry. */
  readonly onFailure: (key: string, error: unknown, failures: number, retryInMs: number) => void;
  /** How long after a failure the key is tried again, in milliseconds; undefined for the backoff of all failures. @default none */
  readonly retryAfterMs?: ((error: unknown, failures: number) => number | undefined) | undefined;
  readonly concurrency: number;
  /** Holds back the retries of all keys together; nothing else. */
  readonly brake: Pick<RetryBrake, 'turn' | 'giveBack'>;
  /** Of the waits of keys. @default the machine's */
  readonly clock?: Clock;
}

/** Full-jitter caps of 10, 20, 40 ... ms, at most 30 s: quick after a lost race, gentle on a broken dependency. */
const RETRY = { baseMs: 10, maxMs: 30_000 };
/** What a key costs the servers that is tried again: it is written in vain, and then read. */
const REQUESTS_OF_A_RETRY = 3;
/** Keys are processed by promises, which Node.js puts before every timer and socket: so long they may go on in a row. */
const SLICE_MS = 5;

interface KeyState {
  phase: 'queued' | 'running' | 'idle';
  /** What came for the key while it ran. */
  again?: 'event' | 'reminder';
  failures: number;
  /** When the first event came that no run has begun with, or that failed. */
  seenAt?: number | undefined;
  /** Since when it waits to be done; undefined when it is done, and may be looked at later. */
  waitsSince?: number | undefined;
  timer?: { readonly cancel: () => void; readonly dueAt: number };
  /** Waits at the brake. */
  isHeld: boolean;
  /** The run that is queued, or goes on, was let through by the brake. */
  isRetry: boolean;
}

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #clock: Clock;
  readonly #keys = new Map<string, KeyState>();
  readonly #queued = new Line<string>();
  readonly #background = new Line<string>();
  /** Since when there are keys in the background. */
  #backgroundSince = 0;
  #running = 0;
  #onIdle = (): void => undefined;
  /** Undefined after each turn of the event loop. */
  #slice: { readonly beganAt: number; readonly isOver: Promise<void> } | undefined;
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Keys waiting for their turn. */
  get depth(): number {
    return this.#queued.size + this.#background.size;
  }

  /** Keys that are being processed. */
  get running(): number {
    return this.#running;
  }

  /** How long the key waits that has waited longest: for its turn, for its run to end, or for another try; 0 when none does. */
  get oldestWaitingMs(): number {
    const now = this.#clock.now();
    let oldest = this.#background.size > 0 ? this.#backgroundSince : now;
    for (const { waitsSince = now } of this.#keys.values()) oldest = Math.min(oldest, waitsSince);
    return now - oldest;
  }

  /** Look at this key as soon as possible. */
  add(key: string): void {
    if (this.#stopped) return;
    this.#background.delete(key);
    const state = this.#state(key);
    this.#cancelWait(state);
    this.#see(state);
    if (state.phase === 'running') state.again = 'event';
    else if (state.phase === 'idle') this.#enqueue(key, state);
  }

  /** Look at these keys when nothing else waits. */
  addInBackground(keys: Iterable<string>): void {
    if (this.#stopped) return;
    if (this.#background.size === 0) this.#backgroundSince = this.#clock.now();
    for (const key of keys)
      if (this.#keys.has(key)) this.add(key);
      else this.#background.add(key);
    this.#start();
  }

  /** Look at this key as soon as possible, unless it failed: its retry is a look too. */
  remind(key: string): void {
    if (this.#stopped) return;
    const state = this.#state(key);
    if (state.phase === 'running') {
      state.again ??= 'reminder';
      this.#see(state);
    } else if (state.failures === 0) this.add(key);
  }

  /** Look at this key after a while; an earlier look that is already planned stays. */
  addAfter(key: string, ms: number): void {
    if (this.#stopped) return;
    const state = this.#state(key);
    if (state.phase === 'queued' || state.isHeld) return;
    const dueAt = this.#clock.now() + ms;
    if (state.timer && state.timer.dueAt <= dueAt) return;
    this.#cancelWait(state);
    state.timer = { cancel: this.#clock.after(ms, () => this.#due(key, state)), dueAt };
  }

  /** What keys failed for may be over: those that wait for another try are looked at as soon as possible. */
  lookAgain(): void {
    for (const [key, state] of this.#keys) {
      if (state.failures === 0) continue;
      state.failures = 0;
      if (state.timer || state.isHeld) this.add(key);
    }
  }

  /** Takes nothing more, then waits until the running keys are done or the limit is reached; true when all are done. */
  async drain(limitMs: number): Promise<boolean> {
    this.#stopped = true;
    for (const state of this.#keys.values()) this.#cancelWait(state);
    this.#queued.clear();
    this.#background.clear();
    let limit: NodeJS.Timeout | undefined;
    const expired = new Promise<boolean>((resolve) => (limit = setTimeout(() => resolve(false), limitMs)));
    const idle = new Promise<boolean>((resolve) => {
      this.#onIdle = () => resolve(true);
      if (this.#running === 0) resolve(true);
    });
    const done = await Promise.race([idle, expired]);
    clearTimeout(limit);
    return done;
  }

  #state(key: string): KeyState {
    let state = this.#keys.get(key);
    if (!state) this.#keys.set(key, (state = { phase: 'idle', failures: 0, isHeld: false, isRetry: false }));
    return state;
  }

  /** Something happened that the next run has to do away with. */
  #see(state: KeyState): void {
    state.seenAt ??= this.#clock.now();
    state.waitsSince ??= state.seenAt;
  }

  /** The wait of the key is over. */
  #due(key: string, state: KeyState): void {
    if (state.phase !== 'idle' || state.failures === 0) return this.add(key);
    delete state.timer;
    state.isHeld = true;
    const isWanted = () => state.isHeld;
    const turn = { failures: state.failures, requests: REQUESTS_OF_A_RETRY, isWanted };
    inBackground(
      this.#options.brake.turn(turn).then(() => {
        // An event was quicker.
        if (!state.isHeld) return;
        state.isHeld = false;
        state.isRetry = true;
        this.#enqueue(key, state);
      }),
    );
  }

  #enqueue(key: string, state: KeyState): void {
    state.phase = 'queued';
    this.#queued.add(key);
    this.#start();
  }

  /** Begins with what waits, as far as may run at a time. */
  #start(): void {
    while (this.#running < this.#options.concurrency) {
      const key = this.#queued.take() ?? this.#background.take();
      if (key === undefined) return;
      const state = this.#state(key);
      this.#cancelWait(state);
      state.waitsSince ??= this.#backgroundSince;
      state.phase = 'queued';
      this.#running++;
      // Not within add(): who adds a key may be in the middle of changing what its processing reads.
      inBackground(
        this.#untilTurn()
          .then(() => this.#run(key, state))
          .finally(() => this.#ended()),
      );
    }
  }

  #ended(): void {
    this.#running--;
    if (this.#running === 0) this.#onIdle();
    this.#start();
  }

  /** Resolves in the running slice, while that lasts, else after the event loop had a turn. */
  async #untilTurn(): Promise<void> {
    for (;;) {
      this.#slice ??= { beganAt: performance.now(), isOver: this.#endOfSlice() };
      if (performance.now() - this.#slice.beganAt < SLICE_MS) return;
      await this.#slice.isOver;
    }
  }

  #endOfSlice(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#slice = undefined;
        resolve();
      });
    });
  }

  async #run(key: string, state: KeyState): Promise<void> {
    if (this.#stopped) return;
    state.phase = 'running';
    const { isRetry, seenAt } = state;
    state.isRetry = false;
    state.seenAt = undefined;
    delete state.again;
    try {
      await this.#options.process(key, seenAt);
      state.failures = 0;
      state.waitsSince = state.seenAt;
      if (isRetry) this.#options.brake.giveBack(REQUESTS_OF_A_RETRY);
    } catch (error) {
      state.seenAt = seenAt ?? state.seenAt;
      const backoff = backoffMs(state.failures++, RETRY);
      const wait = this.#options.retryAfterMs?.(error, state.failures) ?? backoff;
      // Still running: whoever is told of the failure and adds the key makes it run again, instead of queueing it twice.
      this.addAfter(key, wait);
      this.#options.onFailure(key, error, state.failures, wait);
    }
    state.phase = 'idle';
    if (this.#stopped) return;
    if (state.again === 'event' || (state.again === 'reminder' && state.failures === 0)) {
      this.#cancelWait(state);
      this.#enqueue(key, state);
    } else if (!state.timer && state.failures === 0) {
      this.#keys.delete(key);
    }
  }

  #cancelWait(state: KeyState): void {
    state.timer?.cancel();
    delete state.timer;
    state.isHeld = false;
  }
}
