import { selects, type Patterns } from '../../config/pattern.ts';
import { objectKey, workloadOf, type Pod } from '../../kubernetes/objects.ts';
import { MANAGED_BY, META, type Owner } from '../../mark.ts';
import { parseAnnotations } from '../requests/annotations.ts';
import { policyRejections, type Policy } from './policy.ts';
import { addressesOfBoth, addressOf, type PodAddressConfig } from './pod-addresses.ts';
import { readinessOf, servedGate, type GateConfig, type Readiness } from './readiness.ts';
import { nodeNameOf, registrationId, validate, type Check, type Registration } from '../registration/registration.ts';
import {
  askedInVain,
  POD,
  requestsOfPod,
  requestsOfRegistrator,
  requestsOfService,
  wrongOnService,
  type RegistratorRequests,
  type Request,
  type AnnotatedService,
  type Unclear,
} from '../requests/requests.ts';
import { sameInstance, unite } from '../requests/unite.ts';
import type { Rejection, ServiceProblem } from '../registration/rejection.ts';
import { blame } from './service-mistakes.ts';
import { metaOfTags } from './spring-tags.ts';

export interface DesiredConfig extends PodAddressConfig, GateConfig {
  readonly namespaces: Patterns;
  readonly notReady: 'deregister' | 'critical';
  readonly registrator: boolean;
  readonly registratorExplicit: boolean;
  /** Patterns of names, beside those of known meshes. */
  readonly injectedContainers: readonly string[];
  readonly policy: Policy;
  readonly removals: 'on' | 'never';
}

/** Everything that decides what one pod is in Consul. */
export interface PlanSources {
  readonly pod: Pod;
  /** Services whose EndpointSlices target the pod, with those slices. */
  readonly services: readonly AnnotatedService[];
  /** Zone of the pod's node, or empty. */
  readonly zone: string;
  /** Address of the pod's node, or empty while nobody knows it. */
  readonly nodeAddress: string;
}

export interface Desired {
  /** By ID. */
  readonly registrations: ReadonlyMap<string, Registration>;
  /** By ID, critical: those that a pod which is not Ready would have if it were Ready, and which are not desired. */
  readonly unready: ReadonlyMap<string, Registration>;
  readonly rejections: readonly Rejection[];
  /** Input that has no effect, and is no reason not to register. */
  readonly warnings: readonly string[];
  /** What Services over the pod ask for and do not get. */
  readonly ofServices: readonly ServiceProblem[];
  /**
   * The askers whose registrations must stay although they are not desired: names of Services, and the empty string for the
   * pod itself. The pod is Ready, and the input is broken, which is a reason to tell its team and none to take a live
   * instance away; or the slices that follow from the input are not there yet. An instance at an address that the pod does
   * not have any more is not live.
   */
  readonly held: ReadonlySet<string>;
  /** Names of Services that ask, and of which no slice says what to register. */
  readonly unclear: ReadonlySet<string>;
  /** Whether the pod may have a registration, if it or a Service asks for one. */
  readonly isEligible: boolean;
  /** Whether the pod, or a Service over it, asks for a registration, and it may have one. */
  readonly isAsked: boolean;
  /** The row of the table below that decided, in words. */
  readonly rule: string;
}

const nothing = (rule: string, isEligible = false): Desired => ({
  registrations: new Map(),
  unready: new Map(),
  rejections: [],
  warnings: [],
  ofServices: [],
  held: new Set(),
  unclear: new Set(),
  isEligible,
  isAsked: false,
  rule,
});

/**
 * What should be in Consul for a pod: pure, from what is known of the pod and the Services over it.
 *
 * | pod                                                    | not-ready  | in Consul                    |
 * |--------------------------------------------------------|------------|------------------------------|
 * | namespace not selected, or `service-sync: "false"`     |            | nothing                      |
 * | being deleted, Succeeded, Failed, no IP or no node yet |            | nothing                      |
 * | Ready                                                  |            | passing                      |
 * | not Ready                                              | deregister | nothing; what stays where much is lost at once is planned in plan/retention.ts |
 * | not Ready                                              | critical   | critical, and why            |
 * | Ready, but something about it is wrong                 |            | what is there at an IP of the pod stays; an Event says why |
 * | not Ready, and something about it is wrong             |            | nothing; an Event says why   |
 *
 * Registrations come from the pod's own annotations and from each annotated Service that targets it, under the name and
 * port that the pod or the Service asks for; the pod's tags, meta, weight and not-ready win over the Service's. Several
 * requests for one instance are united; one that is broken costs the others nothing.
 */
export function desiredRegistrations(owner: Owner, config: DesiredConfig, sources: PlanSources): Desired {
  const { pod } = sources;
  const why = whyNothing(pod, config) ?? (sources.nodeAddress === '' ? NO_NODE : undefined);
  if (why !== undefined) return nothing(why);
  const requests = requestsFor(sources, config);
  if (requests === undefined) return nothing('the annotation service-sync of the pod is "false"');
  if (requests.outcomes.length === 0) {
    const nobody = nothing('neither the pod nor a Service over it asks for a registration', true);
    return { ...nobody, rejections: askedInVain(pod, config.annotationPrefix) };
  }

  const readiness = readinessOf(pod, servedGate(config));
  const registrations = new Map<string, Registration>();
  const unready = new Map<string, Registration>();
  const rejections: Rejection[] = [];
  const held = new Set<string>();
  const unclear = new Set<string>();
  const ofServices: ServiceProblem[] = [];
  const sound: Request[] = [];
  for (const outcome of requests.outcomes) {
    if ('rejections' in outcome) {
      hold(outcome);
      if (outcome.problem) ofServices.push(outcome.problem);
    } else sound.push(outcome);
  }
  for (const group of sameInstance(sound)) {
    const [first, ...others] = group.filter((request) => group.length === 1 || isSound(request));
    if (!first) continue;
    const { request, overruled } = unite([first, ...others]);
    const built = others.length > 0 ? buildSound(request) : undefined;
    if (built && 'problems' in built) {
      // Each is right, and together they are more than Consul takes: the first gets what it asks for.
      for (const other of others) exclude(other, first, built.problems);
      place(first, [askerOf(first)]);
      continue;
    }
    place(request, [first, ...others].map(askerOf));
    ofServices.push(...overruled);
  }
  const isWrong = rejections.length > 0 || ofServices.some(({ kind }) => kind === 'wrong');
  return {
    registrations,
    unready,
    rejections,
    warnings: requests.warnings,
    ofServices,
    held,
    unclear,
    isEligible: true,
    isAsked: true,
    rule: ruleOf(readiness.isReady, isWrong),
  };

  function hold({ asker, rejections: problems, problem }: Unclear): void {
    rejections.push(...problems);
    if (asker !== undefined && problems.length === 0 && problem?.kind !== 'wrong') unclear.add(asker);
    if (asker !== undefined && readiness.isReady) held.add(asker);
  }

  /** Whether a request could be honoured if it were the only one for its instance. */
  function isSound(request: Request): boolean {
    const built = buildSound(request);
    if ('problems' in built) refuse(request, built.problems, [askerOf(request)]);
    return !('problems' in built);
  }

  function refuse(request: Request, problems: readonly Rejection[], askers: readonly string[]): void {
    const { service, asked } = request;
    const alone = asked ? buildSound({ ...request, wishes: asked }) : undefined;
    const blamed =
      service && alone && 'problems' in alone
        ? blame(
            service,
            problems,
            alone.problems.filter(({ reason }) => !OF_PLACES.has(reason)),
          )
        : { service: [], pod: problems };
    rejections.push(...blamed.pod);
    ofServices.push(...blamed.service);
    if (readiness.isReady) for (const asker of askers) held.add(asker);
  }

  /** What the instance has of it by now stays. */
  function exclude({ service }: Request, { by }: Request, problems: readonly Rejection[]): void {
    if (!service) return;
    const asked = (message: string) => `${message}: that is together with the ${by}, which ask for the same instance`;
    ofServices.push(
      ...problems.map(({ reason, message }) => wrongOnService(service, { reason, message: asked(message) })),
    );
    if (readiness.isReady) held.add(service.name);
  }

  function buildSound(request: Request): Omit<Registration, 'check'> | { readonly problems: readonly Rejection[] } {
    const address = addressOf(pod, config);
    if (typeof address !== 'string') return { problems: [address] };
    const registration = build(owner, config, sources, request, address);
    const problems = [
      ...validate(registration, request.wishes.meta),
      ...policyRejections(config.policy, pod.namespace, registration, request.wishes.meta),
    ];
    return problems.length > 0 ? { problems } : registration;
  }

  function place(request: Request, askers: readonly string[]): void {
    const built = buildSound(request);
    if ('problems' in built) return refuse(request, built.problems, askers);
    const isDesired = readiness.isReady || (request.wishes.notReady ?? config.notReady) === 'critical';
    (isDesired ? registrations : unready).set(built.id, { ...built, check: checkOf(pod, request, readiness) });
  }
}

function ruleOf(isReady: boolean, isWrong: boolean): string {
  if (!isWrong) return isReady ? 'the pod is Ready' : 'the pod is not Ready';
  return isReady
    ? 'the pod is Ready, but something about it is wrong: what is in Consul for that is kept unchanged (held)'
    : 'the pod is not Ready, and something about it is wrong: nothing is registered for that';
}

/** Why a pod cannot be registered where it is, whoever asks. */
const OF_PLACES: ReadonlySet<Rejection['reason']> = new Set(['HostNetwork', 'InvalidAddress', 'InvalidPort']);

const askerOf = ({ service }: Request) => service?.name ?? POD;

/** Whether a pod has registrations as soon as a Service asks for them. */
export function mayHaveRegistrations(pod: Pod, config: DesiredConfig): boolean {
  const { settings } = parseAnnotations(pod.annotations, config.annotationPrefix);
  return whyNothing(pod, config) === undefined && settings.sync !== false;
}

const NO_NODE = 'the pod is on no node yet';

/** Why a pod has nothing in Consul whatever it asks for; undefined when it may have. */
function whyNothing(pod: Pod, { namespaces }: DesiredConfig): string | undefined {
  if (!selects(namespaces, pod.namespace)) return `toConsul.namespaces does not select namespace ${pod.namespace}`;
  if (pod.deletionTimestamp !== '') return `the pod is being deleted since ${pod.deletionTimestamp}`;
  if (pod.phase === 'Succeeded' || pod.phase === 'Failed') return `the pod has ended: its phase is ${pod.phase}`;
  if (pod.nodeName === '') return NO_NODE;
  if (pod.podIPs.length === 0) return 'the pod has no IP yet';
  return undefined;
}

/** In the order in which they win; undefined when the pod wants none. */
function requestsFor({ pod, services }: PlanSources, config: DesiredConfig): RegistratorRequests | undefined {
  const { annotationPrefix } = config;
  const own = parseAnnotations(pod.annotations, annotationPrefix);
  if (own.settings.sync === false) return undefined;
  // Of several requests for an ID the last wins: the pod's own, else that of the Service with the smallest name.
  const ordered = [...services].sort((a, b) => (a.service.name < b.service.name ? 1 : -1));
  const variables = { explicit: config.registratorExplicit, injected: config.injectedContainers };
  const byVariables = config.registrator ? requestsOfRegistrator(pod, own, variables) : undefined;
  return {
    outcomes: [
      ...ordered.flatMap((source) => requestsOfService(source, pod, own, annotationPrefix)),
      ...(byVariables?.outcomes ?? []),
      ...requestsOfPod(pod, own, config.injectedContainers),
    ],
    warnings: byVariables?.warnings ?? [],
  };
}

function checkOf(pod: Pod, { wishes, by }: Request, { isReady, output }: Readiness): Check {
  const note = wishes.note ? `; ${wishes.note}` : '';
  const notes = `Pod ${objectKey(pod)} (uid ${pod.uid}) on node ${pod.nodeName}; registered by Consular because of ${by}${note}`;
  return { status: isReady ? 'passing' : 'critical', notes, output };
}

function build(
  owner: Owner,
  { policy }: DesiredConfig,
  { pod, zone, nodeAddress }: PlanSources,
  { name, port, udp, wishes, service }: Request,
  address: string,
): Omit<Registration, 'check'> {
  const workload = workloadOf(pod);
  const { tags = [] } = wishes;
  const meta = new Map<string, string>([
    ['secure', 'false'],
    ...(zone === '' ? [] : [['zone', zone] as const]),
    ...metaOfTags(tags, policy),
    ...wishes.meta,
    [META.externalSource, 'kubernetes'],
    [META.managedBy, MANAGED_BY],
    [META.cluster, owner.cluster],
    [META.namespace, pod.namespace],
    [META.pod, pod.name],
    [META.podUid, pod.uid],
    [META.node, pod.nodeName],
    ...(workload === '' ? [] : [[META.workload, workload] as const]),
    ...(service ? [[META.service, service.name] as const] : []),
  ]);
  return {
    node: { name: nodeNameOf(owner.cluster, pod.nodeName), address: nodeAddress },
    id: registrationId(owner.cluster, pod, name, port, udp),
    service: name,
    address,
    port,
    taggedAddresses: addressesOfBoth(pod),
    tags,
    meta,
    weight: wishes.weight ?? 1,
  };
}
