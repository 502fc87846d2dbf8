import { escapeControls } from '../../json.ts';
import type { ExplainedChange, ExplainedInstance, Explanation, Setting } from './explanation.ts';

const KIND_NAMES = { pod: 'Pod', service: 'Service', 'consul-service': 'Consul service' } as const;
const SIGNS = { create: '+', update: '~', remove: '-', unproven: '?', held: '=', kept: '=', retained: '=' } as const;

/** The explanation for people: a title, then sections in one order; those that say nothing are left out. */
export function formatExplanation(explanation: Explanation): string {
  const { kind, name, cluster, found, settings, decision, desired, observed, pods, imported } = explanation;
  const { changes, rejections, warnings } = explanation;
  const isAboutPods = kind !== 'consul-service';
  const sections: readonly (readonly [title: string, lines: readonly string[]])[] = [
    ['Found', columns(found.map(({ what, value }) => [what, value]))],
    ['Settings', isAboutPods ? orNone(settings.map(formatSetting), 'none') : []],
    [
      'Decision',
      [
        decision.rule,
        ...decision.notes,
        ...desired.map((instance) => `wanted: ${instance.node}/${instance.id}${formatDetails(instance)}`),
      ],
    ],
    ['Pods', columns(pods.map(({ pod, says }) => [pod, says]))],
    ['In Consul', orNone(columns(observed.map(formatInstance)), isAboutPods ? "nothing of Consular's" : 'nothing')],
    [
      'Taken in',
      columns(imported.map(({ instance, address, port, imported }) => [instance, `${address}:${port}`, imported])),
    ],
    ['Would do', orNone(changes.flatMap(formatChange), 'nothing')],
    ['Rejected', rejections.map(({ object, reason, message }) => `! ${object}: ${reason}: ${message}`)],
    ['Warnings', warnings],
  ];
  return [
    `${KIND_NAMES[kind]} ${name}, as cluster ${cluster} sees it`,
    ...sections
      .filter(([, lines]) => lines.length > 0)
      .flatMap(([title, lines]) => ['', title, ...lines.map((line) => `  ${line}`.trimEnd())]),
  ]
    .map(escapeControls)
    .join('\n');
}

function orNone(lines: readonly string[], none: string): readonly string[] {
  return lines.length > 0 ? lines : [none];
}

/** Each column as wide as its widest cell. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function formatSetting({ source, key, value, note }: Setting): string {
  return `${source}: ${key} = ${JSON.stringify(value)}${note === '' ? '' : ` (${note})`}`;
}

function formatInstance(instance: ExplainedInstance): string[] {
  const { endpoint = '' } = instance;
  return [`${instance.node}/${instance.id}`, formatDetails(instance).trim(), instance.origin, endpoint];
}

function formatDetails({ service, address, port, status, tags }: ExplainedInstance): string {
  return `  ${service} ${address}:${port} ${status}${tags.length > 0 ? ` ${JSON.stringify(tags)}` : ''}`;
}

function formatChange({ action, kind, object, note, differences }: ExplainedChange): string[] {
  return [
    `${SIGNS[action]} ${action} ${kind} ${object}${note === '' ? '' : `  ${note}`}`,
    ...differences.map(({ field, desired, observed }) => `    ${field}: ${observed} -> ${desired}`),
  ];
}
