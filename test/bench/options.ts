import { parseArgs } from 'node:util';

export const HELP = `npm run bench: Consular beside the smallest program that does the same work with no safety at all (the floor)

Usage:
  npm run bench -- to-consul [options]

Both run as they would be shipped, one bundled file each, against the same real API server, one after the other, each
with a Consul of its own. The table shows the floor's figure, Consular's, their ratio, the goal, and whether this run met
it. Progress goes to stderr.

Options:
  --sizes N,N,...  annotated pods, in thousands up to 50000 (default 1000,10000,50000); a service for every 10, a node for
                   every 100. The whole table is measured at 10000, or at the largest when that is not among them; at the
                   others the cost of a change and the memory.
  --idle SECONDS   how long Consular is left alone (default 600)
  --flips N        changes of readiness that are measured, 20 a second, a multiple of 40 (default 1000)
  --starts N       first fills, and restarts, of which the median counts (default 3)
  --quick          --sizes 1000 --idle 15 --flips 200 --starts 1, for checking the benchmark itself
  --output FORMAT  text (default) or json
  --help           this text

Exit codes: 0 all goals met; 1 an error, also when one of the two programs dies; 2 measured, and a goal was missed.

Examples:
  npm run bench -- to-consul                              # everything; about 40 minutes on two cores
  npm run bench -- to-consul --quick
  npm run bench -- to-consul --sizes 1000,10000 --idle 60
  npm run -s bench -- to-consul --output json | jq '.rows[] | select(.met == false)'
`;

export interface Options {
  readonly direction: 'to-consul';
  /** Ascending: the cluster grows. */
  readonly sizes: readonly number[];
  readonly idleSeconds: number;
  readonly flips: number;
  readonly starts: number;
  readonly output: 'text' | 'json';
}

/** What 20 probes need to end where they began: each goes out and comes back. */
export const FLIPS_OF_A_ROUND = 40;
export const LARGEST = 50_000;
const TABLE_SIZE = 10_000;

/** The size at which the whole table is measured. */
export function tableSize(sizes: readonly number[]): number {
  return sizes.includes(TABLE_SIZE) ? TABLE_SIZE : Math.max(...sizes);
}

/** The options, or undefined when it is the help that is wanted. @throws Error that says what was expected and found. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      sizes: { type: 'string' },
      idle: { type: 'string' },
      flips: { type: 'string' },
      starts: { type: 'string' },
      quick: { type: 'boolean', default: false },
      output: { type: 'string', default: 'text' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help || positionals.length === 0) return undefined;
  if (positionals.join(' ') !== 'to-consul')
    throw new Error(`expected one direction, to-consul, found "${positionals.join(' ')}"`);
  if (values.output !== 'text' && values.output !== 'json')
    throw new Error(`--output: expected text or json, found "${values.output}"`);
  const defaults = values.quick
    ? { sizes: '1000', idle: '15', flips: '200', starts: '1' }
    : { sizes: '1000,10000,50000', idle: '600', flips: '1000', starts: '3' };
  const sizes = (values.sizes ?? defaults.sizes)
    .split(',')
    .map((size) => wholeNumber('--sizes', size, { most: LARGEST, multipleOf: 1000 }));
  return {
    direction: 'to-consul',
    sizes: [...new Set(sizes)].sort((a, b) => a - b),
    idleSeconds: wholeNumber('--idle', values.idle ?? defaults.idle, { most: 86_400 }),
    flips: wholeNumber('--flips', values.flips ?? defaults.flips, { most: 10_000, multipleOf: FLIPS_OF_A_ROUND }),
    starts: wholeNumber('--starts', values.starts ?? defaults.starts, { most: 20 }),
    output: values.output,
  };
}

function wholeNumber(option: string, text: string, { most, multipleOf = 1 }: { most: number; multipleOf?: number }) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < multipleOf || number > most || number % multipleOf !== 0) {
    const kind = multipleOf === 1 ? 'a whole number' : `a multiple of ${multipleOf}`;
    throw new Error(`${option}: expected ${kind} from ${multipleOf} to ${most}, found "${text}"`);
  }
  return number;
}
