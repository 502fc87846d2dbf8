import { protocolOf } from '../../consul/protocol.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import { mayPublish, type Policy } from '../desired/policy.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import type { Registration } from '../registration/registration.ts';
import { quote, type Rejection } from '../registration/rejection.ts';
import { namespaceOf, type Places, type Wait } from './places.ts';
import type { Others } from './sources.ts';

export interface Admitted {
  /** By identity: registrations that must not be created now, and why. */
  readonly refused: ReadonlyMap<string, Rejection>;
  /** Services whose foreign instances have to be read first; what wants them is neither refused nor created. */
  readonly unread: readonly string[];
  /** What the refused ones wait for. */
  readonly waitsFor: readonly Wait[];
  /** What of the wanted registrations the pod has, or gets when its plan is written. */
  readonly places: readonly Registration[];
}

type Verdict = 'admitted' | 'unread' | { readonly refused: Rejection; readonly waitsFor: Wait };

/**
 * Decides which new registrations may be created beside what is in Consul already. What a pod has there stays:
 *
 * | a registration                                                                          | outcome   | waits for          |
 * |-----------------------------------------------------------------------------------------|-----------|--------------------|
 * | that the pod has at the same address and port                                           | stays     |                    |
 * | whose service has foreign instances that are not read yet                               | unread    | (they are read)    |
 * | whose service, address and port a live foreign instance has                             | Duplicate | the name           |
 * | that the pod has at another address                                                     | updated   |                    |
 * | whose name the policy denies by default, because others or another namespace have it    | refused   | the name           |
 * | of a namespace that has as many instances as the policy allows                          | refused   | room in it         |
 * | any other                                                                               | created   |                    |
 *
 * The instances of a namespace are those of its other pods, those that the pod gets, and those of the pod that stay beside
 * what it wants now.
 */
export class Admission {
  readonly #policy: Policy;
  readonly #others: Others;
  readonly #places: Pick<Places, 'firstNamespace' | 'ofOthers'>;

  constructor(policy: Policy, others: Others, places: Pick<Places, 'firstNamespace' | 'ofOthers'>) {
    this.#policy = policy;
    this.#others = others;
    this.#places = places;
  }

  /**
   * @param wanted by identity
   * @param staying how many instances of the pod stay that are not wanted; asked only where the policy has a limit
   */
  admit(
    podKey: string,
    wanted: ReadonlyMap<string, Registration>,
    observed: ReadonlyMap<string, OwnInstance>,
    staying: () => number,
  ): Admitted {
    const refused = new Map<string, Rejection>();
    const unread = new Set<string>();
    const waitsFor: Wait[] = [];
    const places: Registration[] = [];
    for (const { identity, registration, state } of newOnesLast(wanted, observed)) {
      const ofPod = () => places.length + staying();
      const verdict = state === 'there' ? 'admitted' : this.#judge(podKey, registration, state, ofPod);
      if (verdict === 'unread') unread.add(registration.service);
      // What is in Consul keeps its place until somebody says that it has to go.
      if (verdict === 'admitted' || (verdict === 'unread' && state === 'moved')) places.push(registration);
      if (typeof verdict === 'string') continue;
      refused.set(identity, verdict.refused);
      waitsFor.push(verdict.waitsFor);
    }
    return { refused, unread: [...unread], waitsFor, places };
  }

  /** @param ofPod how many instances the pod has without this one */
  #judge(podKey: string, registration: Registration, state: 'moved' | 'new', ofPod: () => number): Verdict {
    const { service, address, port } = registration;
    const name = service.toLowerCase();
    const namespace = namespaceOf(podKey);
    const foreign = this.#others.of(service, podKey);
    if (!foreign) return 'unread';
    const holder = holderOf(foreign, registration);
    if (holder) {
      const message = `instance ${quote(holder.id)} on Consul node ${quote(holder.node)} already is ${quote(service)} at ${address}:${port}; Consular registers the pod when that one goes`;
      return { refused: { reason: 'Duplicate', message }, waitsFor: { name } };
    }
    if (state === 'moved') return 'admitted';
    const denied = mayPublish(this.#policy, namespace, service, {
      hasForeignInstances: foreign.length > 0,
      firstNamespace: this.#places.firstNamespace(name),
    });
    if (denied) return { refused: denied, waitsFor: { name } };
    const { maxInstances } = this.#policy;
    if (maxInstances === 0 || this.#places.ofOthers(podKey) + ofPod() < maxInstances) return 'admitted';
    const message = `namespace ${namespace} has ${maxInstances} instances in Consul, as many as toConsul.policy.maxInstances allows`;
    return { refused: { reason: 'QuotaExceeded', message }, waitsFor: { namespace } };
  }
}

interface Candidate {
  readonly identity: string;
  readonly registration: Registration;
  readonly state: State;
}

/** What the pod has in Consul already takes its places before anything new of the pod. */
function newOnesLast(
  wanted: ReadonlyMap<string, Registration>,
  observed: ReadonlyMap<string, OwnInstance>,
): readonly Candidate[] {
  const byId = new Map([...observed.values()].map((instance) => [instance.registration.id.toLowerCase(), instance]));
  return [...wanted]
    .map(([identity, registration]) => ({ identity, registration, state: stateOf(registration, byId) }))
    .sort((a, b) => Number(a.state === 'new') - Number(b.state === 'new'));
}

type State = 'there' | 'moved' | 'new';

/** A pod that has another address or node now is no new one, but somebody may be there before it. */
function stateOf(registration: Registration, byId: ReadonlyMap<string, OwnInstance>): State {
  const same = byId.get(registration.id.toLowerCase());
  if (!same) return 'new';
  return isThere(registration, same.registration) ? 'there' : 'moved';
}

type Location = Pick<Registration, 'address' | 'port'>;

/** Whether a registration is where it should be already, so that it is no business of anybody else there. */
export function isThere(desired: Location, observed: Location): boolean {
  return desired.address === observed.address && desired.port === observed.port;
}

/**
 * The live instance that already serves at this address and port under this name, if there is one. What is marked as UDP does not
 * hold the place of TCP; what says nothing may be either.
 */
export function holderOf(
  instances: readonly ServiceInstance[],
  registration: Location & Pick<Registration, 'id' | 'tags' | 'meta'>,
): ServiceInstance | undefined {
  const { address, port } = registration;
  const protocol = protocolOf(registration);
  return instances.find(
    (instance) =>
      instance.status !== 'critical' &&
      (protocol === 'UDP' || protocolOf(instance) === 'TCP') &&
      (instance.port === port || instance.namedPorts.includes(port)) &&
      (instance.address || instance.nodeAddress) === address,
  );
}
