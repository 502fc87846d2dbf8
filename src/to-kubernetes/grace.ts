/** How long a Consul service has been gone. In memory only: after a restart the grace period begins anew. */
export function createGrace(graceMs: number) {
  const goneSince = new Map<string, number>();
  return {
    /** Milliseconds until the Service may go; 0 when it may. */
    remaining(name: string): number {
      const now = performance.now();
      const since = goneSince.get(name) ?? now;
      goneSince.set(name, since);
      return Math.max(0, since + graceMs - now);
    },
    end: (name: string) => goneSince.delete(name),
  };
}
