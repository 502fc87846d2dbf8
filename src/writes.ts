import type { Clock } from './clock.ts';

/** Writes are off: nothing is written in either system until somebody switches them on again. */
export class WritesOff extends Error {
  constructor(by: readonly string[]) {
    super(`write: expected writes to be on, found that they are off: ${by.join('; ')}`);
    this.name = 'WritesOff';
  }
}

/** Whether it failed, or something that it needed failed, because writes are off: there is nothing to try again until they are on. */
export function isWritesOff(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth++)
    if (cause instanceof WritesOff) return true;
  return false;
}

/** Since when this process has known that writes are off, and who said so, a sentence each. */
export interface Off {
  readonly since: Date;
  readonly by: readonly string[];
}

/** Where somebody can switch writes off. */
export type Source = 'setting' | 'lease' | 'control file';

/**
 * What may be written now:
 *
 * | phase     | Consular's own entry | the fence | anything else |
 * |-----------|----------------------|-----------|---------------|
 * | on        | yes                  | yes       | yes           |
 * | closing   | yes: it says so      | yes       | no            |
 * | off       | no                   | no        | no            |
 * | opening   | yes: it is claimed   | yes       | no            |
 *
 * The Lease is written in any phase. Who switches writes off closes them at once; from one phase to the next leads whoever
 * carries the switch out (`carryOutSwitch`).
 */
export type Phase = 'on' | 'closing' | 'off' | 'opening';

/**
 * The switch that stops all writes. Any source that says off is enough; a source that says nothing says on. What is written
 * asks here first, at one place for each system: `Leadership`.
 */
export class Writes {
  readonly #clock: Pick<Clock, 'date'>;
  readonly #by = new Map<Source, string>();
  readonly #listeners = new Set<() => void>();
  #since: Date | undefined;
  #phase: Phase = 'on';

  constructor(clock: Pick<Clock, 'date'> = { date: () => new Date() }) {
    this.#clock = clock;
  }

  /** @param off who says that writes are off, in words; undefined where the source says that they are on, or nothing */
  say(source: Source, off: string | undefined): void {
    if (this.#by.get(source) === off) return;
    if (off === undefined) this.#by.delete(source);
    else this.#by.set(source, off);
    this.#since = this.#by.size === 0 ? undefined : (this.#since ?? this.#clock.date());
    if (this.#since && this.#phase !== 'off') this.#phase = 'closing';
    for (const listener of this.#listeners) listener();
  }

  /** Undefined while nobody says that writes are off. */
  get off(): Off | undefined {
    return this.#since && { since: this.#since, by: [...this.#by.values()] };
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Leads to the next phase. */
  enter(phase: Phase): void {
    this.#phase = phase;
  }

  /** Told whenever a source says something else. */
  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** @throws WritesOff unless everything may be written */
  assertOn(): void {
    this.#assertIn('on');
  }

  /** @throws WritesOff unless Consular's own entry may be written */
  assertLastWord(): void {
    this.#assertIn('on', 'closing', 'opening');
  }

  /** @throws WritesOff unless the key that fences writes may be written */
  assertFence(): void {
    this.#assertIn('on', 'closing', 'opening');
  }

  #assertIn(...phases: readonly Phase[]): void {
    if (!phases.includes(this.#phase))
      throw new WritesOff(this.#by.size > 0 ? [...this.#by.values()] : ['they are about to be switched on']);
  }
}

/** For people: since when, where that is known, and who says so. */
export function describeOff({ since, by }: Pick<Off, 'by'> & Partial<Off>): string {
  return `writes are off${since ? ` since ${since.toISOString()}` : ''}, by ${by.join(' and by ')}`;
}

/**
 * What somebody wrote for the state of the switch, outside of a configuration that is checked. Whoever writes anything but on
 * wants something to stop, so whatever else it says is off.
 * @returns why writes are off, as the end of a sentence; undefined when they are on
 */
export function readSwitch(text: string | undefined): string | undefined {
  const said = text?.trim().toLowerCase() ?? '';
  if (said === 'on' || said === 'true' || text === undefined) return undefined;
  return said === 'off' || said === 'false' ? 'says off' : `says ${JSON.stringify(text.slice(0, 40))}, which is not on`;
}
