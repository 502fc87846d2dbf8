import { sleep } from '../../backoff.ts';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../observability/log.ts';
import { describeRetained, type DirectionName, type WhatIsRetained } from './retained.ts';

export interface RetainedReportOptions {
  /** What each direction retains now. */
  readonly retaining: () => readonly (readonly [DirectionName, WhatIsRetained])[];
  /** Told the sentence for people, once for each hash that lasts. */
  readonly onRetained: (text: string) => void;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** @default 5 s */
  readonly lookMs?: number | undefined;
}

const LOOK_MS = 5000;
/** What goes on changing is told all the same after so many looks: half a minute. */
const MOST_PATIENT_LOOKS = 6;

interface Told {
  readonly seen: string | undefined;
  readonly told: string | undefined;
  /** Looks since something new was seen that was not told. */
  readonly patience: number;
}

const NOTHING: Told = { seen: undefined, told: undefined, patience: 0 };

/**
 * Whether what is retained is to be told at this look. While pods go on turning NotReady each look finds another hash, and
 * one that is out of date when somebody reads it is no help: so it is told when two looks find the same, or at last.
 */
export function nextTold(before: Told, hash: string | undefined): Told & { readonly isNews: boolean } {
  if (hash === before.told) return { seen: hash, told: hash, patience: 0, isNews: false };
  const patience = before.patience + 1;
  const isNews = hash === undefined || hash === before.seen || patience >= MOST_PATIENT_LOOKS;
  return isNews ? { seen: hash, told: hash, patience: 0, isNews } : { seen: hash, told: before.told, patience, isNews };
}

/** Tells in the log, and whoever else has to know, what is retained, and when nothing is any more. */
export async function reportRetained(options: RetainedReportOptions): Promise<void> {
  const { retaining, onRetained, log, clock, signal, lookMs = LOOK_MS } = options;
  const told = new Map<DirectionName, Told>();
  for (; !signal.aborted; await sleep(lookMs, signal, clock)) {
    for (const [direction, shown] of retaining()) {
      const { isNews, ...next } = nextTold(told.get(direction) ?? NOTHING, shown.hash);
      told.set(direction, next);
      if (!isNews) continue;
      const text = describeRetained(direction, shown);
      if (text === undefined) {
        log.info('nothing is retained any more', { direction });
        continue;
      }
      log.warn('retained what would go, because much was lost at once', { direction, hash: shown.hash, why: text });
      onRetained(text);
    }
  }
}
