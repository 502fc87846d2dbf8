import {
  objectKey,
  serviceKeyOf,
  type EndpointSlice,
  type Service,
  type ServicePort,
} from '../../kubernetes/objects.ts';
import { Index } from '../../kubernetes/view.ts';
import { compare, type Changes } from '../../reconcile/changes.ts';
import { isMarkedObject } from '../../mark.ts';
import type { MirroredEndpoint, RefusedInstance, RepeatedEndpoint } from '../desired/mirrored-service.ts';
import { withoutGoing } from '../plan/going.ts';
import { hostsUnresolved, instancesRefused } from '../plan/problems.ts';
import { importKeys, importRequest, nameWanted, type ImportRequest } from '../requests/import-request.ts';
import {
  heldSlices,
  importedSlices,
  otherOrigin,
  sameImportedSlice,
  type SkippedEndpoint,
  type SlicesOfService,
} from './slices.ts';
import { heldEndpoints, withEndpoints } from '../plan/held-endpoints.ts';
import { withKept } from '../plan/kept.ts';
import { importedInstances, mirrorOf, withoutRefused, type PlanSources } from '../plan/sources.ts';
import { byName } from '../plan/target.ts';
import { problem, type Problem } from '../problem.ts';
import { sameSlice, type DesiredSlice } from '../objects/slice.ts';

/** What differs for one Service that is somebody else's. */
export interface ImportPlan {
  readonly namespace: string;
  /** Undefined when there is no such Service: its slices go with it, which is for Kubernetes to do. */
  readonly service: Service | undefined;
  readonly request: ImportRequest | undefined;
  readonly slices: Changes<DesiredSlice, EndpointSlice>;
  /** Endpoints that the slices should have. */
  readonly endpoints: readonly { readonly address: string; readonly port: number }[];
  /** True when there were endpoints, and will be none. */
  readonly isEmptied: boolean;
  readonly refused: readonly RefusedInstance[];
  readonly repeated: readonly RepeatedEndpoint[];
  readonly skipped: readonly SkippedEndpoint[];
  /** Endpoints that speak another protocol than the port of the Service. */
  readonly misfits: readonly MirroredEndpoint[];
  readonly problems: readonly Problem[];
  /** Host names of its instances, for whoever carries the plan out to have them looked up. */
  readonly hosts: readonly string[];
}

const NO_CHANGES: ImportPlan['slices'] = { create: [], update: [], remove: [] };
const NOTHING = { endpoints: [], isEmptied: false, refused: [], repeated: [], skipped: [], misfits: [], hosts: [] };

/** What differs between Consul and the slices that Services of others take in, from the views alone. */
export class ImportPlanner {
  readonly #sources: PlanSources;
  /** Services by the Consul service that they take in. */
  readonly #importing: Index<Service>;
  /** Slices of all makers, by their Service; only of namespaces where a Service may take anything in. */
  readonly #slices: Index<EndpointSlice>;

  constructor(sources: PlanSources) {
    this.#sources = sources;
    const { views, config } = sources;
    const namespaces = new Set(config.importNamespaces);
    this.#importing = new Index(views.services, (service) => {
      const name = this.nameOf(service);
      return name === undefined ? [] : [name];
    });
    this.#slices = new Index(views.endpointSlices, (slice) =>
      namespaces.has(slice.namespace) ? [serviceKeyOf(slice)] : [],
    );
  }

  /** Every Service that asks for something, or has slices of ours. */
  keys(): string[] {
    const asking = [...this.#sources.views.services.values()].filter((service) => this.#request(service));
    return [...new Set([...asking.map(objectKey), ...this.#sources.own.importing()])].sort();
  }

  /** Consul services, lower case, that some Service takes in. */
  names(): IterableIterator<string> {
    return this.#importing.keys();
  }

  /** The Services that take a Consul service in. */
  importing(name: string): Service[] {
    return this.#importing.get(name);
  }

  /** How many Services take something in. */
  get count(): number {
    return [...this.#importing.keys()].reduce((sum, name) => sum + this.#importing.get(name).length, 0);
  }

  /** True for a Service that asks for something, whether or not it may, or has slices of ours. */
  concerns(service: Service): boolean {
    return this.#request(service) !== undefined || this.#sources.own.importedSlices(objectKey(service)).length > 0;
  }

  /** The Consul service that a Service takes in. */
  nameOf(service: Service | undefined): string | undefined {
    return service && nameWanted(this.#request(service));
  }

  plan(key: string): ImportPlan {
    const { views, own } = this.#sources;
    const [namespace = ''] = key.split('/');
    const service = views.services.get(key);
    if (!service) return { namespace, service, request: undefined, slices: NO_CHANGES, problems: [], ...NOTHING };
    const request = this.#request(service);
    if (!request || request.verdict === 'denied') {
      const imported = own.importedSlices(key);
      const slices = this.#keepsAll
        ? compare(byName(withKept([], imported)), byName(imported), sameSlice)
        : withoutGoing({ ...NO_CHANGES, remove: imported });
      return { namespace, service, request, slices, problems: request?.problems ?? [], ...NOTHING };
    }
    return { namespace, service, request, ...this.#planSlices(key, service, request) };
  }

  #planSlices(
    key: string,
    service: Service,
    request: Exclude<ImportRequest, { verdict: 'denied' }>,
  ): Omit<ImportPlan, 'namespace' | 'service' | 'request'> {
    const { catalog } = this.#sources;
    const { from, problems } = request;
    const instances = catalog.instances(from.name);
    // Not read is not empty.
    if (!instances) return { slices: NO_CHANGES, problems, ...NOTHING };
    const foreign = importedInstances(this.#sources, from.name);
    const {
      mirrored: shown,
      refused,
      repeated,
      doubtful,
      hosts,
    } = withoutRefused(
      this.#sources,
      mirrorOf(this.#sources, from.name, foreign, undefined),
      service.namespace,
      service.name,
      request.verdict === 'accepted' ? request.port.protocol : undefined,
    );
    const slices = this.#slicesOf(key, service);
    const ofThis = slices.own.filter((slice) => otherOrigin(slice, from) === undefined);
    const held = heldEndpoints(this.#sources, from.name, { slices: ofThis, workloadEntries: [] }, true);
    const mirrored = withEndpoints(shown, held);
    // A name that nobody has is most often a typo: what was taken in from a service of another name stays until that is clear.
    const origins = slices.own.flatMap((slice) => otherOrigin(slice, from) ?? []);
    const [kept] = instances.length === 0 ? origins : [];
    const {
      slices: desired,
      skipped,
      misfits,
    } = request.verdict === 'accepted' && kept === undefined
      ? importedSlices(slices, from, request.port, mirrored)
      : { slices: heldSlices(slices, from, mirrored.endpoints), skipped: [], misfits: [] };
    const wishes = this.#keepsAll ? withKept(desired, slices.own) : desired;
    const endpoints = desired.flatMap(endpointsOf);
    return {
      slices: withoutGoing(
        compare(byName(wishes), byName(slices.own), (wish, observed) => sameImportedSlice(wish, observed, service)),
      ),
      endpoints,
      isEmptied: endpoints.length === 0 && slices.own.some((slice) => slice.endpoints.some(({ ready }) => ready)),
      refused,
      repeated,
      skipped,
      misfits,
      hosts: [...hosts],
      problems: [
        ...problems,
        ...[
          instances.length === 0 ? unknownService(from.spelling, kept) : undefined,
          instancesRefused(from.spelling, refused),
          hostsUnresolved(from.spelling, doubtful),
          request.verdict === 'accepted' && endpoints.length + skipped.length === 0
            ? otherProtocol(
                from.spelling,
                request.port,
                misfits,
                importKeys(this.#sources.config.annotationPrefix).port,
              )
            : undefined,
        ].flatMap((found) => found ?? []),
      ],
    };
  }

  #slicesOf(key: string, service: Service): SlicesOfService {
    const { views, own } = this.#sources;
    return {
      service,
      own: own.importedSlices(key),
      others: this.#slices.get(key).filter(({ labels }) => !isMarkedObject(labels)),
      isTaken: (name) => views.endpointSlices.get(objectKey({ namespace: service.namespace, name })) !== undefined,
    };
  }

  get #keepsAll(): boolean {
    return this.#sources.config.removals === 'never';
  }

  #request(service: Service): ImportRequest | undefined {
    return importRequest(service, this.#sources.config);
  }
}

function endpointsOf({ ports: [target], endpoints }: DesiredSlice): ImportPlan['endpoints'] {
  return endpoints.map(({ address }) => ({ address, port: target?.port ?? 0 }));
}

/** Nothing is behind the port because all that could be speaks another protocol. */
function otherProtocol(
  name: string,
  { port, protocol }: ServicePort,
  [first]: readonly MirroredEndpoint[],
  portKey: string,
): Problem | undefined {
  if (!first) return undefined;
  const message = `port ${port} of the Service is ${protocol}, and the instances of Consul service ${JSON.stringify(name)} are ${first.protocol}: ${portKey} names another port`;
  return problem('InvalidPort', message);
}

/** @param kept the service of another name whose endpoints stay for that reason */
function unknownService(name: string, kept: string | undefined): Problem {
  const stays = kept === undefined ? '' : `: what was taken in from ${JSON.stringify(kept)} stays as it is`;
  return problem('UnknownService', `Consul has no service ${JSON.stringify(name)}${stays}`);
}
