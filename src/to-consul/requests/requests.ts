import { isIPv6 } from 'node:net';
import type {
  ContainerPort,
  EndpointPort,
  EndpointSlice,
  Pod,
  Service,
  ServicePort,
} from '../../kubernetes/objects.ts';
import { objectKey } from '../../kubernetes/objects.ts';
import { isMarkedObject } from '../../mark.ts';
import {
  registeringKeys,
  NO_SETTINGS,
  notOfPort,
  parseAnnotations,
  type ParsedAnnotations,
  type PortSettings,
  type Settings,
} from './annotations.ts';
import { defaultPort } from './default-port.ts';
import { registratorServices, type RegistratorOptions } from './registrator.ts';
import { quote, type Rejection, type ServiceProblem } from '../registration/rejection.ts';

export interface AnnotatedService {
  readonly service: Service;
  /** Those that target the pod. */
  readonly slices: readonly EndpointSlice[];
}

/** A registration that a pod or a Service asks for; whether it is valid and allowed is judged later. */
export interface Request {
  readonly name: string;
  readonly port: number;
  readonly udp: boolean;
  readonly wishes: Wishes;
  /** What the Service wishes, without the pod; undefined when the pod itself asks. */
  readonly asked?: Wishes;
  /** The annotated Service; undefined when the pod itself asks. */
  readonly service: Service | undefined;
  /** The annotations or variables that ask, in words for the Notes of the check. */
  readonly by: string;
}

/** What is wanted of one registration beside its name and port. */
export interface Wishes extends Pick<Settings, 'tags' | 'meta' | 'weight' | 'notReady'> {
  /** For the notes of the check. */
  readonly note?: string;
}

/** Nothing to register now. What the asker has registered stays; without an asker there is nothing to stay. */
export interface Unclear {
  readonly rejections: readonly Rejection[];
  readonly asker: string | undefined;
  /** What is told to the owner of the Service, and not to that of the pod. */
  readonly problem?: ServiceProblem;
}

export type Outcome = Request | Unclear;

/** The pod itself, among the names of Services that ask. */
export const POD = '';

/** Names of one pod or Service: each is an instance that is planned, written and watched. */
const MOST_NAMES = 512;

function tooManyNames(found: number): string {
  return `service-name.<port>: expected at most ${MOST_NAMES} names, found ${found}`;
}

const reject = (asker: string, reason: Rejection['reason'], message: string): Outcome[] => [
  { asker, rejections: [{ reason, message }] },
];

/**
 * What a pod asks for by its own annotations: a service by its name, and one more for each port with a name of its own.
 * @param injected containers whose ports are never the default, as in `defaultPort`
 */
export function requestsOfPod(
  pod: Pod,
  { settings, rejections }: ParsedAnnotations,
  injected: readonly string[],
): Outcome[] {
  const wanted = namesWanted(settings);
  // Also without a name: what cannot be read may be what asks, and nothing is taken away for that.
  if (rejections.length > 0) return [{ rejections, asker: POD }];
  if (wanted.length > MOST_NAMES) return reject(POD, 'InvalidAnnotation', tooManyNames(wanted.length));
  const ports = portsOf(pod);
  const unknown = unknownPort(settings, ports, 'pod');
  if (unknown !== undefined) return reject(POD, 'InvalidPort', unknown);
  return wanted.flatMap(({ name, port: where }): Outcome[] => {
    const port = where === undefined ? defaultPodPort(pod, injected) : podPort(ports, where);
    if (typeof port === 'string') return reject(POD, 'InvalidPort', port);
    const wishes = wishesAt(settings, port);
    const by = 'annotations of the pod';
    return [{ name, port: port.port, udp: port.protocol === 'UDP', wishes, service: undefined, by }];
  });
}

/** What is wrong with a pod that says something of its registration, and for which nobody says under which name. */
export function askedInVain({ annotations }: Pod, annotationPrefix: string): Rejection[] {
  const isSync = parseAnnotations(annotations, annotationPrefix).settings.sync === true;
  // Behind the prefix of consul-k8s its mesh knows the same keys on pods.
  const [said] = registeringKeys(annotations, annotationPrefix, 'pod');
  if (!isSync && said === undefined) return [];
  const what = isSync ? 'annotation service-sync: "true"' : `annotation ${quote(said ?? '')}`;
  const message = `${what} asks for nothing on a pod: expected service-name beside it, or a Service over the pod that asks, found neither`;
  return [{ reason: 'InvalidAnnotation', message, ifItLasts: true }];
}

/** What is wrong with a Service that says something of a registration, and does not ask for any. */
export function saysInVain({ annotations }: Service, annotationPrefix: string): Rejection[] {
  const [said] = registeringKeys(annotations, annotationPrefix, 'service');
  if (said === undefined) return [];
  const message = `annotation ${quote(said)} asks for nothing: expected service-name or service-sync: "true" beside it, found neither`;
  return [{ reason: 'InvalidAnnotation', message }];
}

/** What an annotated Service asks for one of its pods. */
export function requestsOfService(
  { service, slices }: AnnotatedService,
  pod: Pod,
  own: ParsedAnnotations,
  annotationPrefix: string,
): Outcome[] {
  return wantedByService(service, annotationPrefix).map((outcome): Outcome => {
    if ('rejections' in outcome) return outcome;
    // The pod's own annotations win, so it is not registered before they are right; it is rejected by itself.
    if (own.rejections.length > 0) return { asker: service.name, rejections: [] };
    const { name, port: servicePort, wishes: asked } = outcome;
    const port = slicePorts(slices, pod).find((port) => port.name === servicePort.name);
    // The slices follow their Service a moment later, after a port was renamed, say: until then the instances stay.
    if (!port) return { asker: service.name, rejections: [], problem: missingPort(service, servicePort, pod) };
    const udp = port.protocol === 'UDP';
    const wishes = overlay(asked, wishesAt(own.settings, portAt(pod, port.port, udp)));
    return { name, port: port.port, udp, wishes, asked, service, by: `annotations of Service ${objectKey(service)}` };
  });
}

/** What a Service asks for, before its slices say where: for one of its ports. */
export interface WantedByService {
  readonly name: string;
  readonly port: ServicePort;
  readonly wishes: Wishes;
}

/** What a Service asks for, name by name; of what is wrong with it whatever its pods are, a problem. */
export function wantedByService(service: Service, annotationPrefix: string): (WantedByService | Unclear)[] {
  const parsed = askedByService(service, annotationPrefix);
  if (!parsed) return [];
  const { settings, rejections } = parsed;
  const wrong = (rejection: Rejection): Unclear => {
    return { asker: service.name, rejections: [], problem: wrongOnService(service, rejection) };
  };
  if (rejections.length > 0) return rejections.map(wrong);
  const wanted = namesWanted(settings);
  if (wanted.length > MOST_NAMES) return [wrong({ reason: 'InvalidAnnotation', message: tooManyNames(wanted.length) })];
  const unknown = unknownPort(settings, service.ports, 'Service');
  if (unknown !== undefined) return [wrong({ reason: 'InvalidPort', message: unknown })];
  return wanted.map(({ name, port: wanted }) => {
    const port = choosePort(service.ports, wanted);
    if (typeof port === 'string') return wrong({ reason: 'InvalidPort', message: port });
    return { name, port, wishes: wishesAt(settings, port) };
  });
}

/** Something that the owner of a Service has to mend, and nobody else. */
export function wrongOnService(service: Service, { reason, message: what }: Rejection): ServiceProblem {
  const message = `Service ${objectKey(service)}: ${what}`;
  return { service: objectKey(service), about: message, kind: 'wrong', rejection: { reason, message } };
}

/** A port of the Service that its slices do not have for the pod: for want of a container port of that name, or not yet. */
function missingPort(service: Service, { name, port, targetPort, protocol }: ServicePort, pod: Pod): ServiceProblem {
  const where = `port ${name === '' ? port : quote(name)} of Service ${objectKey(service)}`;
  const isNamed = targetPort !== '' && !isPortNumber(targetPort);
  const isThere = portsOf(pod).some((own) => own.name === targetPort && own.protocol === protocol);
  const kind = isNamed && !isThere ? 'wrong' : 'late';
  const why =
    kind === 'wrong'
      ? `none of the containers of pod ${pod.name} has a port named ${quote(targetPort)} (${protocol}), its targetPort`
      : `expected it in an EndpointSlice of pod ${pod.name}, found none`;
  return {
    ...{ service: objectKey(service), about: `${where} ${targetPort} ${kind}`, kind },
    rejection: { reason: 'InvalidPort', message: `${where}: ${why}` },
  };
}

/** The ports of the slices, those of the pod's first address family first; a Service may have only the other. */
function slicePorts(slices: readonly EndpointSlice[], { podIPs }: Pod): EndpointPort[] {
  const family = isIPv6(podIPs[0] ?? '') ? 'IPv6' : 'IPv4';
  const [own, others] = [true, false].map((wanted) =>
    slices.filter((slice) => (slice.addressType === family) === wanted),
  );
  return [...(own ?? []), ...(others ?? [])].flatMap(({ ports }) => ports);
}

/** What the containers of a pod ask for in the way of registrator; the pod's annotations win over it, key by key. */
export function requestsOfRegistrator(
  pod: Pod,
  own: ParsedAnnotations,
  options: RegistratorOptions,
): RegistratorRequests {
  // A team that has begun to write annotations does not mean the variables any more.
  if (namesWanted(own.settings).length > 0) return { outcomes: [], warnings: [] };
  const { services, rejections, warnings } = registratorServices(pod, options);
  const requests = services.map(({ container, name, port, udp, tags, meta, hasChecks }): Outcome => {
    const note = hasChecks ? { note: "registrator's CHECK_* are not used" } : {};
    const said = { meta, ...(tags.length > 0 ? { tags } : {}), ...note };
    const wishes = overlay(said, wishesAt(own.settings, portAt(pod, port, udp)));
    const by = `registrator's variables of container ${container}`;
    return { name, port, udp, wishes, service: undefined, by };
  });
  return { outcomes: rejections.length === 0 ? requests : [...requests, { asker: POD, rejections }], warnings };
}

export interface RegistratorRequests {
  readonly outcomes: readonly Outcome[];
  /** What has no effect, and is no reason not to register. */
  readonly warnings: readonly string[];
}

/** Why an annotated Service asks for registrations, or undefined when it does not. */
export function askedByService(service: Service, annotationPrefix: string): ParsedAnnotations | undefined {
  // Anything that carries Consular's marks is never a source: it came out of Consul.
  if (isMarkedObject(service.labels)) return undefined;
  const parsed = parseAnnotations(service.annotations, annotationPrefix, 'service');
  const { settings } = parsed;
  if (settings.sync === false) return undefined;
  if (settings.sync && settings.serviceName === undefined)
    return { ...parsed, settings: { ...settings, serviceName: service.name } };
  // What cannot be read may be what asks: nothing is taken away for that.
  return namesWanted(settings).length > 0 || parsed.rejections.length > 0 ? parsed : undefined;
}

/** The names asked for, each with the port as it was written; undefined is the default port. */
export function namesWanted({ serviceName, port, ports }: Settings): { name: string; port: string | undefined }[] {
  const ofPorts = [...ports].flatMap(([port, { serviceName: name }]) => (name === undefined ? [] : [{ name, port }]));
  return serviceName === undefined ? ofPorts : [{ name: serviceName, port }, ...ofPorts];
}

interface Port {
  readonly name: string;
  readonly port: number;
  readonly protocol: ContainerPort['protocol'];
}

/**
 * A complaint about settings for a port that does not exist. Numbers need not be declared by a pod, but by a Service.
 * @param on the kind of the object that has the ports
 */
function unknownPort({ ports: settings }: Settings, ports: readonly Port[], on: 'pod' | 'Service'): string | undefined {
  for (const [port, { keys }] of settings)
    if ((on === 'Service' || !isPortNumber(port)) && !findPort(ports, port))
      return notOfPort(keys, `the name or number of a port of the ${on}`, port);
  return undefined;
}

function portsOf({ containers }: Pod): ContainerPort[] {
  return containers.flatMap(({ ports }) => ports);
}

/** The container port with that number; a port that is not declared has no name. */
function portAt(pod: Pod, port: number, udp: boolean): Port {
  const protocol = udp ? 'UDP' : 'TCP';
  const declared = portsOf(pod).find((own) => own.port === port && own.protocol === protocol);
  return declared ?? { name: '', port, protocol };
}

function defaultPodPort(pod: Pod, injected: readonly string[]): Port | string {
  const found = defaultPort(pod, injected);
  return typeof found === 'string' ? found : found.port;
}

/** The port, or the words for what is wrong. */
function podPort(ports: readonly ContainerPort[], wanted: string): Port | string {
  const declared = findPort(ports, wanted);
  if (declared?.protocol === 'SCTP') return 'port: expected a TCP or UDP port, found an SCTP port';
  if (declared) return declared;
  if (isPortNumber(wanted)) return { name: '', port: Number(wanted), protocol: 'TCP' };
  return `service-port: expected a port number or the name of a container port, found ${quote(wanted)}`;
}

function choosePort(ports: readonly ServicePort[], wanted: string | undefined): ServicePort | string {
  const found = findPort(ports, wanted);
  if (found?.protocol === 'SCTP') return 'expected a TCP or UDP port, found an SCTP port';
  if (found) return found;
  return wanted === undefined
    ? 'expected a TCP port, found none'
    : `service-port: expected the name or number of one of its ports, found ${quote(wanted)}`;
}

/** The port with that number or name; without either the first TCP port. */
function findPort<T extends Port>(ports: readonly T[], wanted: string | undefined): T | undefined {
  if (wanted === undefined) return ports.find(({ protocol }) => protocol === 'TCP');
  return ports.find(({ name, port }) => (isPortNumber(wanted) ? port === Number(wanted) : name === wanted));
}

function isPortNumber(text: string): boolean {
  return /^\d{1,5}$/.test(text);
}

/** What is said for that port wins over what is said for all, and there by name over by number; meta adds up. */
function wishesAt(settings: Settings, { name, port }: Port): Wishes {
  const { weight, notReady, ports } = settings;
  const said: PortSettings[] = [settings, ports.get(String(port)) ?? NO_SETTINGS, ports.get(name) ?? NO_SETTINGS];
  const tags = said.findLast((one) => one.tags !== undefined)?.tags;
  return {
    meta: new Map(said.flatMap(({ meta }) => [...meta])),
    ...(tags ? { tags } : {}),
    ...(weight === undefined ? {} : { weight }),
    ...(notReady ? { notReady } : {}),
  };
}

/** What is above wins, key by key; meta adds up. */
export function overlay(below: Wishes, above: Wishes): Wishes {
  return { ...below, ...above, meta: new Map([...below.meta, ...above.meta]) };
}
