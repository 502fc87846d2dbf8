import type { ToKubernetesConfig } from '../config/schema.ts';
import type { Changes } from '../reconcile/changes.ts';
import { identityOf } from '../to-consul/registration/registration.ts';
import type { ServiceProblem } from '../to-consul/registration/rejection.ts';
import type { Registration } from '../to-consul/registration/registration.ts';
import type { ImportPlan } from '../to-kubernetes/imports/planner.ts';
import { changesOf, type NamespacePlan, type WrittenKind } from '../to-kubernetes/plan/namespace-plan.ts';
import type { NamePlan } from '../to-kubernetes/plan/planner.ts';
import type { Retaining } from '../guard/retained.ts';
import type { World } from '../world/world.ts';
import { namespaceOf } from '../to-consul/plan/places.ts';
import { planImports, planPods, planServices, readOnce, type OnceContext } from '../world/read-once.ts';
import type { PodPlan } from '../to-consul/plan/pod-plan.ts';
import { LAST_OF_ITS_SERVICE, STAYS } from '../to-consul/report/held.ts';
import { WHY_KEPT } from '../to-consul/plan/kept.ts';
import { mistakesOf } from '../to-consul/desired/service-mistakes.ts';
import { noPod } from '../to-consul/report/reporter.ts';
import { severalPods } from '../to-consul/report/several-pods.ts';
import { objectKey } from '../kubernetes/objects.ts';
import { planOwnWrites, type OwnWrites } from './own-writes.ts';
import { toldOfGates } from './gate-rights.ts';
import { toldOfQuotas } from './namespace-quotas.ts';
import { SHIPPED_ACCOUNT, toldOfNamespaces } from './namespace-rights.ts';
import { writesOffBy } from './writes-off.ts';
import { splitTold, toldIn, toldOf, toldOfImport, toldOfRights, toldOfServices, type Told } from './told.ts';

export interface PlannedChange {
  readonly direction: 'to-consul' | 'to-kubernetes';
  readonly action: 'create' | 'update' | 'remove';
  /** Key: of Consul's key-value store. */
  readonly kind: 'ServiceInstance' | 'Key' | WrittenKind;
  readonly object: string;
  /** Why, or what is special about it; may be empty. */
  readonly note: string;
}

export interface PlannedRejection {
  readonly direction: 'to-consul' | 'to-kubernetes';
  readonly object: string;
  readonly reason: string;
}

/** What stays as it is, although it is not wanted as it is, or would go. */
export interface HeldInstance {
  readonly direction: 'to-consul' | 'to-kubernetes';
  readonly kind: 'ServiceInstance' | WrittenKind;
  readonly object: string;
  /** Why. */
  readonly note: string;
}

export interface Plan {
  readonly cluster: string;
  /** Who says that writes are off, a sentence each: then `run` does none of it until they are on. */
  readonly writesOff: readonly string[];
  readonly changes: readonly PlannedChange[];
  readonly held: readonly HeldInstance[];
  /** Would go, and stays because removals are off. */
  readonly kept: readonly HeldInstance[];
  /** Would go, and stays because much was lost at once. */
  readonly retained: readonly HeldInstance[];
  readonly rejections: readonly PlannedRejection[];
  /** What somebody should know, although it is no reason not to register or to mirror. */
  readonly warnings: readonly PlannedRejection[];
}

/**
 * Reads both systems once and says what `run` would do. It writes nothing.
 * @param timeoutMs what is not read by then is an error that says what is missing
 * @param account the daemon's, whose rights may be others than the caller's
 * @throws Error when a system cannot be read
 */
export function makePlan(context: OnceContext, timeoutMs: number, account = SHIPPED_ACCOUNT): Promise<Plan> {
  return readOnce(context, timeoutMs, async (world, clients) => {
    const { cluster, toConsul: reading, toKubernetes } = context.config;
    const closed = await toldOfNamespaces(clients, world, toKubernetes, account, reading.watch);
    const told = toldParts(closed);
    const { held, kept, retained, ...toConsul } = await planToConsul(context, world);
    const mirrors = await planToKubernetes(context, world);
    const quotas = await toldOfQuotas(clients.kubernetes, namespacesOf(toKubernetes), mirrors.changes);
    const own = describeOwnWrites(await planOwnWrites(clients, world.owner));
    const gates = await toldOfGates(clients, context.config, world.toConsul?.views.pods.values() ?? [], account);
    const gated = { changes: [], ...toldParts(gates, 'to-consul') };
    const parts = [own, toConsul, gated, { changes: [], ...told }, { changes: [], ...toldParts(quotas) }, mirrors];
    const writesOff = await writesOffBy(context.config, clients.kubernetes, account);
    return { cluster, writesOff, held, kept: [...kept, ...mirrors.kept], retained, ...merge(...parts) };
  });
}

function describeOwnWrites({ writes, warnings }: OwnWrites): Part {
  const direction = 'to-consul' as const;
  return {
    ...NOTHING,
    changes: writes.map((one) => ({ ...one, direction, action: 'create' })),
    warnings: warnings.map((reason) => ({ direction, object: 'Consul', reason })),
  };
}

/** Those that objects are made in. */
export function namespacesOf({ namespaces, importNamespaces }: ToKubernetesConfig): string[] {
  return [...new Set([...namespaces, ...importNamespaces])];
}

export type Part = Pick<Plan, 'changes' | 'rejections' | 'warnings'>;
const NOTHING: Part = { changes: [], rejections: [], warnings: [] };

function merge(...parts: readonly Part[]): Part {
  return {
    changes: parts.flatMap(({ changes }) => changes),
    rejections: parts.flatMap(({ rejections }) => rejections),
    warnings: parts.flatMap(({ warnings }) => warnings),
  };
}

async function planToConsul(
  { config }: Pick<OnceContext, 'config'>,
  { owner, toConsul, closedNamespaces }: World,
): Promise<Part & Pick<Plan, 'held' | 'kept' | 'retained'>> {
  if (!toConsul) return { ...NOTHING, held: [], kept: [], retained: [] };
  const pods = planPods(config, owner, toConsul);
  const direction = 'to-consul';
  const change = (action: PlannedChange['action'], registration: Registration, note: string): PlannedChange => {
    return { direction, action, kind: 'ServiceInstance', object: identityOf(registration), note };
  };
  const described = ({ address, port, check }: Registration) => `${address}:${port} ${check.status}`;
  const closed = closedNamespaces();
  const parts: Part[] = [...closed].map(([name, why]) => {
    const reason = `it may not be read: what is registered from there stays as it is: ${why}`;
    return { ...NOTHING, rejections: [{ direction, object: `Namespace ${name}`, reason }] };
  });
  const held: HeldInstance[] = [];
  const kept: HeldInstance[] = [];
  const retained: HeldInstance[] = [];
  const ofServices: ServiceProblem[] = [];
  /** Pods, by what Consul refuses to each of them for the same right. */
  const refused = new Map<string, string[]>();
  for (const key of [...pods.planner.keys()].sort()) {
    const { changes, unproven, rejections, warnings, whyGone, ...plan } = await pods.plan(key);
    ofServices.push(...plan.ofServices);
    for (const { reason, message } of rejections)
      if (reason === 'ConsulRefused') refused.set(message, [...(refused.get(message) ?? []), key]);
    held.push(...heldOf(plan));
    kept.push(...plan.kept.map(({ registration }) => heldInstance(registration, WHY_KEPT)));
    retained.push(...plan.retained.map(({ registration, why }) => heldInstance(registration, why)));
    parts.push({
      changes: [
        ...changes.create.map((registration) => change('create', registration, described(registration))),
        ...changes.update.map(({ desired }) => change('update', desired, described(desired))),
        ...changes.remove.map((instance) => change('remove', instance.registration, whyGone.get(instance) ?? '')),
        // The direct read would be refused.
        ...(closed.has(namespaceOf(key)) ? [] : unproven).map(({ instance }) =>
          change(
            'remove',
            instance.registration,
            `after a direct read, as ${whyGone.get(instance) ?? 'it is not wanted'}`,
          ),
        ),
      ],
      rejections: rejections
        .filter(({ reason }) => reason !== 'ConsulRefused')
        .map(({ message }) => ({ direction, object: `Pod ${key}`, reason: message })),
      warnings: warnings.map((reason) => ({ direction, object: `Pod ${key}`, reason })),
    });
  }
  const alike = [...refused].map(([reason, keys]): PlannedRejection => ({
    direction,
    object: severalPods(keys),
    reason,
  }));
  parts.push({ ...NOTHING, rejections: alike });
  for (const service of toConsul.views.services.values()) {
    ofServices.push(...mistakesOf(service, config.toConsul));
    const addresses = pods.index.addressesWithoutPod(service);
    const object = `Service ${objectKey(service)}`;
    if (addresses.length > 0)
      parts.push({ ...NOTHING, rejections: [{ direction, object, reason: noPod(addresses, 3).message }] });
  }
  const told = [...toldOfServices(ofServices), ...toldOfRights(pods.unknownRights)];
  return { held, kept, retained, ...merge(...parts, { changes: [], ...toldParts(told, direction) }) };
}

function heldOf({ held, unconfirmed }: Pick<PodPlan, 'held' | 'unconfirmed'>): HeldInstance[] {
  return [
    ...held.map(({ registration }) => heldInstance(registration, STAYS)),
    ...unconfirmed.map(({ instance }) => heldInstance(instance.registration, LAST_OF_ITS_SERVICE)),
  ];
}

function heldInstance(registration: Registration, note: string): HeldInstance {
  return { direction: 'to-consul', kind: 'ServiceInstance', object: identityOf(registration), note };
}

async function planToKubernetes(
  { config }: Pick<OnceContext, 'config'>,
  { owner, toKubernetes }: World,
): Promise<Part & Pick<Plan, 'kept'>> {
  if (!toKubernetes) return { ...NOTHING, kept: [] };
  const planned = await planServices(config, owner, toKubernetes);
  const imports = await planImports(planned, toKubernetes);
  const kept = [...planned.plans.values()].flatMap(({ namespaces }) => namespaces.flatMap(keptIn));
  const all = merge(
    ...[...planned.plans].map(([name, plan]) =>
      merge(
        { changes: [], ...toldParts(toldOf(name, plan)) },
        ...plan.namespaces.map((namespace) => describeNamespace(name, plan.mirrored, namespace)),
      ),
    ),
    ...[...imports.plans].map(([key, plan]) => describeImport(key, plan)),
    describeFallbacks([...planned.plans.values()]),
    describeRetained(toKubernetes.retention.retaining()),
  );
  return { ...all, kept };
}

function keptIn({ namespace, kept }: NamespacePlan): HeldInstance[] {
  return kept.map(({ kind, name, note }) => ({
    ...{ direction: 'to-kubernetes' as const, kind, object: `${namespace}/${name}`, note },
  }));
}

/** One line for each Consul service of which much is missing at once. */
function describeRetained({ instances }: Retaining): Part {
  const services = [...new Set(instances.map(({ service }) => service))];
  const warnings = services.map((service) => {
    const retained = instances.filter((instance) => instance.service === service);
    const reason = `${retained.length} instance${retained.length === 1 ? '' : 's'} retained: ${retained[0]?.why ?? ''}`;
    return { direction: 'to-kubernetes' as const, object: `Consul service ${service}`, reason };
  });
  return { ...NOTHING, warnings };
}

/** One line for all: that Istio is not there is the same for each service. */
function describeFallbacks(plans: readonly NamePlan[]): Part {
  const reasons = plans.flatMap(({ namespaces }) => namespaces.find(({ fallback }) => fallback !== '')?.fallback ?? []);
  const [reason] = reasons;
  if (reason === undefined) return NOTHING;
  const object = `${reasons.length} Consul service${reasons.length === 1 ? '' : 's'} in mode istio`;
  return {
    ...NOTHING,
    warnings: [{ direction: 'to-kubernetes', object, reason: `mirrored without WorkloadEntries: ${reason}` }],
  };
}

/** What would be done for a Service of somebody else's that takes instances in, and which of its wishes cannot be honoured. */
export function describeImport(key: string, plan: ImportPlan): Part {
  const { namespace, request, slices } = plan;
  const direction = 'to-kubernetes' as const;
  const from = request && request.verdict !== 'denied' ? request.from.spelling : '';
  const change = (action: PlannedChange['action'], { name }: { name: string }, note: string): PlannedChange => {
    return { direction, action, kind: 'EndpointSlice', object: `${namespace}/${name}`, note };
  };
  const origin = `of Service ${key}, from Consul service ${from}`;
  return {
    changes: [
      ...slices.create.map((desired) => change('create', desired, origin)),
      ...slices.update.map(({ desired }) => change('update', desired, origin)),
      ...slices.remove.map((observed) => change('remove', observed, `of Service ${key}`)),
    ],
    ...toldParts(toldOfImport(key, plan)),
  };
}

/** What would be done in one namespace, and what is refused there. */
export function describeNamespace(name: string, mirrored: boolean, plan: NamespacePlan): Part {
  const { namespace } = plan;
  const direction = 'to-kubernetes' as const;
  const list = (kind: WrittenKind, changes: Changes<{ name: string }, { name: string }>): PlannedChange[] => {
    const change = (action: PlannedChange['action'], object: { name: string }, note: string) => {
      return { direction, action, kind, object: `${namespace}/${object.name}`, note };
    };
    const steps = plan.switchesTo ? `, on its way to mode ${plan.switchesTo}: more steps follow` : '';
    const origin = `from Consul service ${name}${steps}`;
    // What Consul still has goes from a namespace that it no longer belongs to at once.
    const removal = kind === 'Service' && !mirrored ? 'after toKubernetes.removalGrace' : '';
    return [
      ...changes.create.map((desired) => change('create', desired, origin)),
      ...changes.update.map(({ desired }) => change('update', desired, origin)),
      ...changes.remove.map((observed) => change('remove', observed, removal)),
    ];
  };
  return {
    changes: changesOf(plan).flatMap(([kind, changes]) => list(kind, changes)),
    ...toldParts(toldIn(plan)),
  };
}

function toldParts(
  told: readonly Told[],
  direction: PlannedRejection['direction'] = 'to-kubernetes',
): Pick<Part, 'rejections' | 'warnings'> {
  const { rejections, warnings } = splitTold(told);
  const planned = ({ object, message }: Told): PlannedRejection => {
    return { direction, object, reason: message };
  };
  return { rejections: rejections.map(planned), warnings: warnings.map(planned) };
}
