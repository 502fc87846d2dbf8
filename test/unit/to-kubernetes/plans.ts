import type { Fields, Log } from '../../../src/observability/log.ts';
import type { NamespacePlan } from '../../../src/to-kubernetes/plan/namespace-plan.ts';
import type { NamePlan } from '../../../src/to-kubernetes/plan/planner.ts';

const NOTHING = { create: [], update: [], remove: [] };

/** The plan of one namespace that says nothing, but for what a test is about. */
export function namespacePlan(overrides: Partial<NamespacePlan> = {}): NamespacePlan {
  return {
    ...{ namespace: 'shop', serviceName: 'billing', conflict: undefined, fallback: '', switchesTo: undefined },
    ...{ service: NOTHING, slices: NOTHING, endpoints: NOTHING, workloadEntries: NOTHING },
    ...{ refused: [], repeated: [], problems: [], held: [], kept: [], hosts: [] },
    ...overrides,
  };
}

/** The plan of a Consul service that is mirrored as it should be. */
export function namePlan(overrides: Partial<NamePlan> = {}): NamePlan {
  return { mirrored: true, overLimit: false, rivals: [], hosts: [], problems: [], namespaces: [], ...overrides };
}

interface LogRecord {
  readonly level: keyof Log;
  readonly message: string;
  readonly fields: Fields | undefined;
}

/** A log, and what was written to it. */
export function logged(): { readonly log: Log; readonly records: LogRecord[] } {
  const records: LogRecord[] = [];
  const write = (level: keyof Log) => (message: string, fields?: Fields) =>
    void records.push({ level, message, fields });
  return { log: { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') }, records };
}
