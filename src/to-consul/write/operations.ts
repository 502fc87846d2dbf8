import type { ConsulRight } from '../../consul/rights.ts';
import type {
  CheckOperation,
  NodeOperation,
  NodeRemoval,
  Operation,
  ServiceOperation,
} from '../../consul/transaction.ts';
import type { CatalogNode } from '../../consul/types.ts';
import type { Changes } from '../../reconcile/changes.ts';
import type { Owner } from '../../mark.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import {
  CHECK_NAME,
  CHECK_TYPE,
  nodeMeta,
  sameCheck,
  sameService,
  type ConsulNode,
  type Registration,
} from '../registration/registration.ts';

export type PodChanges = Changes<Registration, OwnInstance>;

/** The Consul nodes that must exist, with the right address, before the changes can be written. */
export function nodesNeeded({ create, update }: PodChanges): ConsulNode[] {
  return [...create, ...update.map(({ desired }) => desired)].map(({ node }) => node);
}

/** Every Consul node that the changes touch, by name. */
export function nodesTouched(changes: PodChanges): string[] {
  return [
    ...nodesNeeded(changes).map(({ name }) => name),
    ...changes.remove.map(({ registration }) => registration.node.name),
  ];
}

/** The right that an operation needs, where Consul refuses it and does not say which. */
export function rightToWrite(operation: Operation): ConsulRight {
  if ('Node' in operation) return { resource: 'node', name: operation.Node.Node.Node };
  if ('Check' in operation) return { resource: 'service', name: operation.Check.Check.ServiceName };
  return { resource: 'service', name: operation.Service.Service.Service };
}

/** Creates the node, or corrects its address. Whatever else is on the node stays. */
export function nodeOperation(owner: Owner, { name, address }: ConsulNode, modifyIndex: number): NodeOperation {
  return {
    Node: { Verb: 'cas', Node: { Node: name, Address: address, Meta: nodeMeta(owner), ModifyIndex: modifyIndex } },
  };
}

/** Creations first, so that a pod that moved is never nowhere, then updates, then removals: one group, in one transaction. */
export function toOperations({ create, update, remove }: PodChanges): Operation[] {
  return [
    ...create.flatMap((registration) => [serviceOperation(registration, 0), checkOperation(registration, 0)]),
    ...update.flatMap(({ desired, observed }) => [
      ...(sameService(desired, observed.registration) ? [] : [serviceOperation(desired, observed.serviceIndex)]),
      ...(observed.checkIndex > 0 &&
      desired.service === observed.registration.service &&
      sameCheck(desired.check, observed.registration.check)
        ? []
        : [checkOperation(desired, observed.checkIndex)]),
    ]),
    ...remove.map(removalOperation),
  ];
}

function serviceOperation(
  { node, id, service, address, port, taggedAddresses, tags, meta, weight }: Registration,
  modifyIndex: number,
): ServiceOperation {
  return {
    Service: {
      Verb: 'cas',
      Node: node.name,
      Service: {
        ID: id,
        Service: service,
        Address: address,
        Port: port,
        ...(taggedAddresses.size > 0 ? { TaggedAddresses: withPort(taggedAddresses, port) } : {}),
        Tags: tags,
        Meta: Object.fromEntries(meta),
        Weights: { Passing: weight, Warning: weight },
        ModifyIndex: modifyIndex,
      },
    },
  };
}

function withPort(addresses: ReadonlyMap<string, string>, port: number) {
  return Object.fromEntries([...addresses].map(([key, address]) => [key, { Address: address, Port: port }]));
}

function checkOperation({ node, id, service, check }: Registration, modifyIndex: number): CheckOperation {
  return {
    Check: {
      Verb: 'cas',
      Check: {
        Node: node.name,
        CheckID: id,
        Name: CHECK_NAME,
        Type: CHECK_TYPE,
        Status: check.status,
        Notes: check.notes,
        Output: check.output,
        ServiceID: id,
        ServiceName: service,
        ModifyIndex: modifyIndex,
      },
    },
  };
}

/** Takes one instance, untouched since we saw it, and its check with it. */
function removalOperation({ registration, serviceIndex }: OwnInstance): Operation {
  if (registration.id === '' || serviceIndex === 0)
    throw new Error(`remove instance ${registration.id}: expected an ID and an index, found none`);
  return {
    Service: {
      Verb: 'delete-cas',
      Node: registration.node.name,
      Service: { ID: registration.id, Service: registration.service, ModifyIndex: serviceIndex },
    },
  };
}

/** Takes a node, untouched since we saw it, and all that is on it: the caller has made sure that nothing is. */
export function nodeRemoval({ name, modifyIndex }: CatalogNode): NodeRemoval {
  if (name === '' || modifyIndex === 0)
    throw new Error(`remove Consul node ${name}: expected a name and an index, found none`);
  return { Node: { Verb: 'delete-cas', Node: { Node: name, ModifyIndex: modifyIndex } } };
}
