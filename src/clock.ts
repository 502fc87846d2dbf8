/** Time, for whatever has to wait: a parameter, so that a test can set it. */
export interface Clock {
  /** Milliseconds since some moment that never changes. */
  now(): number;
  /** Runs something once after so many milliseconds; the returned function calls it off. */
  after(ms: number, run: () => void): () => void;
}

/** The clock of the process. What waits for it does not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
