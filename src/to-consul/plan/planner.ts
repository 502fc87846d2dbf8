import { objectKey, type Pod, type Service } from '../../kubernetes/objects.ts';
import type { Owner } from '../../mark.ts';
import { compare, type Changes, type Update } from '../../reconcile/changes.ts';
import {
  desiredRegistrations,
  type Desired,
  type DesiredConfig,
  type PlanSources,
} from '../desired/desired-registrations.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import {
  identityOf,
  sameCheck,
  sameService,
  type ConsulNode,
  type Registration,
} from '../registration/registration.ts';
import type { Rejection } from '../registration/rejection.ts';
import type { Views } from '../views.ts';
import { isThere, type Admission, type Admitted } from './admission.ts';
import { heldNames, keepSaid } from './held-wishes.ts';
import type { Emptied, Member } from './losses.ts';
import { isKept, keepInstances } from './kept.ts';
import { beside, withStaying } from './places.ts';
import type { PodIndex } from './pod-index.ts';
import type { PodPlan } from './pod-plan.ts';
import { proofNeeded, type Proven } from './proof.ts';
import { askerOf, judgeRemovals } from './removals.ts';
import { servedGate } from '../desired/readiness.ts';
import { whyGone } from './why-gone.ts';
import { NOTHING_RETAINED, retain, type Retention } from './retention.ts';
import type { Others, Ours } from './sources.ts';

const NOTHING_PROVEN: Proven = new Map();
const NOBODY: ReadonlySet<string> = new Set();

/**
 * What differs between Kubernetes and Consul for one pod: the `plan` command prints it, the loop and, at the moment of
 * sending, the writer act on it. Planning does nothing and remembers nothing: what has to be read, followed or recorded is
 * in the plan, and planning again gives the same plan.
 */
export class Planner {
  readonly #owner: Owner;
  readonly #config: DesiredConfig;
  readonly #views: Views;
  readonly #index: PodIndex;
  readonly #own: Ours;
  readonly #admission: Pick<Admission, 'admit'>;
  readonly #others: Others;
  readonly #emptied: Emptied;

  constructor(
    owner: Owner,
    config: DesiredConfig,
    views: Views,
    index: PodIndex,
    own: Ours,
    admission: Pick<Admission, 'admit'>,
    others: Others,
    emptied: Emptied,
  ) {
    this.#owner = owner;
    this.#config = config;
    this.#views = views;
    this.#index = index;
    this.#own = own;
    this.#admission = admission;
    this.#others = others;
    this.#emptied = emptied;
  }

  /** Every pod that either side knows. */
  keys(): Set<string> {
    return new Set([...[...this.#views.pods.values()].map(objectKey), ...this.#own.podKeys()]);
  }

  /** @param proven what direct reads have answered, for instances of the pod */
  plan(podKey: string, proven: Proven = NOTHING_PROVEN): PodPlan {
    const pod = this.#views.pods.get(podKey);
    const sources = pod && this.#index.sourcesOf(pod);
    const desired = sources && desiredRegistrations(this.#owner, this.#config, sources);
    const observed = this.#own.ofPod(podKey);
    const retention = pod && desired ? this.#retain(pod, desired) : NOTHING_RETAINED;
    const { wanted, refusals } = this.#homes([...(desired?.registrations.values() ?? []), ...retention.registrations]);
    const names = sources && desired ? heldNames(sources, desired, this.#config.annotationPrefix) : NOBODY;
    const judge = (unwanted: readonly OwnInstance[], holders: ReadonlySet<string>, isUnread: boolean) =>
      judgeRemovals(unwanted, {
        ...{ pod, holders, names, isUnread, proven },
        proofNeeded: (instance) => proofNeeded(this.#views, this.#index, this.#config, podKey, instance),
        hasLivingOther: (instance) => this.#hasLivingOther(instance),
      });
    const admitted = this.#admission.admit(podKey, wanted, observed, () => {
      const { remove, held, unproven, unconfirmed } = judge(
        beside(wanted.values(), observed.values()),
        desired?.held ?? NOBODY,
        false,
      );
      const removed = this.#keepsAll ? remove.length : 0;
      return held.length + unproven.length + unconfirmed.length + removed;
    });
    const { refused, places } = admitted;
    const unread = [...new Set([...admitted.unread, ...retention.unread])];
    const isAdmitted = ([identity]: [string, Registration]) => !refused.has(identity);
    const admissible = refused.size === 0 ? wanted : new Map([...wanted].filter(isAdmitted));
    const changes = this.#changes(withHeld(admissible, observed, names), observed, unread);
    const holders = holdersOf(desired, wanted, admitted);
    const judged = judge(
      changes.remove.filter((instance) => !this.#keepsAll || !isKept(instance)),
      holders,
      unread.length > 0,
    );
    const { held, unproven, unconfirmed } = judged;
    const { remove, update, kept } = this.#keepsAll
      ? this.#keep(changes, judged.remove)
      : { ...changes, ...judged, kept: [] };
    const retained = retention.retained.filter(({ id }) => [...admissible.values()].some((one) => one.id === id));
    // A limit of the namespace must not keep a pod that serves out because of those that do not.
    const taken = retained.length === 0 ? places : places.filter(({ id }) => !retained.some((one) => one.id === id));
    return {
      changes: { ...changes, update, remove },
      kept,
      unproven,
      unconfirmed,
      rejections: [...(desired?.rejections ?? []), ...refused.values(), ...refusals.values()],
      warnings: desired?.warnings ?? [],
      ofServices: desired?.ofServices ?? [],
      refusedNodes: [...refusals.keys()],
      unread,
      waitsFor: [...admitted.waitsFor, ...retention.waitsFor],
      places: withStaying(taken, [...held, ...kept, ...[...unproven, ...unconfirmed].map(({ instance }) => instance)]),
      held,
      retained,
      members: { podUid: pod?.uid ?? '', byId: membersOf(desired, admissible, observed, { held, unread }) },
      isAsked: desired?.isAsked ?? false,
      awaited: sources && desired ? this.#awaited(sources, desired) : [],
      rule: desired?.rule ?? 'there is no such pod',
      whyGone: new Map(
        [...remove, ...unproven.map(({ instance }) => instance)].map((instance) => [
          instance,
          whyGone(instance, pod, desired, servedGate(this.#config)),
        ]),
      ),
    };
  }

  /** Registrations by identity, without those whose Consul node has its name from somebody else; and these nodes. */
  #homes(registrations: readonly Registration[]): {
    wanted: Map<string, Registration>;
    refusals: Map<string, Rejection>;
  } {
    const wanted = new Map<string, Registration>();
    const refusals = new Map<string, Rejection>();
    for (const registration of registrations) {
      const { name } = registration.node;
      const node = this.#own.node(name);
      if (node.state === 'refused') refusals.set(name, { reason: 'NodeConflict', message: node.why });
      else wanted.set(identityOf(registration), registration);
    }
    return { wanted, refusals };
  }

  #retain(pod: Pod, { unready }: Desired): Retention {
    if (unready.size === 0) return NOTHING_RETAINED;
    return retain(unready.values(), {
      pod,
      node: this.#views.nodes.get(pod.nodeName),
      emptied: this.#emptied,
      others: this.#others,
      heirs: this.#index.heirsToAddress(pod),
    });
  }

  /** What differs, without creations and moves that others may be in the way of; removals are not judged yet. */
  #changes(
    wanted: ReadonlyMap<string, Registration>,
    observed: ReadonlyMap<string, OwnInstance>,
    unread: readonly string[],
  ): Changes<Registration, OwnInstance> {
    const changes = compare(
      wanted,
      observed,
      (registration, instance) =>
        sameService(registration, instance.registration) &&
        hasCheck(registration, instance) &&
        this.#isNodeRight(registration.node),
    );
    // A move to another address is as good as a new instance: somebody may be there.
    const isReady = ({ desired, observed }: Update<Registration, OwnInstance>) =>
      !unread.includes(desired.service) || isThere(desired, observed.registration);
    return {
      create: changes.create.filter(({ service }) => !unread.includes(service)),
      // Consul keeps the spelling of an ID that it has: another, beside a check of the first, could not be removed.
      update: changes.update
        .filter(isReady)
        .map(({ desired, observed }) => ({ desired: { ...desired, id: observed.registration.id }, observed })),
      remove: changes.remove,
    };
  }

  get #keepsAll(): boolean {
    return this.#config.removals === 'never';
  }

  /** @param remove what would be removed, but for what is kept already */
  #keep(
    changes: Changes<Registration, OwnInstance>,
    remove: readonly OwnInstance[],
  ): Pick<Changes<Registration, OwnInstance>, 'update' | 'remove'> & Pick<PodPlan, 'kept'> {
    const created = new Set(changes.create.map(({ id }) => id.toLowerCase()));
    const addressOf = (name: string) => {
      const node = this.#own.node(name);
      return node.state === 'ours' ? node.address : undefined;
    };
    const all = keepInstances([...remove, ...changes.remove.filter(isKept)], created, addressOf);
    return { ...all, update: [...changes.update, ...all.update] };
  }

  /** Asked of instances without a pod, so the instance itself is none. */
  #hasLivingOther({ registration }: OwnInstance): boolean {
    for (const { podKey } of this.#own.ofService(registration.service)) if (this.#views.pods.get(podKey)) return true;
    return false;
  }

  #awaited({ pod, services }: PlanSources, { isEligible, unclear }: Desired): readonly Service[] {
    if (!isEligible) return [];
    const clear = new Set(services.map(({ service }) => service).filter(({ name }) => !unclear.has(name)));
    return this.#index.askingServices(pod).filter((service) => !clear.has(service));
  }

  /** Any of its pods corrects a node that somebody changed, or that has another address now. */
  #isNodeRight({ name, address }: ConsulNode): boolean {
    const node = this.#own.node(name);
    return node.state === 'ours' && node.isIntact && node.address === address;
  }
}

function hasCheck(registration: Registration, { checkIndex, registration: observed }: OwnInstance): boolean {
  return checkIndex > 0 && sameCheck(registration.check, observed.check);
}

/** Broken input of one asker takes nothing from an instance that another asks for as well. */
function withHeld(
  wanted: ReadonlyMap<string, Registration>,
  observed: ReadonlyMap<string, OwnInstance>,
  held: ReadonlySet<string>,
): ReadonlyMap<string, Registration> {
  if (held.size === 0) return wanted;
  return new Map([...wanted].map(([identity, one]) => [identity, keepSaid(one, observed.get(identity), held)]));
}

/**
 * Who asked for instances that must stay: whoever's input is broken, and whoever the policy refuses something, which must
 * not cost the pod what it has. Beside a duplicate nothing has to stay: somebody else serves.
 */
function holdersOf(
  desired: Desired | undefined,
  wanted: ReadonlyMap<string, Registration>,
  { refused }: Admitted,
): ReadonlySet<string> {
  const holders = new Set(desired?.held);
  for (const [identity, { meta }] of wanted) {
    const rejection = refused.get(identity);
    if (rejection && rejection.reason !== 'Duplicate') holders.add(askerOf(meta));
  }
  return holders;
}

/**
 * What of a pod that deregisters when it is not Ready is there, or would go. What is not read yet is not there yet, and what
 * stays because something about it is broken serves on.
 * @param admissible what is wanted and not refused, by identity
 */
function membersOf(
  desired: Desired | undefined,
  admissible: ReadonlyMap<string, Registration>,
  observed: ReadonlyMap<string, OwnInstance>,
  { held, unread }: { readonly held: readonly OwnInstance[]; readonly unread: readonly string[] },
): ReadonlyMap<string, Member> {
  const members = new Map<string, Member>();
  if (!desired) return members;
  const put = ({ id, service }: Registration, isThere: boolean) =>
    members.set(id.toLowerCase(), { service: service.toLowerCase(), isThere });
  for (const [identity, registration] of admissible) {
    const isComing = !unread.includes(registration.service) || observed.has(identity);
    if (registration.check.status === 'passing' && isComing) put(registration, true);
  }
  for (const { registration } of held) put(registration, true);
  for (const registration of desired.unready.values()) put(registration, false);
  return members;
}
