import { parseArgs, type ParseArgsConfig } from 'node:util';
import { collectDefaultMetrics } from 'prom-client';
import { ConfigError, loadConfig, type Environment } from './config/load.ts';
import { explain } from './commands/explain/explain.ts';
import { formatExplanation } from './commands/explain/format.ts';
import { isSettled, KINDS, type Kind } from './commands/explain/explanation.ts';
import { formatPlan, makePlan } from './commands/plan.ts';
import { startDaemon } from './commands/run.ts';
import { createLog, explainError } from './observability/log.ts';
import { createMetrics } from './observability/metrics.ts';

/** Set by the bundler; a run from source has none. */
declare const CONSULAR_VERSION: string | undefined;
const VERSION = typeof CONSULAR_VERSION === 'undefined' ? 'development' : CONSULAR_VERSION;

const HELP = `consular: a registrar between Kubernetes and Consul, in both directions

Usage:
  consular run  --config FILE [--take-over]      keep both systems equal, until SIGTERM
  consular plan --config FILE [--output json]    show what run would do, and write nothing
  consular explain KIND NAME --config FILE [--output json]
                                                 say what is known of one object, what run makes of it, and why;
                                                 KIND NAME is one of: pod NAMESPACE/NAME, service NAMESPACE/NAME,
                                                 consul-service NAME

Options:
  -c, --config FILE    the configuration; config/consular.yaml shows every setting
  -o, --output FORMAT  text (default) or json; plan and explain
      --take-over      run only: adopt what an installation of another Kubernetes cluster left under this cluster name
      --timeout TIME   seconds that plan and explain wait for both systems (default 30)
  -h, --help           this text
  -v, --version        the version

Environment: KUBECONFIG, CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_HTTP_TOKEN_FILE, CONSUL_CACERT,
CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY are used where the configuration says nothing.

Exit codes: 0 done, or nothing to do; 1 an error; 2 plan found changes, or explain something that
differs or is rejected.

Examples:
  consular plan --config consular.yaml
  consular plan --config consular.yaml --output json | jq '.changes[] | select(.action == "remove")'
  consular explain pod shop/orders-1 --config consular.yaml
  consular explain service shop/orders --config consular.yaml --output json | jq .rejections
  consular explain consul-service billing --config consular.yaml
  CONSUL_HTTP_ADDR=http://127.0.0.1:8500 KUBECONFIG=~/.kube/config consular run --config consular.yaml
`;

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  output: { type: 'string', short: 'o', default: 'text' },
  timeout: { type: 'string', default: '30' },
  'take-over': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const satisfies ParseArgsConfig['options'];

class UsageError extends Error {}

async function main(args: readonly string[], environment: Environment): Promise<number> {
  const { values, positionals } = readArguments(args);
  if (values.version) return print(VERSION);
  if (values.help || positionals.length === 0) return print(HELP.trimEnd());
  const [command, ...rest] = positionals;
  if (command !== 'run' && command !== 'plan' && command !== 'explain')
    throw new UsageError(`expected the command run, plan or explain, found "${command ?? ''}"`);
  if (rest.length > 0 && command !== 'explain')
    throw new UsageError(`expected one command, found "${positionals.join(' ')}"`);
  const subject = command === 'explain' ? subjectOf(rest) : undefined;
  if (values.config === undefined) throw new UsageError('expected --config FILE, found none');
  const config = loadConfig(values.config, environment);
  const context = { config, metrics: createMetrics(), version: VERSION };
  if (command === 'run') {
    collectDefaultMetrics({ register: context.metrics.registry });
    return run({ ...context, log: createLog(config.log) }, values['take-over']);
  }
  // Nobody reads the log of these unless something is wrong, and then only what is wrong.
  const log = createLog({ level: 'error', format: 'text' });
  const once = { ...context, log };
  const { isJson, timeoutMs } = readOnceOptions(values);
  if (!subject) {
    const planned = await makePlan(once, timeoutMs);
    print(isJson ? JSON.stringify(planned, null, 2) : formatPlan(planned));
    return planned.changes.length > 0 ? 2 : 0;
  }
  const explanation = await explain(once, timeoutMs, subject.kind, subject.name);
  print(isJson ? JSON.stringify(explanation, null, 2) : formatExplanation(explanation));
  return isSettled(explanation) ? 0 : 2;
}

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

async function run(context: Parameters<typeof startDaemon>[0], takeOver: boolean): Promise<number> {
  const { log } = context;
  const stopped = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve);
  });
  const daemon = await startDaemon(context, { takeOver });
  const failed = daemon.started.then(
    () => new Promise<never>(() => undefined),
    (error: unknown) => error,
  );
  const outcome = await Promise.race([stopped, failed]);
  if (typeof outcome === 'string') log.info('stopping, nothing is removed', { signal: outcome });
  else log.error('cannot start', { error: outcome });
  await daemon.stop();
  return typeof outcome === 'string' ? 0 : 1;
}

function readOnceOptions({ output, timeout }: { output: string; timeout: string }) {
  if (output !== 'text' && output !== 'json')
    throw new UsageError(`--output: expected text or json, found "${output}"`);
  const seconds = Number(timeout);
  if (!(seconds > 0 && seconds <= 3600))
    throw new UsageError(`--timeout: expected 1 to 3600 seconds, found "${timeout}"`);
  return { isJson: output === 'json', timeoutMs: seconds * 1000 };
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

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

function explainFailure(error: unknown): string {
  if (error instanceof UsageError) return `${error.message}\nTry consular --help.`;
  return error instanceof ConfigError ? error.message : explainError(error);
}

try {
  process.exitCode = await main(process.argv.slice(2), process.env);
} catch (error) {
  process.stderr.write(`consular: ${explainFailure(error)}\n`);
  process.exitCode = 1;
}
