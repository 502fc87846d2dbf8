import type { JudgedRow } from './table.ts';

/** What a direction measured: the figures are its own business, the table is not. */
export interface Report<Figures = unknown> {
  /** What the table is about. */
  readonly title: readonly string[];
  readonly figures: Figures;
  readonly rows: readonly JudgedRow[];
  /** Why a part of it could not be measured. */
  readonly failure?: unknown;
}

/**
 * Measures one size after the other. What was measured before a size that fails is not lost for the sake of the rest.
 * @param isEnough whether there is anything to print without that size
 * @throws the failure of a size, where that is not enough
 */
export async function measureEach<Figures>(
  sizes: readonly number[],
  measure: (size: number) => Promise<Figures>,
  isEnough: (figures: readonly Figures[]) => boolean,
): Promise<{ readonly figures: readonly Figures[]; readonly failure?: unknown }> {
  const figures: Figures[] = [];
  for (const size of sizes) {
    try {
      figures.push(await measure(size));
    } catch (failure) {
      if (!isEnough(figures)) throw failure;
      return { figures, failure };
    }
  }
  return { figures };
}
