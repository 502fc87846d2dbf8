/** After a restored snapshot or a Consul that lost its data, applications need time to register again. */
const DISTRUST_MS = 10 * 60_000;

/**
 * That Consul lost data, or was put back to an older state. For ten minutes, what is missing from it may only not be back
 * yet.
 */
export class Distrust {
  #lostAt: Date | undefined;
  #until = -Infinity;

  /** @param lostAt by some machine's clock; wrong as it may be, ten minutes is the longest */
  begin(lostAt = new Date()): void {
    this.#lostAt = lostAt;
    this.#until = performance.now() + Math.min(DISTRUST_MS, lostAt.getTime() + DISTRUST_MS - Date.now());
  }

  /** When Consul lost data; undefined when it did not, or that counts no more. */
  get lostAt(): Date | undefined {
    return performance.now() < this.#until ? this.#lostAt : undefined;
  }
}
