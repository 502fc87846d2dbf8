/** The writes of one namespace: one that fails holds up no other, or dead addresses would stay for its sake. */
export interface Attempts {
  readonly namespace: string;
  /** @param atOnce @default 1 */
  attempt(writes: readonly Write[], atOnce?: number): Promise<void>;
  /** @throws the first failure */
  end(): void;
}
type Write = () => Promise<void>;

export function createAttempts(namespace: string): Attempts {
  const failures: unknown[] = [];
  async function attemptOne(write: Write): Promise<void> {
    try {
      await write();
    } catch (error) {
      failures.push(error);
    }
  }
  return {
    namespace,
    async attempt(writes, atOnce = 1) {
      for (let first = 0; first < writes.length; first += atOnce)
        await Promise.all(writes.slice(first, first + atOnce).map(attemptOne));
    },
    end() {
      if (failures.length > 0) throw failures[0];
    },
  };
}
