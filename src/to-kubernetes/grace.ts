export interface Grace {
  /** Milliseconds until the Service of a Consul service that is gone may go; 0 when it may. The first call begins the period. */
  remaining(name: string): number;
  /** Each period begins anew. */
  startAnew(): void;
  /** The Consul service is there again, or all of it is gone. */
  end(name: string): void;
}

/**
 * How long each Consul service has been gone. In memory only: after a restart the grace period begins anew.
 * @param graceMs asked at each look, because the setting may change
 * @param now a clock in milliseconds that never goes back
 */
export function createGrace(graceMs: () => number, now: () => number): Grace {
  const goneSince = new Map<string, number>();
  return {
    remaining(name) {
      const since = goneSince.get(name) ?? now();
      goneSince.set(name, since);
      return Math.max(0, since + graceMs() - now());
    },
    startAnew: () => goneSince.clear(),
    end: (name) => void goneSince.delete(name),
  };
}
