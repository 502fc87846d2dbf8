import type { Retaining, ShownMember } from '../../guard/retained.ts';

/** What of a retained instance is told to people here. */
export type WhatIsRetained = Retaining<Pick<ShownMember, 'service' | 'why' | 'since'>>;

export type DirectionName = 'to-consul' | 'to-kubernetes';

/** What of one Consul service is retained for one reason. */
export interface RetainedRow {
  readonly direction: DirectionName;
  readonly service: string;
  readonly instances: number;
  readonly why: string;
  /** The earliest; RFC 3339. */
  readonly since: string;
  readonly hash: string;
  /** How to let it go. */
  readonly release: string;
}

/** A row for each Consul service and reason, in the order of the services. */
export function retainedRows(direction: DirectionName, { hash, instances }: WhatIsRetained): RetainedRow[] {
  if (hash === undefined) return [];
  const groups = new Map<string, { service: string; why: string; instances: number; since: Date }>();
  for (const { service, why, since } of instances) {
    const key = JSON.stringify([service, why]);
    const group = groups.get(key) ?? { service, why, instances: 0, since };
    group.instances++;
    if (since < group.since) group.since = since;
    groups.set(key, group);
  }
  return [...groups.values()]
    .sort((a, b) => (a.service < b.service ? -1 : 1))
    .map(({ since, ...group }) => ({
      ...{ direction, ...group, since: since.toISOString() },
      ...{ hash, release: releaseCommand(hash) },
    }));
}

const MOST_NAMED = 3;

/** One sentence for the person who decides; undefined when nothing is retained. */
export function describeRetained(direction: DirectionName, { hash, instances }: WhatIsRetained): string | undefined {
  if (hash === undefined) return undefined;
  const services = [...new Set(instances.map(({ service }) => service))].sort();
  const named = services.slice(0, MOST_NAMED).join(', ');
  const more = services.length - MOST_NAMED;
  const of = `${named}${more > 0 ? ` and ${count(more, 'more service')}` : ''}`;
  const would = direction === 'to-consul' ? 'would be deregistered' : 'would cease to be endpoints';
  const [first] = instances;
  return (
    // First what lets them go: whoever shortens the sentence keeps that.
    `retained ${count(instances.length, 'instance')} (${releaseCommand(hash)} lets them go) of ${of}, ` +
    `which ${would}: ${first?.why ?? ''}`
  );
}

function releaseCommand(hash: string): string {
  return `consular release ${hash} --config FILE`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
