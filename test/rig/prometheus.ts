import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { findPrometheus, startProcess, waitUntilReady, type RunDirectory } from '../control-plane/index.ts';
import { freePort, withFreshPorts } from '../control-plane/ports.ts';

/** One sample of an answer: a series, and its value now. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [timestamp: number, value: string];
}

/** A series, and its values in the course of time. */
export interface History {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [timestamp: number, value: string])[];
}

export interface RunningPrometheus {
  /** Whether it reached each target at its last try. */
  targets(): Promise<readonly { readonly health: string; readonly lastError: string }[]>;
  /** @throws Error with what Prometheus says when it cannot carry the expression out */
  query(expression: string): Promise<readonly Sample[]>;
  /** What an expression was in each of the last seconds. */
  history(expression: string, seconds: number): Promise<readonly History[]>;
  rules(): Promise<readonly Rule[]>;
}

export interface Rule {
  readonly name: string;
  readonly query: string;
  /** `ok` when its last evaluation went well. */
  readonly health: string;
  readonly state: string;
  readonly lastError?: string;
}

/**
 * A real Prometheus that scrapes every second, as a job `consular`; it ends with its run directory.
 * @param targets host and port of what has /metrics
 * @param rules files of rules
 */
export async function startPrometheus(
  run: RunDirectory,
  { targets, rules }: { readonly targets: readonly string[]; readonly rules: readonly string[] },
): Promise<RunningPrometheus> {
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: rules,
    scrape_configs: [{ job_name: 'consular', static_configs: [{ targets, labels: { namespace: 'consular' } }] }],
  };
  const file = join(run.path, 'prometheus.yaml');
  await writeFile(file, stringify(config));
  const { server } = await findPrometheus();
  const address = await withFreshPorts(async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    const child = await startProcess({
      name: 'prometheus',
      program: server,
      arguments: [
        `--config.file=${file}`,
        `--storage.tsdb.path=${join(run.path, 'data')}`,
        `--web.listen-address=${listen}`,
      ],
      run,
    });
    await waitUntilReady(child, async () => (await fetch(`http://${listen}/-/ready`)).ok);
    return `http://${listen}`;
  });
  const get = async <T>(path: string): Promise<T> => {
    const answer = (await (await fetch(`${address}/api/v1/${path}`)).json()) as Answer<T>;
    if (answer.status !== 'success') throw new Error(`ask Prometheus for ${path}: ${answer.error}`);
    return answer.data;
  };
  return {
    targets: async () => (await get<{ activeTargets: Target[] }>('targets')).activeTargets,
    query: async (expression) =>
      (await get<{ result: Sample[] }>(`query?query=${encodeURIComponent(expression)}`)).result,
    history: async (expression, seconds) => {
      const end = Date.now() / 1000;
      const asked = new URLSearchParams({ query: expression, start: `${end - seconds}`, end: `${end}`, step: '1s' });
      return (await get<{ result: History[] }>(`query_range?${asked.toString()}`)).result;
    },
    rules: async () => (await get<{ groups: { rules: Rule[] }[] }>('rules')).groups.flatMap((group) => group.rules),
  };
}

type Answer<T> =
  { readonly status: 'success'; readonly data: T } | { readonly status: 'error'; readonly error: string };
interface Target {
  readonly health: string;
  readonly lastError: string;
}
