import type { CatalogCheck, CatalogService, CheckStatus, NodeContents } from '../../consul/types.ts';
import { META, ownsNode, type Owner } from '../../mark.ts';
import { identityOf, nodeMeta, podKeyOf, type ConsulNode, type Registration } from '../registration/registration.ts';

/** An instance of ours as the catalog has it, with the indexes that a write must name. */
export interface OwnInstance {
  readonly registration: Registration;
  readonly podKey: string;
  readonly podUid: string;
  readonly serviceIndex: number;
  /** 0 when the instance has no check of ours. */
  readonly checkIndex: number;
}

/** What an instance of ours is called; where nothing else is asked for, its whole registration need not be made. */
export type NamedInstance = Pick<OwnInstance, 'podUid'> & Pick<Registration, 'id' | 'service'>;

export type NodeState =
  | { readonly state: 'absent' }
  | {
      readonly state: 'ours';
      readonly address: string;
      /** False when somebody else changed its address, or its meta beside the marks that make it ours. */
      readonly isIntact: boolean;
      readonly modifyIndex: number;
    }
  | { readonly state: 'refused'; readonly why: string };

/** What a Consul node is to us, and by `node/id` the instances of ours that are on it. */
export interface Observation {
  readonly node: NodeState;
  readonly instances: ReadonlyMap<string, OwnInstance>;
}

/**
 * A node is written to only when it carries our mark and has no agent: an agent's node is swept by its anti-entropy. On such
 * a node an ID of ours is ours whatever its meta says: whoever wrote over an instance of ours took the mark along, and
 * nobody else makes such an ID there. If it were not ours, it would stay as it is and be in its pod's way for ever.
 * @param known what the node was to us before
 */
export function observe(owner: Owner, contents: NodeContents | undefined, known: NodeState): Observation {
  const instances = new Map<string, OwnInstance>();
  if (!contents) return { node: { state: 'absent' }, instances };
  const { node, services, checks } = contents;
  const { name, address, meta, modifyIndex } = node;
  const refuse = (why: string): Observation => ({
    node: { state: 'refused', why: `Consul node ${name} ${why}` },
    instances,
  });
  if (!ownsNode(owner, meta)) return refuse('exists and was not made by this installation');
  if (checks.some(({ checkId }) => checkId === 'serfHealth'))
    return refuse('belongs to an agent (it has a serfHealth check)');
  for (const service of services) {
    const podKey = podKeyOf(owner.cluster, service.id);
    if (podKey === undefined) continue;
    const instance = toOwnInstance(podKey, { name, address }, service, checks);
    instances.set(identityOf(instance.registration), instance);
  }
  const isAsKnown = known.state !== 'ours' || (known.isIntact && known.address === address);
  const isIntact = isAsKnown && Object.entries(nodeMeta(owner)).every(([key, value]) => meta.get(key) === value);
  return { node: { state: 'ours', address, isIntact, modifyIndex }, instances };
}

/**
 * Whether the instances of ours on a node are those that we know, given only which services are on it. An ID of ours that
 * is not known counts, whoever wrote it.
 * @param known by `node/id`
 * @param except pods of which it is not known
 */
export function hasSameServices(
  { cluster }: Owner,
  known: ReadonlyMap<string, OwnInstance>,
  observed: readonly Pick<CatalogService, 'id' | 'modifyIndex'>[],
  except: ReadonlySet<string> = NO_PODS,
): boolean {
  const ours = new Map<string, number>();
  for (const { id, modifyIndex } of observed) {
    const podKey = podKeyOf(cluster, id);
    if (podKey !== undefined && !except.has(podKey)) ours.set(id.toLowerCase(), modifyIndex);
  }
  let same = 0;
  for (const [identity, { podKey, serviceIndex }] of known) {
    if (except.has(podKey)) continue;
    if (ours.get(identity.slice(identity.indexOf('/') + 1)) !== serviceIndex) return false;
    same++;
  }
  return same === ours.size;
}

const NO_PODS: ReadonlySet<string> = new Set();

function toOwnInstance(
  podKey: string,
  node: ConsulNode,
  service: CatalogService,
  checks: readonly CatalogCheck[],
): OwnInstance {
  const isOurs = ({ checkId, serviceId }: CatalogCheck) =>
    checkId.toLowerCase() === service.id.toLowerCase() && serviceId.toLowerCase() === service.id.toLowerCase();
  const check = checks.find(isOurs);
  const { meta } = service;
  return {
    registration: {
      node,
      id: service.id,
      service: service.service,
      address: service.address,
      port: service.port,
      taggedAddresses: service.taggedAddresses,
      tags: service.tags,
      meta,
      weight: service.weight,
      check: { status: statusOf(check), notes: check?.notes ?? '', output: check?.output ?? '' },
    },
    podKey,
    podUid: meta.get(META.podUid) ?? '',
    serviceIndex: service.modifyIndex,
    checkIndex: check?.modifyIndex ?? 0,
  };
}

/** Consul takes any text for a status: what is neither of ours differs from both. */
function statusOf(check: CatalogCheck | undefined): CheckStatus {
  const status = check?.status ?? 'critical';
  return status === 'passing' || status === 'critical' ? status : 'warning';
}
