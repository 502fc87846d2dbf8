import type { Config } from '../../config/schema.ts';
import type { LeaseName } from '../../kubernetes/lease.ts';
import type { Owner } from '../../mark.ts';
import { explainError } from '../../observability/log.ts';
import { ClusterIdentityError } from '../../to-consul/identity/cluster-identity.ts';
import type { Clients, Context } from '../../world/context.ts';
import { itemsOf, readConsulSide, remainsOf, type ConsulSide } from './consul-side.ts';
import { readHeld } from '../hold.ts';
import { writesOffBy } from '../writes-off.ts';
import type { Item, Remaining } from './items.ts';
import { itemOf, placesOf, readKubernetesSide, type KubernetesSide } from './kubernetes-side.ts';

export const DIRECTIONS = ['to-consul', 'to-kubernetes', 'both'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** What a purge would remove, and what has our marks and would stay. */
export interface PurgePlan {
  readonly toConsul: readonly Item[];
  readonly toKubernetes: readonly Item[];
  /** What both directions share, removed last and only with both. */
  readonly shared: readonly Item[];
  readonly remaining: readonly Remaining[];
  /** Who says that writes are off, a sentence each: then nothing is removed. */
  readonly writesOff: readonly string[];
  /** What of the settings does not count for a purge, and who leads, a sentence each. */
  readonly notes: readonly string[];
}

/** A plan with what it was made of. */
export interface Findings {
  readonly plan: PurgePlan;
  readonly consul: ConsulSide;
  readonly kubernetes: KubernetesSide;
}

const NOTHING = {
  consul: { nodes: [], entry: undefined, remaining: [] },
  kubernetes: { stages: [], remaining: [], failures: [] },
};

/**
 * Reads what is ours on the sides that are asked for. What cannot be read is among what remains.
 * @throws ClusterIdentityError when our cluster name is another Kubernetes cluster's in Consul
 */
export async function findOurs(
  context: Pick<Context, 'config'>,
  clients: Clients,
  { owner, direction, lease }: { owner: Owner; direction: Direction; lease: LeaseName | undefined },
): Promise<Findings> {
  const remaining: Remaining[] = [];
  const orTell = async <T>(kind: string, object: string, read: Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await read;
    } catch (error) {
      if (error instanceof ClusterIdentityError) throw error;
      remaining.push({ kind, object, why: `it could not be looked for: ${explainError(error)}` });
      return otherwise;
    }
  };
  // In any case: a name that is another cluster's is no name to remove anything by, in Kubernetes either.
  const found = await orTell('Node', 'in Consul', readConsulSide(clients.nodes, owner), NOTHING.consul);
  const consul = direction === 'to-kubernetes' ? NOTHING.consul : found;
  const kubernetes =
    direction === 'to-consul' ? NOTHING.kubernetes : await readKubernetesSide(clients, owner, placesOf(context.config));
  const isShared = direction === 'both';
  const held = isShared ? await orTell('Key and Lease', 'of the leader', readHeld(clients, owner, lease), []) : [];
  const { nodes, entry } = consul;
  const own = isShared && entry ? entry : undefined;
  return {
    ...{ consul, kubernetes },
    plan: {
      toConsul: nodes.flatMap(itemsOf),
      toKubernetes: kubernetes.stages.flat().map(itemOf),
      shared: [...(own ? itemsOf(own) : []), ...held],
      remaining: [
        ...remaining,
        ...consul.remaining,
        ...nodes.flatMap(remainsOf),
        ...(own ? remainsOf(own) : []),
        ...kubernetes.remaining,
      ],
      writesOff: await writesOffBy(context.config, clients.kubernetes, { namespace: lease?.namespace ?? '' }),
      notes: notesOf(context.config, direction),
    },
  };
}

/** Removals that never happen are those that nobody asked for. */
export function notesOf(
  { toConsul, toKubernetes }: Pick<Config, 'toConsul' | 'toKubernetes'>,
  direction: Direction,
): string[] {
  const never = [
    ...(direction !== 'to-kubernetes' && toConsul.removals === 'never' ? ['toConsul.removals'] : []),
    ...(direction !== 'to-consul' && toKubernetes.removals === 'never' ? ['toKubernetes.removals'] : []),
  ];
  return never.length === 0
    ? []
    : [`${never.join(' and ')}: never: a purge is asked for, so all of this is removed all the same`];
}

export function allItems({ toConsul, toKubernetes, shared }: PurgePlan): Item[] {
  return [...toConsul, ...toKubernetes, ...shared];
}
