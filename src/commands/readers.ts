import { explainOutcome, HASH_FORM, isHash } from '../guard/release-request.ts';
import { escapeLines } from '../json.ts';
import { asJson, onceContextOf, onceOptionsOf, print, refuseWords, UsageError, type Call } from './call.ts';
import { examine } from './doctor/doctor.ts';
import { exitCodeOf } from './doctor/finding.ts';
import { formatReport } from './doctor/format.ts';
import { explain } from './explain/explain.ts';
import { isSettled, KINDS, type Kind } from './explain/explanation.ts';
import { formatExplanation } from './explain/format.ts';
import { formatPlan } from './format-plan.ts';
import { makePlan } from './plan.ts';
import { runPurge } from './purge/command.ts';
import { DIRECTIONS } from './purge/plan.ts';
import { requestRelease } from './release.ts';

/** The commands beside `run`, in a module of their own: the daemon does not load what it never does. */

export async function printPlan(call: Call): Promise<number> {
  refuseWords(call);
  const context = onceContextOf(call);
  const { isJson, timeoutMs, account } = onceOptionsOf(call.options);
  const plan = await makePlan(context, timeoutMs, account);
  print(call, isJson ? asJson(plan) : formatPlan(plan));
  return plan.changes.length > 0 ? 2 : 0;
}

export async function printExplanation(call: Call): Promise<number> {
  const { kind, name } = subjectOf(call.words);
  const context = onceContextOf(call);
  const { isJson, timeoutMs, account } = onceOptionsOf(call.options);
  const explanation = await explain(context, timeoutMs, { kind, name, account });
  print(call, isJson ? asJson(explanation) : formatExplanation(explanation));
  return isSettled(explanation) ? 0 : 2;
}

export async function askToRelease(call: Call): Promise<number> {
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

export async function printReport(call: Call): Promise<number> {
  refuseWords(call);
  const context = onceContextOf(call);
  const { isJson, account } = onceOptionsOf(call.options);
  const onProgress = (text: string) => void call.stderr.write(`${escapeLines(text)}\n`);
  const report = await examine(context, { account, file: call.options.config ?? '', onProgress });
  print(call, isJson ? asJson(report) : formatReport(report));
  return exitCodeOf(report);
}

export async function purgeCluster(call: Call): Promise<number> {
  refuseWords(call);
  const { stdout, stderr, ask, options } = call;
  const direction = DIRECTIONS.find((known) => known === options.direction);
  if (!direction) throw new UsageError(`--direction: expected ${DIRECTIONS.join(', ')}, found "${options.direction}"`);
  const context = onceContextOf(call);
  const { cluster } = context.config;
  const { isJson, timeoutMs, account } = onceOptionsOf(options);
  const isDryRun = options['dry-run'];
  if (options.yes !== undefined && options.yes !== cluster)
    throw new UsageError(`--yes: expected ${cluster}, the name of the cluster in the file, found "${options.yes}"`);
  const isAgreed = options.yes !== undefined;
  if (!isDryRun && !isAgreed && !ask)
    throw new UsageError(`purge: expected --yes ${cluster}, or a terminal to ask at, found neither`);
  const { namespace } = account;
  return runPurge(context, { direction, isDryRun, isAgreed, ask, isJson, timeoutMs, namespace, stdout, stderr });
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
