import { escapeLines } from '../../json.ts';
import type { OnceContext } from '../../world/read-once.ts';
import { formatPurgePlan, formatPurgeResult } from './format.ts';
import { allItems, type Direction, type PurgePlan } from './plan.ts';
import { assertOn, purge, type PurgeResult } from './purge.ts';

export interface PurgeCall {
  readonly direction: Direction;
  readonly isDryRun: boolean;
  /** The name of the cluster was given: nobody is asked. */
  readonly isAgreed: boolean;
  /** What somebody types at the terminal after the question. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
  readonly isJson: boolean;
  readonly timeoutMs: number;
  /** Of the Lease, where the configuration does not say it. */
  readonly namespace: string;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

/**
 * Shows what would go, asks, removes it and says what became of it. Resolves with the exit code:
 *
 * | 0 | all of it is gone, or there was nothing                                  |
 * | 1 | something of ours is there still, could not be read, or was not agreed to |
 * | 2 | `--dry-run` found something to remove, and could read everything         |
 */
export async function runPurge(context: OnceContext, call: PurgeCall): Promise<number> {
  const { direction, isDryRun, isAgreed, ask, isJson, timeoutMs, namespace, stdout, stderr } = call;
  const { cluster } = context.config;
  const onProgress = (text: string) => void stderr.write(`${escapeLines(text)}\n`);
  const confirm = async (plan: PurgePlan) => {
    if (isDryRun) return false;
    assertOn(plan.writesOff);
    (isJson ? stderr : stdout).write(`${formatPurgePlan(cluster, plan)}\n`);
    return isAgreed || (await ask?.(`Type ${cluster} to remove all of this: `))?.trim() === cluster;
  };
  const result = await purge(context, { direction, timeoutMs, namespace, onProgress, confirm });
  const said = isJson ? asJson({ cluster, direction, dryRun: isDryRun }, result) : asText(cluster, isDryRun, result);
  stdout.write(`${said}\n`);
  const isAnything = allItems(result.plan).length > 0;
  if (result.remaining.length > 0) return 1;
  if (isDryRun) return isAnything ? 2 : 0;
  return result.isDone || !isAnything ? 0 : 1;
}

function asText(cluster: string, isDryRun: boolean, result: PurgeResult): string {
  if (result.isDone) return formatPurgeResult(cluster, result);
  const isDeclined = !isDryRun && allItems(result.plan).length > 0;
  return isDeclined ? 'Nothing was removed.' : formatPurgePlan(cluster, result.plan);
}

function asJson(asked: object, { plan, ...rest }: PurgeResult): string {
  const { toConsul, toKubernetes, shared, writesOff, notes } = plan;
  return escapeLines(
    JSON.stringify({ ...asked, writesOff, notes, ...rest, planned: { toConsul, toKubernetes, shared } }, null, 2),
  );
}
