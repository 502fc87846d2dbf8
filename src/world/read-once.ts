import { setMaxListeners } from 'node:events';
import type { Config } from '../config/schema.ts';
import { Admission } from '../to-consul/plan/admission.ts';
import { Losses } from '../to-consul/plan/losses.ts';
import { permitted, rightsFor } from '../to-consul/plan/permitted.ts';
import { Places } from '../to-consul/plan/places.ts';
import { Planner as PodPlanner } from '../to-consul/plan/planner.ts';
import { PodIndex } from '../to-consul/plan/pod-index.ts';
import { ImportPlanner, type ImportPlan } from '../to-kubernetes/imports/planner.ts';
import { Planner as ToKubernetesPlanner, type NamePlan } from '../to-kubernetes/plan/planner.ts';
import { createClients, type Clients, type Context } from './context.ts';
import { byCause } from '../observability/causes.ts';
import { explainError } from '../observability/log.ts';
import { whyUnreadable } from '../consul/readable-name.ts';
import { unreadableService } from '../to-kubernetes/plan/problems.ts';
import { Hopeless } from './hopeless.ts';
import { MOST_NAMED, showProgress } from './progress.ts';
import { readWorld, type World } from './world.ts';
import { Readings } from './readings.ts';
import { nameWanted } from '../to-kubernetes/requests/import-request.ts';
import type { ReadCatalog } from '../to-kubernetes/tagged-catalog.ts';
import { quote, type Rejection } from '../to-consul/registration/rejection.ts';
import type { PodPlan } from '../to-consul/plan/pod-plan.ts';

/** What a command is given that reads once and ends. */
export type OnceContext = Omit<Context, 'signal'>;

/**
 * Reads both systems once, gives them to `use`, and ends all watches and connections when that is done.
 * @param timeoutMs what is not read by then is an error that says what is missing
 * @throws Error when a system cannot be read
 */
export async function readOnce<T>(
  context: OnceContext,
  timeoutMs: number,
  use: (world: World, clients: Clients) => Promise<T>,
): Promise<T> {
  const watches = new AbortController();
  setMaxListeners(0, watches.signal);
  const whole: Context = { ...context, signal: watches.signal, isReadOnly: true };
  const clients = createClients(whole);
  const hopeless = new Hopeless(context.config.consul.tokenFile);
  const readings = new Readings(whole, clients.cluster, (error) => hopeless.judge(error));
  const endProgress = context.progress ? showProgress(context.progress, () => readings.failures()) : undefined;
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new Error(
            `read both systems: not complete after ${timeoutMs / 1000} s: ${byCause(readings.failures(), MOST_NAMED).join('; ')}`,
          ),
        ),
      timeoutMs,
    );
  });
  const reading = readWorld(whole, clients, readings);
  reading.catch(() => undefined);
  try {
    const world = await Promise.race([reading, expired]);
    endProgress?.();
    return await use(world, clients);
  } finally {
    clearTimeout(timer);
    endProgress?.();
    watches.abort();
    await clients.close();
  }
}

/** Plans pods one after the other, as if each plan had been written before the next is made. */
export interface PodPlans {
  readonly planner: PodPlanner;
  readonly index: PodIndex;
  /** The plan for one pod, with all that it depends on read; what cannot be read is one of its rejections. */
  plan(podKey: string): Promise<PodPlan>;
  /** Why it is not known what Consul will refuse for want of rights; undefined where it is known, or was not asked yet. */
  readonly unknownRights: string | undefined;
}

export function planPods(
  config: Config,
  owner: World['owner'],
  { views, own, foreign, tokenRights }: NonNullable<World['toConsul']>,
): PodPlans {
  const { policy } = config.toConsul;
  const index = new PodIndex(config.toConsul, views);
  const places = new Places(own);
  const admission = new Admission(policy, foreign, places);
  const losses = new Losses(owner.cluster, config.toConsul, views.pods, own, 0);
  const nodeOf = (name: string) => own.node(name);
  let unknownRights: string | undefined;
  const planner = new PodPlanner(owner, config.toConsul, views, index, own, admission, foreign, losses);
  // As at a start: all that is not Ready now was lost in this moment.
  for (const key of planner.keys()) if (losses.isAtStake(key)) losses.note(key, planner.plan(key).members, 0);
  return {
    planner,
    index,
    get unknownRights() {
      return unknownRights;
    },
    plan: async (podKey) => {
      let plan = planner.plan(podKey);
      const unreadable: Rejection[] = [];
      for (const service of plan.unread) {
        const why = await whyNot(() => foreign.ensure(service, podKey));
        if (why !== undefined) unreadable.push(waitsForService(service, why));
      }
      if (plan.unread.length > 0) plan = planner.plan(podKey);
      unknownRights ??= await whyNot(() => tokenRights.learn(rightsFor(plan, nodeOf)));
      plan = permitted(plan, tokenRights, nodeOf);
      places.record(podKey, plan.places);
      return { ...plan, rejections: [...plan.rejections, ...unreadable] };
    },
  };
}

function waitsForService(service: string, why: string): Rejection {
  const message = `nothing is registered as ${quote(service)} before it is known who else is there: ${why}`;
  return { reason: 'UnreadableService', message };
}

/** Why something could not be done; undefined when it was. */
async function whyNot(attempt: () => Promise<void>): Promise<string | undefined> {
  try {
    await attempt();
    return undefined;
  } catch (error) {
    return explainError(error);
  }
}

export interface PlannedServices {
  readonly planner: ToKubernetesPlanner;
  /** By the lower-case name of the Consul service; in order, because of `maxServices` the first come first. */
  readonly plans: ReadonlyMap<string, NamePlan>;
}

/**
 * The plans for all Consul services: what one of them becomes depends on the others. One that cannot be read costs only
 * itself: its plan changes nothing and says why.
 */
export async function planServices(
  config: Config,
  owner: World['owner'],
  { views, catalog, retention, hosts }: NonNullable<World['toKubernetes']>,
): Promise<PlannedServices> {
  // As a daemon that starts now.
  retention.begin(views);
  const planner = new ToKubernetesPlanner(owner, config.toKubernetes, views, catalog, hosts);
  // Asked for once more, and what is known to Kubernetes only: a plan on a guess is none.
  const unread = await readAll(
    catalog,
    planner.keys().filter((name) => !planner.isKnown(name)),
  );
  const plans = new Map<string, NamePlan>();
  for (const name of planner.keys()) {
    const why = unread.get(name);
    if (why !== undefined) {
      plans.set(name, { ...NO_PLAN, problems: [unreadableService(name, why)] });
      continue;
    }
    const plan = planner.plan(name, true);
    planner.note(name, plan);
    plans.set(name, plan);
  }
  for (const [name, plan] of plans) for (const host of plan.hosts) hosts.want(host, name);
  await hosts.settled();
  // Those with host names once more, with what is known of these by now.
  for (const [name, plan] of plans) if (plan.hosts.length > 0) plans.set(name, planner.plan(name, true));
  return { planner, plans };
}

const NO_PLAN = { mirrored: false, overLimit: false, rivals: [], hosts: [], namespaces: [] };

/** Reads these, and says why some could not be, by name. */
async function readAll(
  catalog: Pick<ReadCatalog, 'refresh'>,
  names: Iterable<string>,
): Promise<ReadonlyMap<string, string>> {
  const unread = new Map<string, string>();
  for (const name of names) {
    const why = whyUnreadable(name) ?? (await whyNot(() => catalog.refresh(name)));
    if (why !== undefined) unread.set(name, why);
  }
  return unread;
}

export interface PlannedImports {
  readonly planner: ImportPlanner;
  /** By the key of the Service, in order. */
  readonly plans: ReadonlyMap<string, ImportPlan>;
}

/** The plans for all Services of others that take a Consul service in. */
export async function planImports(
  { planner: mirrors }: PlannedServices,
  { catalog, hosts }: NonNullable<World['toKubernetes']>,
): Promise<PlannedImports> {
  const planner = new ImportPlanner(mirrors.sources);
  // What is not selected for mirroring was not read with the others.
  const unread = await readAll(
    catalog,
    [...planner.names()].filter((name) => catalog.instances(name) === undefined),
  );
  const planOf = (key: string): ImportPlan => {
    const plan = planner.plan(key);
    const name = nameWanted(plan.request) ?? '';
    const why = unread.get(name);
    return why === undefined ? plan : { ...plan, problems: [...plan.problems, unreadableService(name, why)] };
  };
  const plans = new Map(planner.keys().map((key) => [key, planOf(key)]));
  for (const plan of plans.values()) for (const host of plan.hosts) hosts.want(host, nameWanted(plan.request) ?? '');
  await hosts.settled();
  for (const [key, plan] of plans) if (plan.hosts.length > 0) plans.set(key, planOf(key));
  return { planner, plans };
}
