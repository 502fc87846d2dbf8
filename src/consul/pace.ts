const BURST = 10;

/**
 * A token bucket: says how long to wait before the next of something that may happen so often a second, on average, after
 * a burst. Whoever does not wait takes from those that come later.
 */
export function createPace(perSecond: number, clock: () => number = () => performance.now()): { wait(): number } {
  let tokens = BURST;
  let at = clock();
  return {
    wait() {
      const now = clock();
      tokens = Math.min(BURST, tokens + ((now - at) / 1000) * perSecond);
      at = now;
      tokens -= 1;
      return tokens >= 0 ? 0 : (-tokens / perSecond) * 1000;
    },
  };
}
