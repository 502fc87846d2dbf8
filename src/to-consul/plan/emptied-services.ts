/**
 * So long a service must have had a pod that is Ready before those that are lost go. Shorter, and a pod that is Ready for a
 * moment, as one that crashes again and again, would have all others deregistered and registered again each time.
 */
export const SERVES_MS = 30_000;

interface EmptiedService {
  /** Those that are kept. */
  readonly members: Set<string>;
  /** Since when a pod of the service is Ready; undefined while none is. */
  servedSinceMs: number | undefined;
}

/**
 * Services of which nothing was left when much was lost at once, with the members that are kept for that:
 *
 * | a member                                                | outcome                       |
 * |---------------------------------------------------------|-------------------------------|
 * | was lost in the event that emptied the service, or while nothing of it was left | is kept |
 * | is there again, is gone, or is released                 | is kept no more, and no other for that |
 * | is lost, and the service has a pod that is Ready, for less than 30 s in a row | is kept still |
 * | is lost, and the service has had one for 30 s           | goes                          |
 *
 * Whether the event goes on is not asked: that others came back says nothing of a member that did not.
 */
export class EmptiedServices {
  readonly #services = new Map<string, EmptiedService>();

  keeps(service: string, member: string): boolean {
    return this.#services.get(service)?.members.has(member) ?? false;
  }

  /** Whether anything of the service is kept. */
  has(service: string): boolean {
    return this.#services.has(service);
  }

  /** Nothing of the service is there, and the member is lost. */
  keep(service: string, member: string): void {
    const known = this.#services.get(service);
    if (known) known.members.add(member);
    else this.#services.set(service, { members: new Set([member]), servedSinceMs: undefined });
  }

  /** The member is there again, is gone, or may go. */
  drop(service: string, member: string): void {
    const known = this.#services.get(service);
    if (known?.members.delete(member) && known.members.size === 0) this.#services.delete(service);
  }

  /** Whether a pod of the service is Ready now. */
  serves(service: string, isServing: boolean, nowMs: number): void {
    const known = this.#services.get(service);
    if (known) known.servedSinceMs = isServing ? (known.servedSinceMs ?? nowMs) : undefined;
  }

  /** Lets go what is kept of services that have served long enough. @returns these members */
  expire(nowMs: number): readonly string[] {
    const gone: string[] = [];
    for (const [service, { members, servedSinceMs = Infinity }] of this.#services) {
      if (nowMs - servedSinceMs < SERVES_MS) continue;
      gone.push(...members);
      this.#services.delete(service);
    }
    return gone;
  }

  /** Milliseconds until something expires; undefined while nothing will. */
  dueInMs(nowMs: number): number | undefined {
    const times = [...this.#services.values()].flatMap(({ servedSinceMs }) => servedSinceMs ?? []);
    return times.length === 0 ? undefined : Math.max(0, Math.min(...times) + SERVES_MS - nowMs);
  }
}
