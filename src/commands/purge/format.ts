import { escapeControls } from '../../json.ts';
import type { Item, Remaining } from './items.ts';
import { allItems, type PurgePlan } from './plan.ts';
import type { PurgeResult } from './purge.ts';

/** The plan for people: what goes (-), side by side, what stays (!), and the sums. */
export function formatPurgePlan(cluster: string, plan: PurgePlan): string {
  const part = (title: string, items: readonly Item[]) =>
    items.length === 0 ? [] : [`${title}:`, ...items.map(({ kind, object }) => `  - ${kind} ${object}`)];
  const lines = [
    ...(plan.writesOff.length === 0
      ? []
      : [`writes are off, by ${plan.writesOff.join(' and by ')}: nothing is removed`]),
    ...(allItems(plan).length === 0 ? [] : plan.notes.map((note) => `note: ${note}`)),
    ...part('from Consul', plan.toConsul),
    ...part('from Kubernetes', plan.toKubernetes),
    ...part('at the end, when all of that is gone', plan.shared),
    ...formatRemaining(plan.remaining),
    `Purge of cluster ${cluster}: ${counted(allItems(plan))} to remove${staying(plan.remaining)}.`,
  ];
  return lines.map(escapeControls).join('\n');
}

export function formatPurgeResult(cluster: string, { removed, remaining }: PurgeResult): string {
  const lines = [
    ...formatRemaining(remaining),
    `Purge of cluster ${cluster}: ${counted(removed)} removed${staying(remaining)}.`,
  ];
  return lines.map(escapeControls).join('\n');
}

/** How many of one reason are named. */
const MOST_NAMED = 5;

/** One line a reason: a right that is missing is one cause, however much it keeps. */
function formatRemaining(remaining: readonly Remaining[]): string[] {
  const byWhy = new Map<string, Remaining[]>();
  for (const one of remaining) byWhy.set(one.why, [...(byWhy.get(one.why) ?? []), one]);
  return [...byWhy].map(([why, some]) => {
    const names = some.slice(0, MOST_NAMED).map(({ kind, object }) => `${kind} ${object}`);
    const more = some.length > names.length ? ` and ${some.length - names.length} more` : '';
    return `  ! ${names.join(', ')}${more}: ${why}`;
  });
}

function staying({ length }: readonly Remaining[]): string {
  return length === 0 ? '' : `, ${length} ${length === 1 ? 'stays' : 'stay'}`;
}

/** `2 Nodes, 12 ServiceInstances`; "nothing" when there is nothing. */
function counted(items: readonly Item[]): string {
  const counts = new Map<string, number>();
  for (const { kind } of items) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const parts = [...counts].map(([kind, count]) => `${count} ${kind}`);
  return parts.length === 0 ? 'nothing' : parts.join(', ');
}
