import { ANNOTATION } from '../mark.ts';
import type { Log } from '../observability/log.ts';
import { nearest } from '../spelling.ts';

/** An annotation on the Lease that nobody reads. */
export interface LeaseMistake {
  readonly annotation: string;
  /** What was meant, most likely. */
  readonly meant: string;
}

const OF_OPERATORS = [ANNOTATION.writes, ANNOTATION.release];
const WORDS = OF_OPERATORS.map(nameOf);
const ON_THE_LEASE: ReadonlySet<string> = new Set([
  ...OF_OPERATORS,
  ANNOTATION.released,
  ANNOTATION.epoch,
  ANNOTATION.nonce,
]);
const PREFIX = 'consular.dev';
/** Whoever misspells more than these sees that nothing happens. */
const MOST = 3;

/**
 * Annotations by which somebody most likely meant to say something to Consular. Whoever stops all writes with one letter too few would
 * believe that they stopped. A word of which `writes` or `release` is near counts, without a prefix or with one that is near ours or the
 * one that pods have.
 * @param annotationPrefix setting `toConsul.annotationPrefix`; on the Lease it does not count
 */
export function mistakesOnLease(annotations: Iterable<string>, annotationPrefix: string): LeaseMistake[] {
  const mistakes: LeaseMistake[] = [];
  for (const annotation of annotations) {
    if (ON_THE_LEASE.has(annotation)) continue;
    const slash = annotation.indexOf('/');
    const prefix = annotation.slice(0, Math.max(0, slash));
    if (prefix !== '' && nearest(prefix, [PREFIX, annotationPrefix]) === undefined) continue;
    const meant = nearest(nameOf(annotation), WORDS);
    if (meant !== undefined) mistakes.push({ annotation, meant: `${PREFIX}/${meant}` });
  }
  return mistakes.slice(0, MOST);
}

/** The mistakes on the Lease as it was seen last. Each is told the log once, as long as it stays. */
export class LeaseMistakes {
  readonly #annotationPrefix: () => string;
  readonly #log: Pick<Log, 'warn'>;
  #sentences: readonly string[] = [];

  constructor(annotationPrefix: () => string, log: Pick<Log, 'warn'>) {
    this.#annotationPrefix = annotationPrefix;
    this.#log = log;
  }

  /** For people. */
  get sentences(): readonly string[] {
    return this.#sentences;
  }

  note(annotations: Iterable<string>): void {
    const known = new Set(this.#sentences);
    const mistakes = mistakesOnLease(annotations, this.#annotationPrefix());
    this.#sentences = mistakes.map(describe);
    for (const mistake of mistakes)
      if (!known.has(describe(mistake)))
        this.#log.warn('an annotation on the Lease is not known and does nothing', { ...mistake });
  }
}

function describe({ annotation, meant }: LeaseMistake): string {
  return `annotation ${annotation} on the Lease is not known and does nothing; ${meant} was meant, perhaps`;
}

function nameOf(annotation: string): string {
  return annotation.slice(annotation.indexOf('/') + 1);
}
