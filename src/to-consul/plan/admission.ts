import { holderOf, type ForeignInstances } from '../observed/foreign-instances.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import type { OwnCatalog } from '../observed/own-catalog.ts';
import { mayPublish, type Policy } from '../desired/policy.ts';
import type { Registration } from '../registration/registration.ts';
import { quote, type Rejection } from '../registration/rejection.ts';

export interface Admitted {
  /** By identity: registrations that must not be created now, and why. */
  readonly refused: ReadonlyMap<string, Rejection>;
  /** Services whose foreign instances have to be read first; what wants them is neither refused nor created. */
  readonly unread: readonly string[];
}

/**
 * Decides which new registrations may be created beside what is in Consul already. What a pod has there stays:
 *
 * | a registration                                                                          | outcome   |
 * |-----------------------------------------------------------------------------------------|-----------|
 * | that the pod has at the same address and port                                           | stays     |
 * | whose service, address and port a live foreign instance has                             | Duplicate |
 * | that the pod has at another address                                                     | updated   |
 * | whose name the policy denies by default, because others or another namespace have it    | refused   |
 * | of a namespace that has as many instances as the policy allows                          | refused   |
 * | any other                                                                               | created   |
 *
 * Whoever is refused waits for a name or for room in a namespace, and is looked at again when that changes.
 */
export class Admission {
  readonly #policy: Policy;
  readonly #foreign: ForeignInstances;
  readonly #onRoom: (podKeys: Iterable<string>) => void;
  /** For a policy that denies: names, lower case, to the namespaces that publish them, first come first. */
  readonly #publishers = new Map<string, Map<string, Set<string>>>();
  readonly #names = new Map<string, readonly string[]>();
  /** For a limit of instances: namespaces to their pods with the number of instances. */
  readonly #counts = new Map<string, { total: number; readonly pods: Map<string, number> }>();
  /** What is waited for, to the pods. */
  readonly #waiting = new Map<string, Set<string>>();

  constructor(
    policy: Policy,
    foreign: ForeignInstances,
    own: OwnCatalog,
    onRoom: (podKeys: Iterable<string>) => void = () => undefined,
  ) {
    this.#policy = policy;
    this.#foreign = foreign;
    this.#onRoom = onRoom;
    for (const podKey of own.podKeys())
      this.#record(
        podKey,
        [...own.ofPod(podKey).values()].map(({ registration }) => registration),
      );
    foreign.subscribe((name) => this.#wake(forName(name)));
  }

  /** @param wanted by identity. Asking again with the same is harmless; asking with nothing gives up the pod's places. */
  admit(
    podKey: string,
    wanted: ReadonlyMap<string, Registration>,
    observed: ReadonlyMap<string, OwnInstance>,
  ): Admitted {
    const refused = new Map<string, Rejection>();
    const unread = new Set<string>();
    const kept: Registration[] = [];
    for (const [identity, registration] of wanted) {
      const verdict = this.#judge(podKey, registration, stateOf(registration, observed), kept.length);
      if (verdict === 'unread') unread.add(registration.service);
      else if (verdict) refused.set(identity, verdict);
      else kept.push(registration);
    }
    this.#record(podKey, kept);
    return { refused, unread: [...unread] };
  }

  /** @param before how many of the pod's registrations are admitted already */
  #judge(podKey: string, registration: Registration, state: State, before: number): Rejection | 'unread' | undefined {
    if (state === 'there') return undefined;
    const { service, address, port } = registration;
    const name = service.toLowerCase();
    const namespace = namespaceOf(podKey);
    const foreign = this.#foreign.of(service);
    if (!foreign) return 'unread';
    const holder = holderOf(foreign, registration);
    if (holder) {
      this.#waitForName(name, podKey);
      const message = `instance ${quote(holder.id)} on Consul node ${quote(holder.node)} already is ${quote(service)} at ${address}:${port}; Consular registers the pod when that one goes`;
      return { reason: 'Duplicate', message };
    }
    if (state === 'moved') return undefined;
    const [firstNamespace] = this.#publishers.get(name)?.keys() ?? [];
    const denied = mayPublish(this.#policy, namespace, service, {
      hasForeignInstances: foreign.length > 0,
      firstNamespace,
    });
    if (denied) {
      this.#waitForName(name, podKey);
      return denied;
    }
    const { maxInstances } = this.#policy;
    const counts = this.#counts.get(namespace);
    const others = (counts?.total ?? 0) - (counts?.pods.get(podKey) ?? 0);
    if (maxInstances === 0 || others + before < maxInstances) return undefined;
    this.#wait(forNamespace(namespace), podKey);
    const message = `namespace ${namespace} has ${maxInstances} instances in Consul, as many as toConsul.policy.maxInstances allows`;
    return { reason: 'QuotaExceeded', message };
  }

  /** What a pod has or gets, from now on. */
  #record(podKey: string, registrations: readonly Registration[]): void {
    const namespace = namespaceOf(podKey);
    if (this.#policy.maxInstances > 0) this.#recordCount(podKey, namespace, registrations.length);
    if (this.#policy.default === 'deny')
      this.#recordNames(podKey, namespace, [...new Set(registrations.map(({ service }) => service.toLowerCase()))]);
  }

  #recordCount(podKey: string, namespace: string, count: number): void {
    const counts = this.#counts.get(namespace) ?? { total: 0, pods: new Map<string, number>() };
    this.#counts.set(namespace, counts);
    const before = counts.pods.get(podKey) ?? 0;
    counts.total += count - before;
    if (count > 0) counts.pods.set(podKey, count);
    else counts.pods.delete(podKey);
    if (count < before) this.#wake(forNamespace(namespace));
  }

  #recordNames(podKey: string, namespace: string, names: readonly string[]): void {
    const before = this.#names.get(podKey) ?? [];
    if (names.length > 0) this.#names.set(podKey, names);
    else this.#names.delete(podKey);
    for (const name of names) {
      const namespaces = this.#publishers.get(name) ?? new Map<string, Set<string>>();
      this.#publishers.set(name, namespaces);
      const pods = namespaces.get(namespace) ?? new Set<string>();
      namespaces.set(namespace, pods.add(podKey));
    }
    for (const name of before) {
      if (names.includes(name)) continue;
      const namespaces = this.#publishers.get(name);
      const pods = namespaces?.get(namespace);
      pods?.delete(podKey);
      if (pods?.size !== 0) continue;
      namespaces?.delete(namespace);
      if (namespaces?.size === 0) this.#publishers.delete(name);
      this.#wake(forName(name));
    }
  }

  #waitForName(name: string, podKey: string): void {
    this.#wait(forName(name), podKey);
    this.#foreign.follow(name);
  }

  #wait(reason: string, podKey: string): void {
    const pods = this.#waiting.get(reason);
    if (pods) pods.add(podKey);
    else this.#waiting.set(reason, new Set([podKey]));
  }

  #wake(reason: string): void {
    const pods = this.#waiting.get(reason);
    this.#waiting.delete(reason);
    if (pods) this.#onRoom(pods);
  }
}

const forName = (name: string) => `service ${name}`;
const forNamespace = (namespace: string) => `namespace ${namespace}`;

function namespaceOf(podKey: string): string {
  return podKey.slice(0, podKey.indexOf('/'));
}

type State = 'there' | 'moved' | 'new';

/** A pod that has another address or node now is no new one, but somebody may be there before it. */
function stateOf(registration: Registration, observed: ReadonlyMap<string, OwnInstance>): State {
  const id = registration.id.toLowerCase();
  const same = [...observed.values()].find((one) => one.registration.id.toLowerCase() === id)?.registration;
  if (!same) return 'new';
  return isThere(registration, same) ? 'there' : 'moved';
}

type Location = Pick<Registration, 'address' | 'port'>;

/** Whether a registration is where it should be already, so that it is no business of anybody else there. */
export function isThere(wanted: Location, found: Location): boolean {
  return wanted.address === found.address && wanted.port === found.port;
}
