import { Breaker, type Lost } from '../../guard/breaker.ts';
import type { Pod } from '../../kubernetes/objects.ts';
import { readinessOf, servedGate, type GateConfig } from '../desired/readiness.ts';
import { podKeyOf } from '../registration/registration.ts';
import type { Views } from '../views.ts';
import { EmptiedServices } from './emptied-services.ts';
import type { Ours } from './sources.ts';

/** An instance of a pod, as the breaker counts it. */
export interface Member {
  /** The Consul service, lower case. */
  readonly service: string;
  /** False for an instance that would go because the pod is not Ready. */
  readonly isThere: boolean;
}

/** What of a pod can be lost. What was never there is in it too, and is left out where it is noted. */
export interface PodMembers {
  readonly podUid: string;
  /** By the ID of the instance, lower case. */
  readonly byId: ReadonlyMap<string, Member>;
}

/** Of the breaker, what planning looks at. */
export interface Emptied {
  /** Whether the instance is to be kept although its pod is not Ready; see EmptiedServices. */
  isOfEmptied(service: string, id: string): boolean;
}

/**
 * Tells the breaker of this direction what becomes of our instances. A member is an instance in Consul, or about to be
 * written, of a pod that deregisters when it is not Ready:
 *
 * | its pod                                                                      | the member                      |
 * |------------------------------------------------------------------------------|---------------------------------|
 * | is Ready                                                                     | is there                        |
 * | was Ready, and is not any more                                               | is lost                         |
 * | was never Ready, or asks for `critical`                                      | is none                         |
 * | is deleted or being deleted, ended, another of its name, or asks no more     | is gone: somebody meant that    |
 * | is not Ready at the start of Consular, and Consul has an instance of ours    | is lost from then on            |
 */
export class Losses implements Emptied {
  readonly #cluster: string;
  readonly #gate: string | undefined;
  readonly #pods: Pick<Views['pods'], 'get'>;
  readonly #own: Pick<Ours, 'podKeys' | 'namesOfPod'>;
  #breaker = new Breaker();
  #emptied = new EmptiedServices();
  readonly #known = new Map<string, PodMembers>();

  /** What is ours in Consul counts as there: who is not Ready is lost when it is looked at first. */
  constructor(
    cluster: string,
    config: GateConfig,
    pods: Pick<Views['pods'], 'get'>,
    own: Pick<Ours, 'podKeys' | 'namesOfPod'>,
    nowMs: number,
  ) {
    this.#cluster = cluster;
    this.#gate = servedGate(config);
    this.#pods = pods;
    this.#own = own;
    this.startAnew(nowMs);
  }

  /** Forgets what became of whom: what is ours in Consul counts as there, as at the start. */
  startAnew(nowMs: number): void {
    this.#breaker = new Breaker();
    this.#emptied = new EmptiedServices();
    this.#known.clear();
    for (const podKey of this.#own.podKeys()) {
      const podUid = this.#pods.get(podKey)?.uid;
      if (podUid === undefined) continue;
      const byId = new Map<string, Member>();
      for (const { id, service, podUid: itsPod } of this.#own.namesOfPod(podKey))
        if (itsPod === podUid) byId.set(id.toLowerCase(), { service: service.toLowerCase(), isThere: true });
      this.note(podKey, { podUid, byId }, nowMs);
    }
  }

  /** Whether something of the pod was there and may not be now, or was lost and may be there again. It costs next to nothing. */
  isAtStake(podKey: string): boolean {
    const known = this.#known.get(podKey);
    if (!known) return false;
    const pod = this.#pods.get(podKey);
    if (pod?.uid !== known.podUid || !this.#serves(pod)) return true;
    return [...known.byId.values()].some(({ isThere }) => !isThere);
  }

  /**
   * Takes what the pod has now, all of it.
   * @returns pods for which `isOfEmptied` may say something else than before
   */
  note(podKey: string, { podUid, byId }: PodMembers, nowMs: number): ReadonlySet<string> {
    const concerned: Lost[] = [];
    const lostNow: Lost[] = [];
    const services = new Set<string>();
    const before = this.#known.get(podKey);
    for (const [id, { service }] of before?.byId ?? []) {
      if (before?.podUid === podUid && byId.get(id)?.service === service) continue;
      services.add(service);
      concerned.push(...this.#breaker.gone(service, id, nowMs));
      this.#emptied.drop(service, id);
    }
    const after = new Map<string, Member>();
    for (const [id, member] of byId) {
      const known = before?.podUid === podUid ? before.byId.get(id) : undefined;
      const wasMember = known?.service === member.service;
      if (!member.isThere && !wasMember) continue;
      after.set(id, member);
      if (wasMember && known.isThere === member.isThere) continue;
      const { service, isThere } = member;
      services.add(service);
      concerned.push(...this.#breaker[isThere ? 'there' : 'lost'](service, id, nowMs));
      if (isThere) this.#emptied.drop(service, id);
      else lostNow.push({ service, member: id });
    }
    if (after.size > 0) this.#known.set(podKey, { podUid, byId: after });
    else this.#known.delete(podKey);
    const isEmpty = ({ service }: Lost) => this.#breaker.thereIn(service) === 0;
    for (const { service, member } of concerned.filter(isEmpty))
      if (this.#breaker.isOfEvent(service, member)) this.#emptied.keep(service, member);
    for (const { service, member } of lostNow.filter(isEmpty))
      if (this.#emptied.has(service)) this.#emptied.keep(service, member);
    for (const service of services) this.#emptied.serves(service, this.#breaker.thereIn(service) > 0, nowMs);
    return this.#podsOf(concerned.map(({ member }) => member));
  }

  /** Lets go what was kept for long enough beside others that serve. @returns as of `note` */
  expire(nowMs: number): ReadonlySet<string> {
    return this.#podsOf(this.#emptied.expire(nowMs));
  }

  /** Milliseconds until something expires; undefined while nothing will. */
  dueInMs(nowMs: number): number | undefined {
    return this.#emptied.dueInMs(nowMs);
  }

  isOfEmptied(service: string, id: string): boolean {
    return this.#emptied.keeps(service.toLowerCase(), id.toLowerCase());
  }

  /** The instance may go. @returns as of `note`, the pod itself among them */
  release({ service, id }: { readonly service: string; readonly id: string }, nowMs: number): ReadonlySet<string> {
    const [name, member] = [service.toLowerCase(), id.toLowerCase()];
    this.#emptied.drop(name, member);
    const concerned = this.#breaker.release(name, member, nowMs);
    return this.#podsOf([member, ...concerned.map((other) => other.member)]);
  }

  #serves(pod: Pod): boolean {
    return pod.deletionTimestamp === '' && readinessOf(pod, this.#gate).isReady;
  }

  #podsOf(members: readonly string[]): ReadonlySet<string> {
    return new Set(members.flatMap((member) => podKeyOf(this.#cluster, member) ?? []));
  }
}
