import { inBackground } from '../background.ts';
import { systemClock } from '../clock.ts';
import type { ToConsulConfig } from '../config/schema.ts';
import { followBlockingQuery } from '../consul/blocking-query.ts';
import type { CatalogLists } from '../consul/catalog-lists.ts';
import type { ConsulClient } from '../consul/client.ts';
import type { Committer } from '../consul/committer.ts';
import { DeniedRights, type DeniedRight } from '../consul/denied-rights.ts';
import { rightId, ruleFor } from '../consul/rights.ts';
import { readRights } from '../consul/token-rights.ts';
import type { NodeReader } from '../consul/node-reader.ts';
import type { Absence } from '../consul/absence.ts';
import type { Distrust } from '../consul/distrust.ts';
import type { TimeLine } from '../consul/time-line.ts';
import type { EventRecorder } from '../kubernetes/events.ts';
import type { MayAccess } from '../kubernetes/access.ts';
import { createDeniedAccess } from '../kubernetes/denied-access.ts';
import type { ObjectApi } from '../kubernetes/object-api.ts';
import type { Resources } from '../kubernetes/resources.ts';
import type { Service } from '../kubernetes/objects.ts';
import type { Release, Retaining } from '../guard/retained.ts';
import { META, type Owner } from '../mark.ts';
import type { ChangeLog } from '../observability/change-log.ts';
import { because } from '../observability/causes.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { DirectionState } from '../observability/state-gauges.ts';
import type { RetryBrake } from '../retry-brake.ts';
import type { Attention, Listing } from '../status-page/listing.ts';
import { gateOf } from './desired/readiness.ts';
import { mistakesOf } from './desired/service-mistakes.ts';
import { ToConsulLoop } from './loop.ts';
import type { LoopStatus } from './loop-options.ts';
import { EMPTY_NODE_MS, removeEmptyNodes } from './nodes/empty-node-remover.ts';
import { followDrift } from './observed/drift.ts';
import type { ForeignInstances } from './observed/foreign-instances.ts';
import type { LookPace } from './observed/looks.ts';
import type { OwnCatalog } from './observed/own-catalog.ts';
import { ProofReader } from './observed/proof-reader.ts';
import { Admission } from './plan/admission.ts';
import { FirstProofs, SECOND_PROOF_MS } from './plan/first-proofs.ts';
import { Losses } from './plan/losses.ts';
import { Places } from './plan/places.ts';
import { Planner } from './plan/planner.ts';
import { permitted, refusedFor } from './plan/permitted.ts';
import { PodIndex } from './plan/pod-index.ts';
import type { ShownInstance } from './report/retained-instances.ts';
import { Gatekeeper } from './report/readiness-gate.ts';
import { listPods, type ListedPod } from './report/listed-pods.ts';
import { Patience, SLICES_FOLLOW_MS } from './report/patience.ts';
import { createReporter, noPod } from './report/reporter.ts';
import { askedByService } from './requests/requests.ts';
import { subscribe } from './subscriptions.ts';
import type { Views } from './views.ts';
import { Writer } from './write/writer.ts';

export interface ToConsulOptions {
  readonly owner: Owner;
  readonly config: ToConsulConfig;
  readonly views: Views;
  readonly own: OwnCatalog;
  readonly foreign: ForeignInstances;
  /** Operations that this Consul takes in one transaction. */
  readonly transactionLimit: number;
  readonly consul: ConsulClient;
  /** What Consul's whole catalog has, shared with the other direction. */
  readonly lists: CatalogLists;
  readonly nodes: NodeReader;
  readonly timeLine: TimeLine;
  readonly distrust: Distrust;
  readonly absence: Absence;
  readonly committer: Committer;
  readonly api: ObjectApi;
  /** Whether we have a right in Kubernetes now. */
  readonly may: MayAccess;
  readonly resources: Resources;
  readonly events: EventRecorder;
  /** Holds back what is tried again after a failure. */
  readonly brake: RetryBrake;
  readonly log: Log;
  /** One record for each change that Consul took. */
  readonly changes: ChangeLog;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  /** Told of each complete look at what is ours in Consul. */
  readonly onLook: () => void;
  /** How looks at what is ours keep their distance. @default LOOK_PACE */
  readonly lookPace?: LookPace | undefined;
  /** How long a Consul node of ours must have been empty to be removed. @default EMPTY_NODE_MS */
  readonly emptyNodeMs?: number | undefined;
  /** How far apart two direct reads have to be that decide about the last instance of a service. @default SECOND_PROOF_MS */
  readonly secondProofMs?: number | undefined;
  /** How long the slices of a Service may lack a port of it before its owner is told. @default SLICES_FOLLOW_MS */
  readonly slicesFollowMs?: number | undefined;
  /** Rejects when the API server answers for another cluster, or when that cannot be told. */
  readonly checkCluster: () => Promise<void>;
  /** Why a namespace may not be read, for each that may not. */
  readonly closedNamespaces: () => ReadonlyMap<string, string>;
  /** False while anything in either system is not read or not followed. */
  readonly isFollowing: () => boolean;
}

export interface ToConsulStatus extends Omit<LoopStatus, 'queue'> {
  /** Why a namespace may not be read, for each that may not. */
  readonly closedNamespaces: Readonly<Record<string, string>>;
}

export interface ToConsul {
  /** What of Consul is not being followed right now, one sentence each. */
  failures(): string[];
  status(): ToConsulStatus & { readonly missingRights: readonly MissingRight[] };
  /** What metrics say of it now. */
  state(): DirectionState;
  /** What is rejected and what is held, an object each. */
  troubles(): Iterable<string>;
  /** Everything that needs somebody, an object each. */
  attention(): Iterable<Attention>;
  readonly pods: Listing<ListedPod>;
  /** What is retained because much was lost at once, and the hash under which it can be released. */
  retaining(): Retaining<ShownInstance>;
  /** Lets go what was shown under that hash by `retaining` within the last hour, and is retained still. */
  release(hash: string): Release;
  /** The API server is back, or the right to write: what failed for want of it is tried again. */
  lookAgain(): void;
  /** Writes were off, or the settings are others: looks at everything as after a restart. */
  startAnew(): void;
  /** Sends what is being sent, takes nothing more; removes nothing. */
  stop(limitMs: number): Promise<void>;
}

/**
 * Kubernetes to Consul: every change of a pod, of a Service or slice over it, or of its node puts the pod's key in the
 * queue; reconciling a key compares what should be with what is and hands the key to the writer.
 */
export function runToConsul(options: ToConsulOptions): ToConsul {
  const { owner, config, views, own, foreign, api, resources, brake, log, metrics } = options;
  const index = new PodIndex(config, views);
  const places = new Places(own);
  const losses = new Losses(owner.cluster, config, views.pods, own, systemClock.now());
  const admission = new Admission(config.policy, foreign, places);
  const planner = new Planner(owner, config, views, index, own, admission, foreign, losses);
  const report = createReporter(options);
  const gatekeeper = new Gatekeeper({
    ...options,
    gate: gateOf(config.annotationPrefix),
    denied: createDeniedAccess({ may: options.may, clock: systemClock, signal: options.signal }),
    onRights: (podKeys) => loop.enqueue(podKeys),
  });
  const denied = new DeniedRights({
    ask: (rights) => readRights(options.consul, rights),
    ...{ log, clock: systemClock, signal: options.signal },
  });
  const nodeOf = (name: string) => own.node(name);
  const onDrift = (podKeys: Iterable<string>) => loop.remind(podKeys);
  const writer = new Writer({
    committer: options.committer,
    owner,
    own,
    plan: (key) => loop.planToWrite(key),
    onCommitted: (key, changes) => loop.committed(key, changes),
    onDrift,
    denied,
    limit: options.transactionLimit,
    brake,
    log,
    clock: systemClock,
  });
  const proofs = new ProofReader(api, resources, options.checkCluster, config.selector);
  const gate = config.readinessGate ? gatekeeper : undefined;
  const loop: ToConsulLoop = new ToConsulLoop({
    planner: {
      keys: () => planner.keys(),
      plan: (key, proven) => {
        const whole = planner.plan(key, proven);
        const plan = denied.isEmpty ? whole : permitted(whole, denied, nodeOf);
        return gate ? gate.withRefusal(key, plan) : plan;
      },
    },
    places,
    losses,
    own,
    foreign,
    denied,
    writer,
    proofs,
    firstProofs: new FirstProofs(options.secondProofMs ?? SECOND_PROOF_MS),
    patience: new Patience(options.slicesFollowMs ?? SLICES_FOLLOW_MS),
    report,
    gate,
    changes: options.changes,
    brake,
    log,
    metrics,
    clock: systemClock,
  });
  const reportService = (service: Service, addresses: readonly string[]) => {
    const mistakes = mistakesOf(service, config).map(({ rejection }) => rejection);
    const isHeld = mistakes.length > 0 && stays(service, config.annotationPrefix, index, own);
    const told = mistakes.map((rejection) => ({ ...rejection, isHeld }));
    report.service(service, addresses.length > 0 ? [noPod(addresses, 3), ...told] : told);
  };
  const forget = ({ uid }: { readonly uid: string }) => gatekeeper.forget(uid);
  const enqueue = (podKeys: Iterable<string>) => loop.enqueue(podKeys);
  subscribe(views, index, {
    enqueue,
    addressChanged: (podKeys) => loop.enqueue(podKeys.filter((key) => losses.isAtStake(key))),
    reportService,
    forget,
  });
  loop.start();
  const refusedRemovals = () => nodesThatStay(denied.all, own.emptyNodes());
  const refusedInAll = () => options.closedNamespaces().size + refusedRemovals().length;
  const unfollowed = followConsul(options, onDrift);
  inBackground(
    removeEmptyNodes({
      ...options,
      denied,
      reserve: (node) => writer.reserve(node),
      isFollowing: () => options.isFollowing() && config.removals === 'on',
      graceMs: options.emptyNodeMs ?? EMPTY_NODE_MS,
      clock: systemClock,
    }),
  );
  return {
    failures: () => [
      ...[...unfollowed].map(([what, why]) => because(what, why)),
      ...(writer.failure === undefined ? [] : [`Consul's answers: ${writer.failure}`]),
      ...whyNothingIsWritten(denied.all, own),
    ],
    status: () => {
      const { rejected, queue: _, ...status } = loop.status;
      const missingRights = denied.all.map(shownRight);
      return {
        ...{ ...status, rejected: rejected + refusedInAll() },
        ...{ closedNamespaces: Object.fromEntries(options.closedNamespaces()), missingRights },
      };
    },
    state: () => {
      const { instances: owned, rejected, held, retained, kept, queue } = loop.status;
      return { owned, rejected: rejected + refusedInAll(), held, retained, kept, overLimit: 0, ...queue };
    },
    troubles: () => [
      ...[...options.closedNamespaces()].map(([name, why]) => `Namespace ${name}: it may not be read: ${why}`),
      ...refusedRemovals(),
      ...loop.troubles(),
    ],
    *attention() {
      const direction = 'to-consul';
      yield* loop.attention();
      for (const [name, why] of options.closedNamespaces())
        yield { direction, kind: 'rejected', object: `Namespace ${name}`, why: `it may not be read: ${why}` };
      for (const right of denied.all)
        yield { direction, kind: 'rejected', object: `right ${rightId(right)}`, why: refusedFor(right).message };
    },
    pods: listPods({ own, rejected: report.rejected }),
    retaining: () => loop.retaining(),
    release: (hash) => loop.release(hash),
    lookAgain: () => {
      writer.lookAgain();
      loop.lookAgain();
    },
    startAnew: () => {
      report.forget();
      for (const service of views.services.values()) reportService(service, index.addressesWithoutPod(service));
      writer.lookAgain();
      loop.startAnew();
    },
    stop: async (limitMs) => {
      writer.stop();
      await loop.drain(limitMs);
    },
  };
}

/** Of names that users choose Consul may refuse some, and of nodes all: then there is no place for any instance. */
function whyNothingIsWritten(denied: readonly DeniedRight[], own: Pick<OwnCatalog, 'size'>): string[] {
  const node = own.size === 0 ? denied.find(({ resource }) => resource === 'node') : undefined;
  return node ? [`instances in Consul: nothing can be registered: ${refusedFor(node).message}`] : [];
}

/** Empty nodes of ours that the token may not remove, one sentence each. */
function nodesThatStay(denied: readonly DeniedRight[], empty: ReadonlyMap<string, number>): string[] {
  return denied
    .filter(({ resource, name }) => resource === 'node' && empty.has(name))
    .map((right) => `Consul node ${right.name}: empty, and not removed: ${refusedFor(right).message}`);
}

/** A right that the token lacks, the rule that gives it, and since when Consul has refused what needs it. */
interface MissingRight {
  readonly right: string;
  readonly rule: string;
  readonly since: Date;
}

function shownRight({ since, ...right }: DeniedRight): MissingRight {
  return { right: rightId(right), rule: ruleFor(right), since };
}

/** Whether Consul has an instance that the Service asked for, and that stays while there are mistakes in it. */
function stays(service: Service, annotationPrefix: string, index: PodIndex, own: Pick<OwnCatalog, 'ofPod'>): boolean {
  if (!askedByService(service, annotationPrefix) || service.type === 'ExternalName') return false;
  for (const podKey of index.podsOfService(service))
    for (const { registration } of own.ofPod(podKey).values())
      if (registration.meta.get(META.service) === service.name) return true;
  return false;
}

/** Follows what others do to what is ours; returns what cannot be followed right now, with the reason. */
function followConsul(
  { consul: client, timeLine, brake, log, metrics, signal, lookPace, ...options }: ToConsulOptions,
  onDrift: (podKeys: Iterable<string>) => void,
): ReadonlyMap<string, string> {
  const unfollowed = new Map<string, string>();
  followDrift({
    ...options,
    brake,
    log,
    signal,
    onDrift,
    ...(lookPace ? { pace: lookPace } : {}),
    follow: (query) => inBackground(followBlockingQuery({ ...query, client, timeLine, brake, log, metrics, signal })),
    onFailure: (what, error) =>
      error === undefined ? unfollowed.delete(what) : unfollowed.set(what, explainError(error)),
  });
  return unfollowed;
}
