/** Between two words about what is being waited for. */
const PROGRESS_MS = 1500;

/** Bounds what is asked, and tells what is being waited for. */
export class Waiting {
  readonly #ms: number;
  readonly #open = new Set<string>();
  readonly #timer: NodeJS.Timeout;

  /** @param ms what takes longer is given up */
  constructor(ms: number, onProgress: (text: string) => void) {
    this.#ms = ms;
    this.#timer = setInterval(() => {
      if (this.#open.size > 0) onProgress(`waiting for ${[...this.#open].join(', ')}`);
    }, PROGRESS_MS);
  }

  /** @throws Error when it takes too long; what the work throws */
  async within<T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#open.add(what);
    const end = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${this.#ms / 1000} s`)), this.#ms);
    });
    try {
      const working = work(end.signal);
      // Nobody waits for it any more when it is late.
      working.catch(() => undefined);
      return await Promise.race([working, tooLong]);
    } finally {
      clearTimeout(timer);
      end.abort();
      this.#open.delete(what);
    }
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
