import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../rig/until.ts';

/** Chance chooses between instances: that it leaves one of two out so many times in a row happens once in a million. */
const IN_A_ROW = 20;
const SHOWN_ANSWERS = 5;
const PAUSE_MS = 10;
const CALL_LIMIT_MS = 10_000;

/** Calls a URL again and again, one call after the other, and keeps what came back: text, or `failed: ...`. */
export class Caller {
  readonly answers: string[] = [];
  readonly #url: string;
  readonly #ended: Promise<void>;
  #stopped = false;

  constructor(url: string) {
    this.#url = url;
    this.#ended = this.#run();
  }

  /** Waits until so many calls in a row, all begun from now on, were answered by all of these and by nobody else. */
  async untilAnsweredBy(expected: readonly string[]): Promise<void> {
    // The call that is under way began earlier.
    const start = this.answers.length + 1;
    const wanted = [...expected].sort().join('\n');
    try {
      await until(`answers from ${expected.join(' and ')} only`, () => {
        const last = this.answers.slice(start).slice(-IN_A_ROW);
        return Promise.resolve(last.length === IN_A_ROW && [...new Set(last)].sort().join('\n') === wanted);
      });
    } catch (cause) {
      const last = new Set(this.answers.slice(start).slice(-IN_A_ROW));
      const shown = [...last].slice(0, SHOWN_ANSWERS).join('\n');
      throw new Error(`call ${this.#url}: expected ${wanted}\nfound of late:\n${shown}`, { cause });
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.answers.push(await ask(this.#url).catch((error: unknown) => `failed: ${String(error)}`));
      await sleep(PAUSE_MS);
    }
  }
}

/** The text of an answer, which must be a 200. */
export async function ask(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(CALL_LIMIT_MS) });
  const text = await response.text();
  if (!response.ok) throw new Error(`GET ${url}: expected 200, found ${response.status}: ${text}`);
  return text;
}
