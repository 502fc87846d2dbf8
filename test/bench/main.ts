import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { HELP, readOptions, type Options } from './options.ts';
import { describeMachine, type Machine } from './machine.ts';
import type { Report } from './report.ts';
import { run as runScale } from './scale/index.ts';
import { say } from './subjects.ts';
import { formatMarkdown, formatTable } from './table.ts';
import { run as runToConsul } from './to-consul/index.ts';
import { run as runToKubernetes } from './to-kubernetes/index.ts';

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (!options) {
    process.stdout.write(HELP);
    return 0;
  }
  buildConsular();
  const machine = await describeMachine();
  const report = await measure(options);
  process.stdout.write(FORMATS[options.output](machine, options, report));
  if (report.failure !== undefined) throw new Error('a part could not be measured', { cause: report.failure });
  return report.rows.some(({ met }) => met === false) ? 2 : 0;
}

function measure(options: Options): Promise<Report> {
  switch (options.direction) {
    case 'to-consul':
      return runToConsul(options);
    case 'to-kubernetes':
      return runToKubernetes(options);
    case 'scale':
      return runScale(options);
  }
}

function buildConsular(): void {
  say('building the bundle ...');
  const { status, error } = spawnSync(process.execPath, ['build.js'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    // Its output would be in the way of the figures.
    stdio: ['ignore', process.stderr, process.stderr],
  });
  if (status !== 0) throw new Error('build the bundle: expected build.js to succeed', { cause: error });
}

function asJson(machine: Machine, options: Options, { figures, rows }: Report): string {
  return `${JSON.stringify({ machine, options, figures, rows }, null, 2)}\n`;
}

function asText(machine: Machine, options: Options, report: Report): string {
  return `${titleOf(machine, report).join('\n')}\n\n${formatTable(report.rows)}\n${sumUp(report)}\n`;
}

function asMarkdown(machine: Machine, options: Options, report: Report): string {
  const title = titleOf(machine, report).map((line) => `- ${line}`);
  return `${title.join('\n')}\n\n${formatMarkdown(report.rows)}\n${sumUp(report)}\n`;
}

const FORMATS = { text: asText, markdown: asMarkdown, json: asJson } as const;

function titleOf({ node, commit, cpus, cpuModel }: Machine, { title }: Report): string[] {
  return [
    ...title,
    `both programs on Node ${node}; a Consul server with its data on disk`,
    `commit ${commit}; ${new Date().toISOString().slice(0, 16)}Z; ${cpus} CPUs for everything (${cpuModel})`,
  ];
}

function sumUp({ rows }: Report): string {
  const goals = rows.filter(({ met }) => met !== undefined);
  return `${goals.filter((row) => row.met).length} of ${goals.length} goals met in this run`;
}

main().then(
  // Not exitCode alone: after an error, what was being measured may still be waiting for its limits.
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`bench: ${explain(error)}\n`);
    process.exit(1);
  },
);

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${explain(error.cause)}`;
}
