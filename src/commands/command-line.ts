import { LiveConfig } from '../config/live.ts';
import { ConfigError, loadConfig, parseConfig } from '../config/load.ts';
import { inBackground } from '../background.ts';
import { escapeControls, escapeLines } from '../json.ts';
import { findOwnPod } from '../kubernetes/connection.ts';
import { leasePlace } from '../leadership/lease-place.ts';
import { createLog, explainError } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import { collectNodeMetrics } from '../observability/node-metrics.ts';
import {
  alternatives,
  fileOf,
  print,
  readArguments,
  refuseOptions,
  refuseWords,
  UsageError,
  type Call,
  type Invocation,
  type OptionName,
} from './call.ts';
import { startDaemon } from './run/run.ts';
import { help } from './usage.ts';

interface Command {
  readonly name: string;
  /** As the help shows it. */
  readonly usage: string;
  /** Those that it takes; any other is refused. */
  readonly options: readonly OptionName[];
  /** Resolves with the exit code. */
  readonly run: (call: Call) => Promise<number>;
}

/** The daemon has none of the second: whoever runs it says in its file what it does, where whoever looks for that finds it. */
const OF_ALL = ['config', 'help', 'version'] as const;
const OF_READERS = [...OF_ALL, 'consul-address', 'token-file', 'output', 'account'] as const;

const COMMANDS: readonly Command[] = [
  {
    name: 'run',
    usage: `
  consular run  --config FILE [--take-over] [--rename-from OLD]
                                                 keep both systems equal, until SIGTERM`,
    options: [...OF_ALL, 'take-over', 'rename-from'],
    run: runDaemon,
  },
  {
    name: 'plan',
    usage: `
  consular plan --config FILE [--output json]    show what run would do, and write nothing`,
    options: [...OF_READERS, 'timeout'],
    run: async (call) => (await import('./readers.ts')).printPlan(call),
  },
  {
    name: 'explain',
    usage: `
  consular explain KIND NAME --config FILE [--output json]
                                                 say what is known of one object, what run makes of it, and why;
                                                 KIND NAME is one of: pod NAMESPACE/NAME, service NAMESPACE/NAME,
                                                 consul-service NAME`,
    options: [...OF_READERS, 'timeout'],
    run: async (call) => (await import('./readers.ts')).printExplanation(call),
  },
  {
    name: 'release',
    usage: `
  consular release HASH --config FILE [--output json]
                                                 have the leader let go what it retains under that hash: /status,
                                                 the Event on the Deployment and the log say it`,
    options: [...OF_READERS, 'timeout'],
    run: async (call) => (await import('./readers.ts')).askToRelease(call),
  },
  {
    name: 'doctor',
    usage: `
  consular doctor --config FILE [--output json]  ask both systems everything that an installation needs, say what is
                                                 wrong and what mends it, and write nothing`,
    options: OF_READERS,
    run: async (call) => (await import('./readers.ts')).printReport(call),
  },
  {
    name: 'purge',
    usage: `
  consular purge --config FILE [--direction to-consul|to-kubernetes|both] [--dry-run] [--yes CLUSTER] [--output json]
                                                 remove everything that Consular made for this cluster, once it is stopped`,
    options: [...OF_READERS, 'timeout', 'direction', 'dry-run', 'yes'],
    run: async (call) => (await import('./readers.ts')).purgeCluster(call),
  },
];

/** Does what the arguments ask for; an error is told on `stderr`. Resolves with the exit code. */
export async function runCommandLine(invocation: Invocation): Promise<number> {
  try {
    return await dispatch(invocation);
  } catch (error) {
    invocation.stderr.write(`consular: ${explainFailure(error)}\n`);
    return 1;
  }
}

async function dispatch(invocation: Invocation): Promise<number> {
  const { values: options, positionals, given } = readArguments(invocation.args);
  const [name, ...words] = positionals;
  if (options.version) return print(invocation, invocation.version);
  if (options.help || name === undefined) return print(invocation, help(COMMANDS.map(({ usage }) => usage)));
  const command = COMMANDS.find((known) => known.name === name);
  if (!command) throw new UsageError(`expected the command ${KNOWN}, found "${name}"`);
  refuseOptions(command, given, COMMANDS);
  return command.run({ ...invocation, command: name, words, options });
}

const KNOWN = alternatives(COMMANDS.map(({ name }) => name));

async function runDaemon(call: Call): Promise<number> {
  refuseWords(call);
  const path = fileOf(call);
  const live = new LiveConfig(loadConfig(path, call.env));
  const { config } = live;
  // Told before anything is connected; where it is right, the election asks again.
  leasePlace(config, findOwnPod(config.kubernetes));
  const metrics = createMetrics();
  const log = createLog({ level: () => config.log.level, format: config.log.format, stream: call.stderr });
  collectNodeMetrics(metrics.registry);
  const stopped = call.untilSignal();
  const daemon = await startDaemon(
    { config, metrics, version: call.version, log },
    {
      takeOver: call.options['take-over'],
      renameFrom: call.options['rename-from'],
      file: { path, live, parse: (text) => parseConfig(text, call.env, path) },
    },
  );
  const end = await Promise.race([
    stopped.then((signal) => ({ isWanted: true, message: 'stopping, nothing is removed', fields: { signal } })),
    failureOf(daemon.started).then((error) => ({ isWanted: false, message: 'cannot start', fields: { error } })),
    daemon.broken.then((error) => ({ isWanted: false, message: 'cannot go on', fields: { error } })),
  ]);
  log[end.isWanted ? 'info' : 'error'](end.message, end.fields);
  await daemon.stop();
  return end.isWanted ? 0 : 1;
}

/** Resolves when the promise rejects, and else never. */
function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return new Promise((resolve) => inBackground(promise.catch(resolve)));
}

function explainFailure(error: unknown): string {
  if (error instanceof UsageError) return `${escapeLines(error.message)}\nTry consular --help.`;
  return error instanceof ConfigError ? escapeLines(error.message) : escapeControls(explainError(error));
}
