import { isReadableName } from '../consul/readable-name.ts';
import { lackedAccess } from '../kubernetes/access.ts';
import { isEmpty } from '../reconcile/changes.ts';
import type { Grace } from './grace.ts';
import { changesOf, type NamespacePlan } from './plan/namespace-plan.ts';
import type { NamePlan, Planner } from './plan/planner.ts';
import { isSignOfAbsence } from './report/istio-fallbacks.ts';
import { isSignOfClosing } from './report/write-refusal.ts';
import type { Catalog } from './views.ts';
import type { TagsPace } from './write/tags-pace.ts';

export interface ToKubernetesLoopOptions {
  readonly planner: Pick<Planner, 'plan' | 'note' | 'release' | 'isKnown' | 'isMirrored' | 'owns'>;
  readonly catalog: Pick<Catalog, 'instances'> & {
    refresh(name: string): Promise<void>;
    confirm(name: string): Promise<void>;
    follow(name: string): void;
    unfollow(name: string): void;
  };
  readonly hosts: { want(host: string, service: string): void };
  readonly writer: { apply(plan: NamespacePlan): Promise<void> };
  readonly namespaces: { isClosedNow(name: string): Promise<boolean> };
  readonly tagsPace: TagsPace;
  readonly grace: Grace;
  /** True while nothing is removed: a Service that is gone from Consul stays, and there is nothing to wait for. @default never */
  readonly keepsAll?: (() => boolean) | undefined;
  /** Told how much would go by the plan and stays. */
  readonly onKept?: ((name: string, kept: number) => void) | undefined;
  readonly report: { plan(name: string, plan: NamePlan, failures: ReadonlyMap<string, unknown>): void };
  readonly fallbacks: { note(name: string, plan: NamePlan): void };
  readonly workloadEntries: { lookAgain(): void };
  readonly imports: { takesIn(name: string): boolean };
  readonly queue: {
    enqueue(name: string): void;
    enqueueAfter(name: string, ms: number): void;
    /** Something was written for the name, all of it in one namespace. */
    written(name: string): void;
  };
}

/**
 * Makes Kubernetes right for one Consul service, by its lower-case name:
 * - a name that only Kubernetes knows, as far as Consul can be believed, is asked for before its plan is made: a plan on a
 *   guess is none;
 * - a service that is gone loses its endpoints at once, and its Service when the grace period is over and the leader of
 *   Consul confirmed that it is gone;
 * - the plan is carried out in each namespace by itself: one that cannot be written to costs only itself, and where the
 *   namespace is closed now, that is told once, and no failure of the name;
 * - a name that has nothing in Kubernetes any more gives up its claim, and those that waited for it are looked at again.
 */
export class ToKubernetesLoop {
  readonly #options: ToKubernetesLoopOptions;

  constructor(options: ToKubernetesLoopOptions) {
    this.#options = options;
  }

  async reconcile(name: string): Promise<void> {
    const { catalog, planner } = this.#options;
    if (!planner.isKnown(name) && isReadableName(name)) await catalog.refresh(name);
    const isGone = !planner.isMirrored(name) && planner.owns(name);
    const remaining = this.#grace(name, isGone);
    const isExpired = isGone && remaining === 0;
    const isKept = isGone && this.#options.keepsAll?.() === true;
    // The Service itself goes only on a fresh answer that proves that nothing is there.
    if (isExpired && !isKept) await catalog.confirm(name);
    const plan = this.#plan(name, isExpired);
    await this.#carryOut(name, plan);
    this.#options.onKept?.(
      name,
      plan.namespaces.reduce((sum, { kept }) => sum + kept.length, 0),
    );
    if (!plan.mirrored && !isKept) this.#settle(name, remaining);
  }

  /** Milliseconds until the Service may go; 0 when it may, or there is none. */
  #grace(name: string, isGone: boolean): number {
    if (isGone) return this.#options.grace.remaining(name);
    this.#options.grace.end(name);
    return 0;
  }

  /** Noted at once, before any other name is planned. */
  #plan(name: string, isExpired: boolean): NamePlan {
    const { planner, hosts, queue } = this.#options;
    const plan = planner.plan(name, isExpired);
    for (const other of planner.note(name, plan)) queue.enqueue(other);
    for (const host of plan.hosts) hosts.want(host, name);
    return plan;
  }

  /** @throws a failure, one that trying again soon may mend before others, after everything else was done */
  async #carryOut(name: string, plan: NamePlan): Promise<void> {
    const { report, fallbacks, workloadEntries } = this.#options;
    const failures = new Map<string, unknown>();
    await Promise.all(
      plan.namespaces.map((part) =>
        this.#apply(name, part).catch((error: unknown) => failures.set(part.namespace, error)),
      ),
    );
    await this.#forgiveClosed(failures);
    report.plan(name, plan, failures);
    fallbacks.note(name, plan);
    if ([...failures.values()].some(isSignOfAbsence)) workloadEntries.lookAgain();
    this.#follow(name, plan);
    // What is not for want of a right may work soon.
    const all = [...failures.values()];
    const [first] = [...all.filter((error) => !lackedAccess(error)), ...all];
    if (all.length > 0) throw first;
  }

  async #apply(name: string, part: NamespacePlan): Promise<void> {
    const { writer, tagsPace, queue } = this.#options;
    const { plan, waitMs } = tagsPace.hold(part);
    if (waitMs > 0) queue.enqueueAfter(name, waitMs);
    await writer.apply(plan);
    if (changesOf(plan).some(([, changes]) => !isEmpty(changes))) queue.written(name);
  }

  /** When the namespace is opened again, all names are looked at. */
  async #forgiveClosed(failures: Map<string, unknown>): Promise<void> {
    for (const [namespace, error] of failures)
      if (isSignOfClosing(error) && (await this.#options.namespaces.isClosedNow(namespace))) failures.delete(namespace);
  }

  /** What is mirrored, or taken in, has a long poll of its own. */
  #follow(name: string, { mirrored, overLimit }: NamePlan): void {
    const { catalog, imports } = this.#options;
    if ((mirrored && !overLimit) || imports.takesIn(name)) catalog.follow(name);
    else catalog.unfollow(name);
  }

  #settle(name: string, remaining: number): void {
    const { grace, planner, queue } = this.#options;
    if (remaining > 0) return queue.enqueueAfter(name, remaining);
    grace.end(name);
    for (const waiting of planner.release(name)) queue.enqueue(waiting);
  }
}
