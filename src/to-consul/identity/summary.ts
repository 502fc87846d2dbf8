import { escapeControls } from '../../json.ts';

/** What the check of Consular's own entry says. */
export interface Summary {
  readonly status: 'passing' | 'warning';
  readonly output: string;
}

export interface Sums {
  /** That Consul lost data, in words; undefined when it did not, or when that does not count any more. */
  readonly loss: string | undefined;
  /** That writes are off, since when and who said so; undefined while they are on. */
  readonly off?: string | undefined;
  /** What of the configuration needs somebody: that the file is refused, or needs a restart, or a mistake on the Lease. */
  readonly configuration?: readonly string[];
  /** Why writes go without a fence; undefined while they do not. */
  readonly unfenced: string | undefined;
  /** What is retained because much was lost at once, and how to let it go: a sentence for each direction. */
  readonly retained: readonly string[];
  /** What cannot be read or followed now, since when and why: a sentence for each cause. */
  readonly failing: readonly string[];
  /** In Consul, by us. */
  readonly instances: number;
  /** Objects, in both directions. */
  readonly rejected: number;
  /** Instances that stay although they are not wanted as they are. */
  readonly held: number;
  /** What would go and stays because removals are off, in both directions. */
  readonly kept?: number;
  /** Mirrored Consul services; undefined while that direction is switched off. */
  readonly mirrored: number | undefined;
  /** What is rejected and what is held, an object each, in any order. */
  readonly troubles: Iterable<string>;
}

/** Enough to see what kind of trouble it is; the rest is in the Events. */
const MOST_SHOWN = 5;
const LONGEST_TROUBLE = 300;

/**
 * One line of sums, and below it the first troubles. The same state gives the same text, whatever came first, so that a
 * restart does not write it again.
 *
 * | rejected or held | status                                            |
 * |------------------|---------------------------------------------------|
 * | nothing          | passing                                           |
 * | anything         | warning: somebody has something to mend           |
 * | ... or Consul lost data | warning: nothing that is missing goes         |
 * | ... or anything is retained | warning: somebody has something to decide |
 * | ... or writes are off, or the configuration is refused or needs a restart, or the Lease has a misspelt annotation | warning |
 * | ... or something cannot be read | warning: changes there are not seen     |
 *
 * Never critical: nobody calls this service, and a Consular that does not work cannot say so here.
 */
export function summarize(given: Sums): Summary {
  const {
    off,
    configuration = [],
    kept = 0,
    loss,
    unfenced,
    retained,
    failing,
    instances,
    rejected,
    held,
    mirrored,
    troubles,
  } = given;
  const sums = [
    `${count(instances, 'instance')} registered`,
    `${rejected} rejected`,
    `${held} held`,
    ...(kept === 0 ? [] : [`${kept} kept, as removals is never`]),
    mirrored === undefined ? 'mirroring is off' : `${count(mirrored, 'service')} mirrored`,
  ].join(', ');
  const told = rejected + held + retained.length + configuration.length + failing.length;
  const isWell = told === 0 && (loss ?? off) === undefined;
  const { first, all } = firstOf(troubles, MOST_SHOWN);
  const lines = [
    ...(off === undefined ? [] : [shorten(off)]),
    sums,
    ...configuration.map(shorten),
    ...(loss === undefined ? [] : [loss]),
    ...retained.map(shorten),
    ...failing.map(shorten),
    ...(unfenced === undefined ? [] : [shorten(`writes go without a fence: ${unfenced}`)]),
    ...first.map(shorten),
    ...(all > first.length ? [`and ${all - first.length} more`] : []),
  ];
  return { status: isWell ? 'passing' : 'warning', output: lines.join('\n') };
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

function shorten(text: string): string {
  const line = escapeControls(text);
  return line.length > LONGEST_TROUBLE ? `${line.slice(0, LONGEST_TROUBLE)} (shortened)` : line;
}

/** The smallest of them, without sorting thousands each second. */
function firstOf(texts: Iterable<string>, most: number): { first: readonly string[]; all: number } {
  let first: readonly string[] = [];
  let all = 0;
  for (const text of texts) {
    all++;
    if (first.length < most || text < (first.at(-1) ?? '')) first = [...first, text].sort().slice(0, most);
  }
  return { first, all };
}
