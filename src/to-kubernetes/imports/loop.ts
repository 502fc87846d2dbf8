import { objectKey, serviceKeyOf, type EndpointSlice, type Service } from '../../kubernetes/objects.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { isEmpty } from '../../reconcile/changes.ts';
import { nameWanted } from '../requests/import-request.ts';
import type { Catalog } from '../views.ts';
import type { ImportPlan, ImportPlanner } from './planner.ts';

/** Names of Consul services are lower case in the queue: none of them begins like this. */
const KEY_PREFIX = 'Service ';

export interface ImportsLoopOptions {
  readonly services: { get(key: string): Service | undefined };
  readonly planner: Pick<ImportPlanner, 'plan' | 'nameOf' | 'concerns' | 'importing' | 'names' | 'keys' | 'count'>;
  readonly catalog: Pick<Catalog, 'instances'> & {
    refresh(name: string): Promise<void>;
    confirm(name: string): Promise<void>;
    want(name: string): void;
    unwant(name: string): void;
  };
  readonly hosts: { want(host: string, service: string): void };
  readonly writer: { applyImport(plan: ImportPlan): Promise<void> };
  readonly report: { imports(serviceKey: string, plan: ImportPlan, failure?: unknown): void };
  readonly metrics: Pick<Metrics, 'imports'>;
  /** True when a mirrored Service of that Consul service has objects in that namespace. */
  readonly isMirroredIn: (name: string, namespace: string) => boolean;
  /** Puts a key of ours, or the name of a Consul service, into the queue. */
  readonly enqueue: (key: string) => void;
  /** Something was written for a key of ours, all of it. */
  readonly onWritten: (key: string) => void;
}

/**
 * Services of others that take instances of a Consul service in (`consular.dev/import`):
 * - a change of the Service, of any slice of it, and of the Consul service puts the Service's key in the queue;
 * - the Consul service is read as long as some Service takes it in, also when it is not selected for mirroring;
 * - the Service itself is never written to; ours are its slices with our mark, and no others.
 */
export class ImportsLoop {
  readonly #options: ImportsLoopOptions;

  constructor(options: ImportsLoopOptions) {
    this.#options = options;
  }

  hasKey(key: string): boolean {
    return key.startsWith(KEY_PREFIX);
  }

  /** True for the key of that Service. */
  isKeyOf(
    key: string,
    { namespace, serviceName }: { readonly namespace: string; readonly serviceName: string },
  ): boolean {
    return key === KEY_PREFIX + objectKey({ namespace, name: serviceName });
  }

  get count(): number {
    return this.#options.planner.count;
  }

  /** True when some Service takes that Consul service in. */
  takesIn(name: string): boolean {
    return this.#options.planner.importing(name).length > 0;
  }

  /** Consul services that some Service takes in. */
  names(): Iterable<string> {
    return this.#options.planner.names();
  }

  /** The Services that take that Consul service in. */
  importing(name: string): readonly Service[] {
    return this.#options.planner.importing(name);
  }

  /** Looks at everything, and has the Consul services read that are taken in. */
  start(): void {
    for (const name of this.#options.planner.names()) this.#follow(name);
    this.lookAtAll();
  }

  lookAtAll(): void {
    for (const key of this.#options.planner.keys()) this.look(key);
  }

  /** Something about a Consul service is another. */
  onConsulService(name: string): void {
    for (const service of this.#options.planner.importing(name)) this.look(objectKey(service));
  }

  onService(before: Service | undefined, after: Service | undefined): void {
    const { planner } = this.#options;
    const [was, is] = [planner.nameOf(before), planner.nameOf(after)];
    if (was !== is) for (const name of [was, is]) if (name !== undefined) this.#follow(name);
    for (const service of [before, after]) if (service && planner.concerns(service)) this.look(objectKey(service));
  }

  onSlice(before: EndpointSlice | undefined, after: EndpointSlice | undefined): void {
    const { services, planner, isMirroredIn, enqueue } = this.#options;
    for (const slice of [before, after]) {
      if (!slice) continue;
      const key = serviceKeyOf(slice);
      const service = services.get(key);
      if (!service || !planner.concerns(service)) continue;
      this.look(key);
      // A mirrored Service that was let go keeps what it has until other slices have all of it: this may be the last of them.
      const name = planner.nameOf(service);
      if (name !== undefined && isMirroredIn(name, slice.namespace)) enqueue(name);
    }
  }

  async reconcile(key: string): Promise<void> {
    const { services, planner, catalog, writer, report, metrics, onWritten } = this.#options;
    const serviceKey = key.slice(KEY_PREFIX.length);
    const name = planner.nameOf(services.get(serviceKey));
    if (name !== undefined && catalog.instances(name) === undefined) await this.#read(name, serviceKey);
    let plan = this.#plan(serviceKey);
    // Of a Consul service that is gone the last endpoint goes only on a fresh answer that proves that it is gone.
    if (name !== undefined && plan.isEmptied && catalog.instances(name)?.length === 0) {
      await catalog.confirm(name);
      plan = this.#plan(serviceKey);
    }
    metrics.imports.set(planner.count);
    try {
      await writer.applyImport(plan);
      if (!isEmpty(plan.slices)) onWritten(key);
      report.imports(serviceKey, plan);
    } catch (error) {
      report.imports(serviceKey, plan, error);
      throw error;
    }
  }

  /**
   * What could be taken in part is enough for a plan, which keeps the rest. What is wrong with the annotations is told also when
   * nothing could be read.
   */
  async #read(name: string, serviceKey: string): Promise<void> {
    const { catalog, report } = this.#options;
    try {
      await catalog.refresh(name);
    } catch (error) {
      if (catalog.instances(name) !== undefined) return;
      report.imports(serviceKey, this.#plan(serviceKey));
      throw error;
    }
  }

  #plan(serviceKey: string): ImportPlan {
    const { planner, hosts } = this.#options;
    const plan = planner.plan(serviceKey);
    const name = nameWanted(plan.request);
    if (name !== undefined) for (const host of plan.hosts) hosts.want(host, name);
    return plan;
  }

  /** Something that is written for that Service is to be looked at. */
  look(serviceKey: string): void {
    this.#options.enqueue(KEY_PREFIX + serviceKey);
  }

  #follow(name: string): void {
    const { catalog, enqueue } = this.#options;
    if (this.takesIn(name)) catalog.want(name);
    else catalog.unwant(name);
    // Whether it has a long poll of its own, and whether its name is in conflict, is the mirrored service's to say.
    enqueue(name);
  }
}
