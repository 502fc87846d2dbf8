import { parseArgs, type ParseArgsConfig } from 'node:util';
import { collectDefaultMetrics } from 'prom-client';
import { inBackground } from '../background.ts';
import { ConfigError, loadConfig, type Environment } from '../config/load.ts';
import { explainOutcome, HASH_FORM, isHash } from '../guard/release-request.ts';
import { escapeControls, escapeLines } from '../json.ts';
import { findOwnPod } from '../kubernetes/connection.ts';
import { leasePlace } from '../leadership/lease-place.ts';
import { createLog, explainError } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import type { OnceContext } from '../world/read-once.ts';
import { explain } from './explain/explain.ts';
import { isSettled, KINDS, type Kind } from './explain/explanation.ts';
import { formatExplanation } from './explain/format.ts';
import { SHIPPED_ACCOUNT } from './namespace-rights.ts';
import { formatPlan, makePlan } from './plan.ts';
import { startDaemon } from './run/run.ts';
import { requestRelease } from './release.ts';

/** All that the command line takes from its process, as values: main.ts passes the real ones, a test its own. */
export interface Invocation {
  /** Without the program's own name. */
  readonly args: readonly string[];
  readonly env: Environment;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly version: string;
  /** Resolves with the name of the signal that tells the program to end. Only `run` asks: the others end by themselves. */
  readonly untilSignal: () => Promise<string>;
  /** As long a command that reads once says nothing of what it waits for. @default 0 where `stderr` is a terminal, else 1 s */
  readonly quietMs?: number;
}

interface Call extends Invocation {
  readonly command: string;
  /** What follows the command, without options. */
  readonly words: readonly string[];
  readonly options: Options;
}

interface Command {
  readonly name: string;
  /** As the help shows it. */
  readonly usage: string;
  /** Resolves with the exit code. */
  readonly run: (call: Call) => Promise<number>;
}

const COMMANDS: readonly Command[] = [
  {
    name: 'run',
    usage: `
  consular run  --config FILE [--take-over]      keep both systems equal, until SIGTERM`,
    run: runDaemon,
  },
  {
    name: 'plan',
    usage: `
  consular plan --config FILE [--output json]    show what run would do, and write nothing`,
    run: printPlan,
  },
  {
    name: 'explain',
    usage: `
  consular explain KIND NAME --config FILE [--output json]
                                                 say what is known of one object, what run makes of it, and why;
                                                 KIND NAME is one of: pod NAMESPACE/NAME, service NAMESPACE/NAME,
                                                 consul-service NAME`,
    run: printExplanation,
  },
  {
    name: 'release',
    usage: `
  consular release HASH --config FILE [--output json]
                                                 have the leader let go what it retains under that hash: /status,
                                                 the Event on the Deployment and the log say it`,
    run: askToRelease,
  },
];

const ACCOUNT = `${SHIPPED_ACCOUNT.namespace}/${SHIPPED_ACCOUNT.name}`;

const HELP = `consular: a registrar between Kubernetes and Consul, in both directions

Usage:${COMMANDS.map(({ usage }) => usage).join('')}

Options:
  -c, --config FILE    the configuration; config/consular.yaml shows every setting
      --consul-address URL
                       Consul as it is reached from here, in place of consul.address; all but run
      --token-file PATH
                       file with the ACL token, in place of consul.tokenFile; "": CONSUL_HTTP_TOKEN; all but run
  -o, --output FORMAT  text (default) or json; all but run
      --take-over      run only: adopt what an installation of another Kubernetes cluster left under this cluster name
      --account NAMESPACE/NAME
                       the daemon's service account, where it has another name than in the shipped manifests
                       (default ${ACCOUNT}): whether it may write what plan and explain consul-service show;
                       release looks for the Lease in its namespace, unless the configuration names another
      --timeout TIME   seconds that plan and explain wait for both systems, and release for the leader (default 30)
  -h, --help           this text
  -v, --version        the version

Environment: KUBECONFIG, CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_HTTP_TOKEN_FILE, CONSUL_CACERT,
CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY are used where the configuration says nothing.

Exit codes: 0 done, nothing to do, or told to stop (SIGTERM, SIGINT); 1 an error, which is told on
standard error; 2 plan found changes, explain something that differs or is rejected, or nothing is
retained under the hash that is to be released.

Examples:
  consular run --config consular.yaml
  consular plan --config consular.yaml
  consular plan --config consular.yaml --consul-address http://127.0.0.1:8500 --token-file ~/.consul-token
  consular plan --config consular.yaml --output json | jq '.changes[] | select(.action == "remove")'
  consular explain pod shop/orders-1 --config consular.yaml
  consular explain service shop/orders --config consular.yaml --output json | jq .rejections
  consular explain consul-service billing --config consular.yaml
  consular release 4be2a9c1 --config consular.yaml
  CONSUL_HTTP_ADDR=http://127.0.0.1:8500 KUBECONFIG=~/.kube/config consular run --config consular.yaml`;

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  'consul-address': { type: 'string' },
  'token-file': { type: 'string' },
  output: { type: 'string', short: 'o', default: 'text' },
  account: { type: 'string', default: ACCOUNT },
  timeout: { type: 'string', default: '30' },
  'take-over': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const satisfies ParseArgsConfig['options'];

type Options = ReturnType<typeof readArguments>['values'];

/** Mistakes in the arguments; the message says what was expected. */
class UsageError extends Error {}

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
  const { values: options, positionals } = readArguments(invocation.args);
  const [name, ...words] = positionals;
  if (options.version) return print(invocation, invocation.version);
  if (options.help || name === undefined) return print(invocation, HELP);
  const command = COMMANDS.find((known) => known.name === name);
  if (!command) throw new UsageError(`expected the command ${KNOWN}, found "${name}"`);
  return command.run({ ...invocation, command: name, words, options });
}

/** "run, plan, explain or release". */
const KNOWN = COMMANDS.map(({ name }) => name)
  .join(', ')
  .replace(/, (?!.*, )/, ' or ');

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

async function runDaemon(call: Call): Promise<number> {
  refuseWords(call);
  refuseOptions(call, ['consul-address', 'token-file']);
  const config = configOf(call);
  // Told before anything is connected; where it is right, the election asks again.
  leasePlace(config, findOwnPod(config.kubernetes));
  const metrics = createMetrics();
  const log = createLog({ ...config.log, stream: call.stderr });
  collectDefaultMetrics({ register: metrics.registry });
  const stopped = call.untilSignal();
  const daemon = await startDaemon(
    { config, metrics, version: call.version, log },
    { takeOver: call.options['take-over'] },
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

async function printPlan(call: Call): Promise<number> {
  refuseWords(call);
  const context = onceContextOf(call);
  const { isJson, timeoutMs, account } = onceOptionsOf(call.options);
  const plan = await makePlan(context, timeoutMs, account);
  print(call, isJson ? asJson(plan) : formatPlan(plan));
  return plan.changes.length > 0 ? 2 : 0;
}

async function printExplanation(call: Call): Promise<number> {
  const { kind, name } = subjectOf(call.words);
  const context = onceContextOf(call);
  const { isJson, timeoutMs, account } = onceOptionsOf(call.options);
  const explanation = await explain(context, timeoutMs, { kind, name, account });
  print(call, isJson ? asJson(explanation) : formatExplanation(explanation));
  return isSettled(explanation) ? 0 : 2;
}

async function askToRelease(call: Call): Promise<number> {
  const [hash = '', ...more] = call.words;
  if (!isHash(hash) || more.length > 0)
    throw new UsageError(`release: expected a HASH of ${HASH_FORM}, found "${call.words.join(' ')}"`);
  const context = onceContextOf(call);
  const { isJson, timeoutMs, account } = onceOptionsOf(call.options);
  const onProgress = (text: string) => void call.stderr.write(`${escapeLines(text)}\n`);
  const asked = { hash, timeoutMs, namespace: account.namespace, onProgress };
  const { lease, outcome } = await requestRelease(context, asked);
  print(call, isJson ? asJson({ lease, hash, outcome }) : explainOutcome(outcome));
  return outcome.released === 0 ? 2 : 0;
}

function refuseWords({ command, words }: Call): void {
  if (words.length > 0) throw new UsageError(`expected one command, found "${[command, ...words].join(' ')}"`);
}

/** Who runs the daemon says in its file what it does, where whoever looks for that finds it. */
function refuseOptions({ command, options }: Call, refused: readonly (keyof Options)[]): void {
  for (const option of refused)
    if (options[option] !== undefined) throw new UsageError(`--${option}: expected in other commands than ${command}`);
}

function configOf({ options, env }: Call) {
  if (options.config === undefined) throw new UsageError('expected --config FILE, found none');
  return loadConfig(options.config, env, {
    consulAddress: options['consul-address'],
    tokenFile: options['token-file'],
  });
}

/** The log of a command that reads once has errors only: its output says the rest. */
function onceContextOf(call: Call): OnceContext {
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

function onceOptionsOf({ output, timeout, account }: Options) {
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

/** What to explain: a kind, and a name as that kind has it. */
function subjectOf([wanted = '', name = '', ...more]: readonly string[]): { kind: Kind; name: string } {
  const kind = KINDS.find((known) => known === wanted);
  if (!kind) throw new UsageError(`explain: expected pod, service or consul-service, found "${wanted}"`);
  const expected = kind === 'consul-service' ? 'NAME' : 'NAMESPACE/NAME';
  const isName = kind === 'consul-service' ? name !== '' : /^[^/]+\/[^/]+$/.test(name);
  if (!isName || more.length > 0)
    throw new UsageError(`explain ${kind}: expected ${expected}, found "${[name, ...more].join(' ')}"`);
  return { kind, name };
}

function print({ stdout }: Pick<Invocation, 'stdout'>, text: string): number {
  stdout.write(`${text}\n`);
  return 0;
}

/** The same values for scripts; a terminal obeys nothing in it. */
function asJson(value: unknown): string {
  return escapeLines(JSON.stringify(value, null, 2));
}

function explainFailure(error: unknown): string {
  if (error instanceof UsageError) return `${escapeLines(error.message)}\nTry consular --help.`;
  return error instanceof ConfigError ? escapeLines(error.message) : escapeControls(explainError(error));
}
