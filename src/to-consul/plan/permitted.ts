import type { ConsulRight } from '../../consul/rights.ts';
import { ruleFor } from '../../consul/rights.ts';
import type { NodeState, OwnInstance } from '../observed/own-instance.ts';
import type { ConsulNode, Registration } from '../registration/registration.ts';
import type { Rejection } from '../registration/rejection.ts';
import { withStaying } from './places.ts';
import type { PodPlan, Unproven } from './pod-plan.ts';
import { askerOf } from './removals.ts';

/** What the token may not write, as far as Consul has said so. */
export interface Denials {
  isDenied(right: ConsulRight): boolean;
}

/** Our picture of Consul's nodes. */
type NodeOf = (name: string) => NodeState;

type PlannedWrites = Pick<PodPlan, 'changes' | 'unproven' | 'unconfirmed'>;

/** Every right that the changes of the plan need, each once and more. */
export function rightsFor({ changes, unproven, unconfirmed }: PlannedWrites, nodeOf: NodeOf): ConsulRight[] {
  const { create, update, remove } = changes;
  const going = [...remove, ...[...unproven, ...unconfirmed].map(({ instance }) => instance)];
  return [
    ...create.flatMap((registration) => rightsToWrite(registration, nodeOf)),
    ...update.flatMap(({ desired, observed }) => [...rightsToWrite(desired, nodeOf), toService(observed.registration)]),
    ...going.map(({ registration }) => toService(registration)),
  ];
}

/**
 * The plan without what Consul would refuse for want of a right, which would cost what goes in the same transaction a second try, and the
 * rest of the pod its place in Consul:
 *
 * | what the token may not write     | is                                                                           |
 * |----------------------------------|------------------------------------------------------------------------------|
 * | an instance that is to come      | rejected, `ConsulRefused`                                                    |
 * | one that is to be another        | held as it is; the same                                                      |
 * | one that is to go, proven or not | held; the same                                                               |
 * | (it may) one that is to go, for which the same asker gets another at that address that is rejected | held, as the pod still serves there |
 */
export function permitted(plan: PodPlan, denials: Denials, nodeOf: NodeOf): PodPlan {
  const denied = rightsFor(plan, nodeOf).filter((right) => denials.isDenied(right));
  if (denied.length === 0) return plan;
  const { create, update, remove } = plan.changes;
  const isDenied = (rights: readonly ConsulRight[]) => rights.some((right) => denials.isDenied(right));
  const mayWrite = (registration: Registration) => !isDenied(rightsToWrite(registration, nodeOf));
  const rejected = create.filter((registration) => !mayWrite(registration));
  const stays = ({ registration }: OwnInstance) =>
    isDenied([toService(registration)]) || rejected.some((wish) => isReplacedBy(registration, wish));
  const changes = {
    create: create.filter(mayWrite),
    update: update.filter(
      ({ desired, observed }) => mayWrite(desired) && !isDenied([toService(observed.registration)]),
    ),
    remove: remove.filter((instance) => !stays(instance)),
  };
  const isWaiting = ({ instance }: Unproven) => isDenied([toService(instance.registration)]);
  const waiting = [...plan.unproven, ...plan.unconfirmed].filter(isWaiting).map(({ instance }) => instance);
  const staying = [...remove.filter(stays), ...waiting];
  const unchanged = update.filter((one) => !changes.update.includes(one)).map(({ observed }) => observed);
  const isRejected = (id: string) => rejected.some((wish) => wish.id.toLowerCase() === id.toLowerCase());
  const rights = [...new Map(denied.map((right) => [ruleFor(right), right])).values()];
  return {
    ...plan,
    changes,
    unproven: plan.unproven.filter((one) => !isWaiting(one)),
    unconfirmed: plan.unconfirmed.filter((one) => !isWaiting(one)),
    rejections: [...plan.rejections, ...rights.map(refusedFor)],
    held: [...plan.held, ...staying, ...unchanged],
    waitsFor: [...plan.waitsFor, ...rights.map((right) => ({ right }))],
    places: withStaying(
      plan.places.filter(({ id }) => !isRejected(id)),
      staying,
    ),
    members: { ...plan.members, byId: new Map([...plan.members.byId].filter(([id]) => !isRejected(id))) },
  };
}

/** In words that are the same for all pods that need the right: what is missing, and what mends it. */
export function refusedFor(right: ConsulRight): Rejection {
  const { resource, name } = right;
  const what = resource === 'node' ? `Consul node ${name}` : `${resource} ${name}`;
  return {
    reason: 'ConsulRefused',
    message: `Consul's ACLs refuse it: the token may not write ${what}: add \`${ruleOf(right)}\` to its policy`,
  };
}

/** Nodes of ours are written as the pods come to them: a policy names what all of them begin with. */
function ruleOf(right: ConsulRight): string {
  const [prefix] = right.resource === 'node' ? (/^k8s-.+?--/.exec(right.name) ?? []) : [];
  return prefix === undefined ? ruleFor(right) : `node_prefix ${JSON.stringify(prefix)} { policy = "write" }`;
}

function isReplacedBy(registration: Registration, wish: Registration): boolean {
  return askerOf(registration.meta) === askerOf(wish.meta) && registration.address === wish.address;
}

function rightsToWrite({ service, node }: Registration, nodeOf: NodeOf): ConsulRight[] {
  const own = nodeOf(node.name);
  return [{ resource: 'service', name: service }, ...(isRight(own, node) ? [] : [toNode(node)])];
}

function isRight(known: NodeState, { address }: ConsulNode): boolean {
  return known.state === 'ours' && known.isIntact && known.address === address;
}

function toNode({ name }: ConsulNode): ConsulRight {
  return { resource: 'node', name };
}

function toService({ service }: Registration): ConsulRight {
  return { resource: 'service', name: service };
}
