import { isIPv6 } from 'node:net';
import { selects, type Patterns } from '../config/pattern.ts';
import type { ContainerPort, EndpointSlice, Pod, Service, ServicePort } from '../kubernetes/objects.ts';
import { objectKey } from '../kubernetes/objects.ts';
import { workloadOf } from '../kubernetes/resources.ts';
import { isMarkedObject, MANAGED_BY, META, type Owner } from '../reconcile/mark.ts';
import { parseAnnotations, quote, type ParsedAnnotations, type Rejection, type Settings } from './annotations.ts';
import { nodeNameOf, registrationId, validate, type Check, type Registration } from './registration.ts';

export interface DesiredConfig {
  readonly namespaces: Patterns;
  readonly notReady: 'deregister' | 'critical';
}

/** Everything that decides what one pod is in Consul. */
export interface PodSources {
  readonly pod: Pod;
  /** Services whose EndpointSlices target the pod, with those slices. */
  readonly services: readonly ServiceSource[];
  /** Zone of the pod's node, or empty. */
  readonly zone: string;
}

export interface ServiceSource {
  readonly service: Service;
  readonly slices: readonly EndpointSlice[];
}

export interface Desired {
  /** By ID. */
  readonly registrations: ReadonlyMap<string, Registration>;
  readonly rejections: readonly Rejection[];
  /**
   * Who asked for registrations that must stay although they are not desired: names of Services, and the empty string for
   * the pod itself. The pod is Ready, and what they ask for is broken, which is a reason to tell somebody and none to take
   * a live instance away; or what Kubernetes derives from it is not there yet.
   */
  readonly held: ReadonlySet<string>;
}

const NOTHING: Desired = { registrations: new Map(), rejections: [], held: new Set() };

/**
 * What should be in Consul for a pod: pure, from what is known of the pod and the Services over it.
 *
 * | pod                                                    | not-ready  | in Consul                    |
 * |--------------------------------------------------------|------------|------------------------------|
 * | namespace not selected, or `service-sync: "false"`     |            | nothing                      |
 * | being deleted, Succeeded, Failed, no IP or no node yet |            | nothing                      |
 * | Ready                                                  |            | passing                      |
 * | not Ready                                              | deregister | nothing                      |
 * | not Ready                                              | critical   | critical, and why            |
 * | Ready, with input that cannot be honoured              |            | what is there stays; an Event says why |
 * | not Ready, with input that cannot be honoured          |            | nothing; an Event says why   |
 *
 * Registrations come from the pod's own annotations and from each annotated Service that targets it; the name and port
 * are those of whoever asked for the registration, the pod's tags, meta, weight and not-ready win over the Service's.
 */
export function desiredRegistrations(owner: Owner, config: DesiredConfig, sources: PodSources): Desired {
  const { pod, services } = sources;
  if (!selects(config.namespaces, pod.namespace) || !isLive(pod)) return NOTHING;
  const own = parseAnnotations(pod.annotations);
  if (own.settings.sync === false) return NOTHING;
  // Whoever asks last for an ID gets it: the pod itself, else the Service with the smallest name, in any order of events.
  const ordered = [...services].sort((a, b) => (a.service.name < b.service.name ? 1 : -1));
  const requests = [...ordered.flatMap((source) => fromService(source, pod, own)), ...fromPod(pod, own)];
  if (requests.length === 0) return NOTHING;

  const registrations = new Map<string, Registration>();
  const rejections: Rejection[] = [];
  const held = new Set<string>();
  for (const request of requests) {
    if ('rejections' in request) hold(request.asker, request.rejections);
    else place(request);
  }
  return { registrations, rejections, held };

  function hold(asker: string | undefined, problems: readonly Rejection[]): void {
    rejections.push(...problems);
    if (asker !== undefined && pod.ready?.status === 'True') held.add(asker);
  }

  function place(request: Request): void {
    const registration = build(owner, sources, request);
    const problems = validate(registration, request.settings.meta);
    if (pod.hostNetwork)
      problems.push({
        reason: 'HostNetwork',
        message: 'pods with hostNetwork have no IP of their own and are not registered',
      });
    const check = checkOf(pod, request, config.notReady);
    if (problems.length > 0) hold(request.service?.name ?? POD, problems);
    else if (check) registrations.set(registration.id, { ...registration, check });
  }
}

interface Request {
  readonly name: string;
  readonly port: number;
  readonly udp: boolean;
  readonly settings: Settings;
  /** The annotated Service; undefined when the pod itself asked. */
  readonly service: Service | undefined;
}
/** Nothing to register now. What the asker has registered stays; without an asker there is nothing to stay. */
interface Unclear {
  readonly rejections: readonly Rejection[];
  readonly asker: string | undefined;
}
type Outcome = Request | Unclear;

/** The pod itself, among the names of Services. */
const POD = '';

function isLive(pod: Pod): boolean {
  return (
    pod.deletionTimestamp === '' &&
    pod.phase !== 'Succeeded' &&
    pod.phase !== 'Failed' &&
    pod.podIPs.length > 0 &&
    pod.nodeName !== '' &&
    pod.hostIP !== ''
  );
}

const reject = (asker: string, reason: Rejection['reason'], message: string): Outcome[] => [
  { asker, rejections: [{ reason, message }] },
];

function fromPod(pod: Pod, { settings, rejections }: ParsedAnnotations): Outcome[] {
  // Also without a name: a misspelt key of ours means that somebody wanted something.
  if (rejections.length > 0) return [{ rejections, asker: settings.serviceName === undefined ? undefined : POD }];
  if (settings.serviceName === undefined) return [];
  const port = podPort(pod, settings.port);
  if (typeof port === 'string') return reject(POD, 'InvalidPort', port);
  return [{ ...port, name: settings.serviceName, settings, service: undefined }];
}

/** The port, or the words for what is wrong. */
function podPort(pod: Pod, wanted: string | undefined): { port: number; udp: boolean } | string {
  const declared = findPort(portsOf(pod), wanted);
  if (declared) return { port: declared.port, udp: declared.protocol === 'UDP' };
  if (wanted === undefined) {
    return 'port: expected a TCP container port or the annotation service-port, found neither';
  }
  if (isPortNumber(wanted)) return { port: Number(wanted), udp: false };
  return `service-port: expected a port number or the name of a container port, found ${quote(wanted)}`;
}

function portsOf({ containers }: Pod): ContainerPort[] {
  return containers.flatMap(({ ports }) => ports);
}

/** The port with that number or name; without either the first TCP port. */
function findPort<T extends ContainerPort>(ports: readonly T[], wanted: string | undefined): T | undefined {
  if (wanted === undefined) return ports.find(({ protocol }) => protocol === 'TCP');
  return ports.find(({ name, port }) => (isPortNumber(wanted) ? port === Number(wanted) : name === wanted));
}

function isPortNumber(text: string): boolean {
  return /^\d{1,5}$/.test(text);
}

/** Why an annotated Service asks for registrations, or undefined when it does not. */
export function serviceRequest(service: Service): ParsedAnnotations | undefined {
  // Anything that carries Consular's marks is never a source: it came out of Consul.
  if (isMarkedObject(service.labels)) return undefined;
  const parsed = parseAnnotations(service.annotations);
  const { serviceName, sync } = parsed.settings;
  if (sync === false || (serviceName === undefined && sync !== true)) return undefined;
  return { ...parsed, settings: { ...parsed.settings, serviceName: serviceName ?? service.name } };
}

function fromService({ service, slices }: ServiceSource, pod: Pod, own: ParsedAnnotations): Outcome[] {
  const request = serviceRequest(service);
  if (!request) return [];
  const asker = service.name;
  if (request.rejections.length > 0) return [{ asker, rejections: request.rejections }];
  // The pod's own annotations win, so it is not registered before they are right; it is rejected by itself.
  if (own.rejections.length > 0) return [{ asker, rejections: [] }];
  const servicePort = choosePort(service.ports, request.settings.port);
  if (typeof servicePort === 'string')
    return reject(asker, 'InvalidPort', `Service ${objectKey(service)}: ${servicePort}`);
  const family = isIPv6(pod.podIPs[0] ?? '') ? 'IPv6' : 'IPv4';
  const port = slices
    .filter(({ addressType }) => addressType === family)
    .flatMap(({ ports }) => ports)
    .find(({ name }) => name === servicePort.name);
  // Slices follow their Service a moment later, when a port was renamed, say: until they do, what is there stays.
  if (!port) return [{ asker, rejections: [] }];
  const settings = overlay(request.settings, own.settings);
  return [
    {
      name: request.settings.serviceName ?? service.name,
      port: port.port,
      udp: port.protocol === 'UDP',
      settings,
      service,
    },
  ];
}

function choosePort(ports: readonly ServicePort[], wanted: string | undefined): ServicePort | string {
  const found = findPort(ports, wanted);
  if (found) return found;
  return wanted === undefined
    ? 'expected a TCP port, found none'
    : `service-port: expected the name or number of one of its ports, found ${quote(wanted)}`;
}

/** The pod's annotations win, key by key; who asked keeps its name and port. */
function overlay(service: Settings, pod: Settings): Settings {
  const { tags = service.tags, weight = service.weight, notReady = service.notReady } = pod;
  return {
    meta: new Map([...service.meta, ...pod.meta]),
    ...(tags ? { tags } : {}),
    ...(weight === undefined ? {} : { weight }),
    ...(notReady ? { notReady } : {}),
  };
}

function checkOf(pod: Pod, { settings, service }: Request, fallback: 'deregister' | 'critical'): Check | undefined {
  const { ready } = pod;
  const reason = service ? `Service ${objectKey(service)}` : 'the pod';
  const notes = `Pod ${objectKey(pod)} (uid ${pod.uid}) on node ${pod.nodeName}; registered by Consular because of annotations of ${reason}`;
  const since = ready?.lastTransitionTime ? ` since ${ready.lastTransitionTime}` : '';
  if (ready?.status === 'True') return { status: 'passing', notes, output: `Pod is Ready${since}` };
  if ((settings.notReady ?? fallback) === 'deregister') return undefined;
  const why = [ready?.reason, ready?.message].filter(Boolean).join(': ') || 'no Ready condition yet';
  return { status: 'critical', notes, output: `Pod is not Ready${since}: ${why}`.replace(/\s+/g, ' ').slice(0, 1024) };
}

function build(
  owner: Owner,
  { pod, zone }: PodSources,
  { name, port, udp, settings, service }: Request,
): Omit<Registration, 'check'> {
  const workload = workloadOf(pod);
  const meta = new Map<string, string>([
    ['secure', 'false'],
    ...(zone === '' ? [] : [['zone', zone] as const]),
    ...settings.meta,
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
    node: { name: nodeNameOf(owner.cluster, pod.nodeName), address: pod.hostIP },
    id: registrationId(owner.cluster, pod, name, port, udp),
    service: name,
    address: pod.podIPs[0] ?? '',
    port,
    tags: settings.tags ?? [],
    meta,
    weight: settings.weight ?? 1,
  };
}
