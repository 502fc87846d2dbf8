import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { WorkQueue } from '../../../src/reconcile/work-queue.ts';
import { NO_BRAKE } from '../brake.ts';
import { settled } from '../clock.ts';

/**
 * The model: each event gives a key a new version, and a run that succeeds has seen the version of its beginning. What
 * must hold under any interleaving: no key runs beside itself, never more runs than the concurrency, and in the end every
 * key was seen in its last version.
 */
type Step = { readonly add: string } | { readonly remind: string } | { readonly later: string } | 'turn';

/** How a run goes: over how many turns of the event loop, and whether it fails. */
interface Fate {
  readonly turns: number;
  readonly fails: boolean;
}

class Model {
  readonly queue: WorkQueue;
  readonly violations: string[] = [];
  readonly #version = new Map<string, number>();
  readonly #seen = new Map<string, number>();
  readonly #running = new Set<string>();
  #atEnd: () => void = () => undefined;

  constructor(concurrency: number, fates: Iterator<Fate, undefined>) {
    const process = async (key: string) => {
      if (this.#running.has(key)) this.violations.push(`${key} runs beside itself`);
      this.#running.add(key);
      if (this.#running.size > concurrency) this.violations.push(`${this.#running.size} runs at a time`);
      const version = this.#version.get(key) ?? 0;
      const fate = fates.next().value ?? { turns: 0, fails: false };
      for (let turn = 0; turn < fate.turns; turn++) await settled();
      this.#running.delete(key);
      if (fate.fails) throw new Error('no luck');
      this.#seen.set(key, version);
      if (this.isDone) this.#atEnd();
    };
    this.queue = new WorkQueue({ concurrency, process, brake: NO_BRAKE, onFailure: () => undefined });
  }

  get isDone(): boolean {
    return [...this.#version].every(([key, version]) => this.#seen.get(key) === version);
  }

  async take(step: Step): Promise<void> {
    if (step === 'turn') return settled();
    const key = 'add' in step ? step.add : 'remind' in step ? step.remind : step.later;
    this.#version.set(key, (this.#version.get(key) ?? 0) + 1);
    if ('add' in step) this.queue.add(key);
    else if ('remind' in step) this.queue.remind(key);
    else this.queue.addAfter(key, 1);
  }

  /** Resolves when every key was seen in its last version; a lost update makes the test run into its time limit. */
  end(): Promise<void> {
    return new Promise((resolve) => {
      this.#atEnd = resolve;
      if (this.isDone) resolve();
    });
  }
}

const key = fc.constantFrom('a', 'b', 'c');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: key.map((add) => ({ add })) },
  { weight: 1, arbitrary: key.map((later) => ({ later })) },
  { weight: 2, arbitrary: key.map((remind) => ({ remind })) },
  { weight: 3, arbitrary: fc.constant('turn' as const) },
);
const fate = fc.record({ turns: fc.nat({ max: 3 }), fails: fc.boolean() });

it('no key runs beside itself and no update is lost, whatever the interleaving', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(step, { maxLength: 30 }),
      fc.array(fate, { maxLength: 20 }),
      async (concurrency, steps, fates) => {
        const model = new Model(concurrency, fates.values());
        for (const step of steps) await model.take(step);
        await model.end();
        expect(await model.queue.drain(2 ** 31 - 1)).toBe(true);
        expect(model.violations).toEqual([]);
        expect(model.queue.depth).toBe(0);
      },
    ),
    { numRuns: 60 },
  );
});
