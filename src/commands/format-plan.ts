import { escapeControls } from '../json.ts';
import type { HeldInstance, Plan, PlannedChange, PlannedRejection } from './plan.ts';
import { describeWritesOff } from './writes-off.ts';

/**
 * The plan for people: one aligned line a change, then what stays (=), what was rejected (!) or should be known (*), then
 * the sums.
 */
export function formatPlan({ writesOff, changes, held, kept, retained, rejections, warnings }: Plan): string {
  const all = [
    ...changes,
    ...held.map((one) => ({ ...one, action: 'held' as const })),
    ...kept.map((one) => ({ ...one, action: 'kept' as const })),
    ...retained.map((one) => ({ ...one, action: 'retained' as const })),
  ];
  const width = (of: (row: (typeof all)[number]) => string) => Math.max(0, ...all.map((row) => of(row).length));
  const [kinds, objects] = [width(({ kind }) => kind), width(({ object }) => object)];
  const actions = Math.max(
    'create'.length,
    width(({ action }) => action),
  );
  const lines = (['to-consul', 'to-kubernetes'] as const).flatMap((direction) => {
    const own = all.filter((row) => row.direction === direction);
    const rows = own.map(({ action, kind, object, note }) =>
      `  ${SIGN[action]} ${action.padEnd(actions)}  ${kind.padEnd(kinds)}  ${object.padEnd(objects)}  ${note}`.trimEnd(),
    );
    const told = (sign: string, of: readonly PlannedRejection[]) =>
      of.filter((one) => one.direction === direction).map(({ object, reason }) => `  ${sign} ${object}: ${reason}`);
    const problems = [...told('!', rejections), ...told('*', warnings)];
    return [`${direction}:`, ...(rows.length > 0 ? rows : ['  nothing to do']), ...problems].map(escapeControls);
  });
  const count = (action: PlannedChange['action']) => changes.filter((change) => change.action === action).length;
  return [
    ...describeWritesOff(writesOff).map(escapeControls),
    ...lines,
    `Plan: ${count('create')} to create, ${count('update')} to update, ${count('remove')} to remove, ${rejections.length} rejected${stays(held, 'held')}${stays(kept, 'kept')}${stays(retained, 'retained')}.`,
  ].join('\n');
}

function stays({ length }: readonly HeldInstance[], how: string): string {
  return length === 0 ? '' : `, ${length} ${how}`;
}

const SIGN = { create: '+', update: '~', remove: '-', held: '=', kept: '=', retained: '=' } as const;
