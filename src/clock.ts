/** Time, for whatever has to wait: a parameter, so that a test can set it. */
export interface Clock {
  /** Milliseconds since some moment that never changes: for distances, and never set back. */
  now(): number;
  /** The time of day, as this machine believes. */
  date(): Date;
  /** Calls the function once, after so many milliseconds; the returned function calls it off. */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
