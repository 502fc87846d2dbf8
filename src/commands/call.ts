import { parseArgs, type ParseArgsConfig } from 'node:util';
import { loadConfig, type Environment } from '../config/load.ts';
import { escapeLines } from '../json.ts';
import { createLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import type { OnceContext } from '../world/read-once.ts';
import { SHIPPED_ACCOUNT } from './namespace-rights.ts';

/** All that the command line takes from its process, as values: main.ts passes the real ones, a test its own. */
export interface Invocation {
  /** Without the program's own name. */
  readonly args: readonly string[];
  readonly env: Environment;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly version: string;
  /** What somebody types at the terminal after the question; undefined where there is no terminal to ask at. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
  /** Resolves with the name of the signal that tells the program to end. Only `run` asks: the others end by themselves. */
  readonly untilSignal: () => Promise<string>;
  /** As long a command that reads once says nothing of what it waits for. @default 0 where `stderr` is a terminal, else 1 s */
  readonly quietMs?: number;
}

/** A command with all that was said beside it. */
export interface Call extends Invocation {
  readonly command: string;
  /** What follows the command, without options. */
  readonly words: readonly string[];
  readonly options: Options;
}

/** The daemon's service account in the shipped manifests. */
export const ACCOUNT = `${SHIPPED_ACCOUNT.namespace}/${SHIPPED_ACCOUNT.name}`;

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  'consul-address': { type: 'string' },
  'token-file': { type: 'string' },
  output: { type: 'string', short: 'o', default: 'text' },
  account: { type: 'string', default: ACCOUNT },
  timeout: { type: 'string', default: '30' },
  direction: { type: 'string', default: 'both' },
  'dry-run': { type: 'boolean', default: false },
  yes: { type: 'string' },
  'rename-from': { type: 'string' },
  'take-over': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const satisfies ParseArgsConfig['options'];

export type Options = ReturnType<typeof readArguments>['values'];
export type OptionName = keyof typeof OPTIONS;

/** Mistakes in the arguments; the message says what was expected. */
export class UsageError extends Error {}

/** @returns also the names of the options that were `given`, in their order @throws UsageError */
export function readArguments(args: readonly string[]) {
  try {
    const { values, positionals, tokens } = parseArgs({
      ...{ args: [...args], options: OPTIONS, allowPositionals: true, tokens: true },
    });
    const given = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []));
    return { values, positionals, given };
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** @throws UsageError */
export function refuseWords({ command, words }: Call): void {
  if (words.length > 0) throw new UsageError(`expected one command, found "${[command, ...words].join(' ')}"`);
}

/** A command and the options that it takes, beside those that every command has. */
interface Taking {
  readonly name: string;
  readonly options: readonly OptionName[];
}

/**
 * An option without effect may be what somebody relies on: `run --dry-run` would write.
 * @param given on the command line @throws UsageError which says what takes the option
 */
export function refuseOptions({ name, options }: Taking, given: readonly OptionName[], all: readonly Taking[]): void {
  for (const option of given) {
    if (options.includes(option)) continue;
    const takers = all.filter((command) => command.options.includes(option)).map((command) => command.name);
    throw new UsageError(`--${option}: expected with ${alternatives(takers)}, found with ${name}`);
  }
}

/** "run, plan or explain". */
export function alternatives(names: readonly string[]): string {
  return names.join(', ').replace(/, (?!.*, )/, ' or ');
}

function configOf(call: Call) {
  const { 'consul-address': consulAddress, 'token-file': tokenFile } = call.options;
  return loadConfig(fileOf(call), call.env, { consulAddress, tokenFile });
}

/** @throws UsageError */
export function fileOf({ options }: Call): string {
  if (options.config === undefined) throw new UsageError('expected --config FILE, found none');
  return options.config;
}

/** The log of a command that reads once has errors only: its output says the rest. */
export function onceContextOf(call: Call): OnceContext {
  const log = createLog({ level: 'error', format: 'text', stream: call.stderr });
  const { stderr, version } = call;
  const isTerminal = 'isTTY' in stderr && stderr.isTTY === true;
  const quietMs = call.quietMs ?? (isTerminal ? 0 : undefined);
  const progress = {
    write: (line: string) => void stderr.write(`${line}\n`),
    ...(quietMs === undefined ? {} : { quietMs }),
  };
  return { config: configOf(call), metrics: createMetrics(), version, log, progress };
}

/** @throws UsageError */
export function onceOptionsOf({ output, timeout, account }: Options) {
  if (output !== 'text' && output !== 'json')
    throw new UsageError(`--output: expected text or json, found "${output}"`);
  const seconds = Number(timeout);
  if (!(seconds > 0 && seconds <= 3600))
    throw new UsageError(`--timeout: expected 1 to 3600 seconds, found "${timeout}"`);
  const [namespace = '', name = '', ...more] = account.split('/');
  if (namespace === '' || name === '' || more.length > 0)
    throw new UsageError(`--account: expected NAMESPACE/NAME, found "${account}"`);
  return { isJson: output === 'json', timeoutMs: seconds * 1000, account: { namespace, name } };
}

export function print({ stdout }: Pick<Invocation, 'stdout'>, text: string): number {
  stdout.write(`${text}\n`);
  return 0;
}

/** The same values for scripts; a terminal obeys nothing in it. */
export function asJson(value: unknown): string {
  return escapeLines(JSON.stringify(value, null, 2));
}
