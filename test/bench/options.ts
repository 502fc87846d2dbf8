import { parseArgs } from 'node:util';

export const HELP = `npm run bench: Consular beside the smallest program that does the same work with no safety at all (the floor)

Usage:
  npm run bench -- to-consul|to-kubernetes|scale [options]

Both run as they would be shipped, one bundled file each, one after the other, with a control plane of their own where one
writes what the other would find. The table shows the floor's figure, Consular's, their ratio, the goal, and whether this
run met it. Progress goes to stderr.

Options of to-consul:
  --sizes N,N,...  annotated pods, in thousands up to 50000 (default 1000,10000); a service for every 10, a node for every
                   100. The whole table is measured at 10000, or at the largest when that is not among them; at the others
                   how soon a change is visible, its cost, and the memory.
  --idle SECONDS   how long Consular is left alone (default 120; the goal is about 600)
  --flips N        changes of readiness that are measured, 20 a second, a multiple of 40 (default 320): once seen, from the
                   end of the first fill on, and once for services of 1, 10 and 100 pods each
  --starts N       first fills, and restarts, of which the median counts (default 3)
  --replacement    also 900 pods that make place for others within 2 seconds; 4 minutes more
  --quick          --sizes 1000 --idle 15 --flips 80 --starts 1, for checking the benchmark itself

Options of to-kubernetes:
  --sizes N,N,...  services in Consul, in hundreds up to 5000 (default 100,3000), with 10 instances each, beyond 1000 with
                   20 for every 3. Changes of health and the first mirror are measured at each, the rest at the largest.
  --idle SECONDS   how long Consular is left alone after a restart (default 120)
  --flips N        changes of health that are measured, 10 a second, a multiple of 200 (default 400)
  --changes N      instances that come or go, one every 10 seconds, an even number (default 16); once with nothing else
                   going on and once while to-consul writes
  --quick          --sizes 100,300 --idle 15 --flips 200 --changes 2, for checking the benchmark itself

Options of scale, which is to-consul at the size that Kubernetes itself ends at, with an API server that replays what the
real one said at the start of the run (in the benchmark only: the real one would need an hour and much memory):
  --pods N,N,...   annotated pods, in thousands up to 150000 (default 1000,50000,150000); 30 of them a node, 15 a
                   service
  --idle SECONDS   how long Consular is left alone (default 60)
  --flips N        changes of readiness that are measured of services with 1, 10 and 100 pods each, 20 a second, a multiple
                   of 40 (default 400)

Options of all:
  --output FORMAT  text (default), markdown, or json with every figure
  --help           this text

Exit codes: 0 all goals met; 1 an error, also when one of the two programs dies; 2 measured, and a goal was missed.

Examples:
  npm run bench -- to-consul                              # about 12 minutes on two cores that do nothing else
  npm run bench -- to-consul --sizes 50000 --idle 600     # more than half an hour, much of it making the pods
  npm run bench -- to-kubernetes                          # about 13 minutes
  npm run bench -- to-kubernetes --quick
  npm run -s bench -- to-consul --output markdown > table.md
  npm run bench -- scale                                  # everything; about 25 minutes
  npm run bench -- scale --pods 10000
  npm run -s bench -- to-consul --output json | jq '.rows[] | select(.met == false)'
`;

const OUTPUTS = ['text', 'markdown', 'json'] as const;
type Output = (typeof OUTPUTS)[number];

interface Common {
  /** Ascending: the cluster grows. */
  readonly sizes: readonly number[];
  readonly idleSeconds: number;
  readonly flips: number;
  readonly output: Output;
}

export interface ToConsulOptions extends Common {
  readonly direction: 'to-consul';
  readonly starts: number;
  readonly replacement: boolean;
}

export interface ToKubernetesOptions extends Common {
  readonly direction: 'to-kubernetes';
  readonly changes: number;
}

export interface ScaleOptions extends Common {
  readonly direction: 'scale';
}

export type Options = ToConsulOptions | ToKubernetesOptions | ScaleOptions;

/** What 20 probes need to end where they began: each goes out and comes back. */
export const FLIPS_OF_A_ROUND = 40;
export const LARGEST = 50_000;
const TABLE_SIZE = 10_000;

/** The size at which the whole table of to-consul is measured. */
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
      pods: { type: 'string' },
      idle: { type: 'string' },
      flips: { type: 'string' },
      starts: { type: 'string' },
      changes: { type: 'string' },
      replacement: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      output: { type: 'string', default: 'text' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help || positionals.length === 0) return undefined;
  const direction = positionals.join(' ');
  if (values.pods !== undefined && direction !== 'scale') throw new Error('--pods: expected with scale only');
  const idle = direction === 'scale' ? '60' : values.quick ? '15' : '120';
  const common = {
    output: outputOf(values.output),
    idleSeconds: wholeNumber('--idle', values.idle ?? idle, { most: 86_400 }),
  } as const;
  switch (direction) {
    case 'to-consul':
      return { direction, ...common, ...readToConsul(values) };
    case 'to-kubernetes':
      return { direction, ...common, ...readToKubernetes(values) };
    case 'scale':
      return { direction, ...common, ...readScale(values) };
    default:
      throw new Error(`expected one of to-consul, to-kubernetes and scale, found "${direction}"`);
  }
}

function outputOf(given: string): Output {
  const output = OUTPUTS.find((known) => known === given);
  if (!output) throw new Error(`--output: expected text, markdown or json, found "${given}"`);
  return output;
}

type Values = Readonly<Partial<Record<'sizes' | 'pods' | 'flips' | 'starts' | 'changes', string>>> & {
  readonly quick: boolean;
  readonly replacement: boolean;
};

function readToConsul({
  quick,
  changes,
  replacement,
  ...given
}: Values): Pick<ToConsulOptions, 'sizes' | 'flips' | 'starts' | 'replacement'> {
  if (changes !== undefined) throw new Error('--changes: expected with to-kubernetes only');
  const defaults = quick
    ? { sizes: '1000', flips: '80', starts: '1' }
    : { sizes: '1000,10000', flips: '320', starts: '3' };
  return {
    sizes: sizes('--sizes', given.sizes ?? defaults.sizes, { most: LARGEST, multipleOf: 1000 }),
    flips: wholeNumber('--flips', given.flips ?? defaults.flips, { most: 10_000, multipleOf: FLIPS_OF_A_ROUND }),
    replacement,
    starts: wholeNumber('--starts', given.starts ?? defaults.starts, { most: 20 }),
  };
}

/** What 100 probes of to-kubernetes need to end where they began. */
const FLIPS_OF_ALL_PROBES = 200;
const MOST_SERVICES = 5000;

function readToKubernetes({
  quick,
  starts,
  replacement,
  ...given
}: Values): Pick<ToKubernetesOptions, 'sizes' | 'flips' | 'changes'> {
  if (starts !== undefined) throw new Error('--starts: expected with to-consul only');
  if (replacement) throw new Error('--replacement: expected with to-consul only');
  const defaults = quick
    ? { sizes: '100,300', flips: '200', changes: '2' }
    : { sizes: '100,3000', flips: '400', changes: '16' };
  return {
    sizes: sizes('--sizes', given.sizes ?? defaults.sizes, { most: MOST_SERVICES, multipleOf: 100 }),
    flips: wholeNumber('--flips', given.flips ?? defaults.flips, { most: 10_000, multipleOf: FLIPS_OF_ALL_PROBES }),
    changes: wholeNumber('--changes', given.changes ?? defaults.changes, { most: 10_000, multipleOf: 2 }),
  };
}

/** The most that Kubernetes is made for. */
const MOST_PODS = 150_000;

function readScale({ quick, ...given }: Values): Pick<ScaleOptions, 'sizes' | 'flips'> {
  for (const option of ['sizes', 'starts', 'changes'] as const)
    if (given[option] !== undefined) throw new Error(`--${option}: expected with another benchmark than scale`);
  const defaults = quick ? { pods: '1000', flips: '80' } : { pods: '1000,50000,150000', flips: '400' };
  return {
    sizes: sizes('--pods', given.pods ?? defaults.pods, { most: MOST_PODS, multipleOf: 1000 }),
    flips: wholeNumber('--flips', given.flips ?? defaults.flips, { most: 10_000, multipleOf: FLIPS_OF_A_ROUND }),
  };
}

interface Bounds {
  readonly most: number;
  readonly multipleOf?: number;
}

function sizes(option: string, list: string, bounds: Bounds): number[] {
  const sizes = list.split(',').map((size) => wholeNumber(option, size, bounds));
  return [...new Set(sizes)].sort((a, b) => a - b);
}

function wholeNumber(option: string, text: string, { most, multipleOf = 1 }: Bounds): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < multipleOf || number > most || number % multipleOf !== 0) {
    const kind = multipleOf === 1 ? 'a whole number' : `a multiple of ${multipleOf}`;
    throw new Error(`${option}: expected ${kind} from ${multipleOf} to ${most}, found "${text}"`);
  }
  return number;
}
