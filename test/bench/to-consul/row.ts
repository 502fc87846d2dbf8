import { ratioGoal, type Row } from '../table.ts';
import type { Figures, Measured } from './index.ts';

type RatioRow = Row & { readonly floor: number; readonly consular: number };

/** A row from the same figure of both programs. */
export function both({ floor, consular }: Figures, what: string, of: (measured: Measured) => number): RatioRow {
  return { what, floor: of(floor), consular: of(consular) };
}

export function within(ratio: number, row: RatioRow): Row {
  return { ...row, goal: ratioGoal(ratio, row.floor) };
}
