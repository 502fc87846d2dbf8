import type { ServiceCatalog } from '../../consul/service-catalog.ts';
import { objectKey, serviceKeyOf, type EndpointSlice, type Service } from '../../kubernetes/objects.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { HostCache } from '../addresses/host-cache.ts';
import type { Planner } from '../plan/planner.ts';
import type { Reporter } from '../report/reporter.ts';
import type { Views } from '../views.ts';
import type { Writer } from '../write/writer.ts';
import { ImportPlanner } from './planner.ts';

export interface ImportsOptions {
  readonly views: Views;
  readonly catalog: ServiceCatalog;
  readonly hosts: Pick<HostCache, 'subscribe'>;
  readonly planner: Planner;
  readonly writer: Writer;
  readonly report: Reporter;
  readonly metrics: Metrics;
  /** Puts a key of ours, or the name of a Consul service, into the queue. */
  readonly enqueue: (key: string) => void;
}

/** Names of Consul services are lower case in the queue: none of them begins like this. */
const KEY_PREFIX = 'Service ';

/**
 * Services of others that take instances of a Consul service in (`consular.dev/import`):
 * - a change of the Service, of any slice of it, and of the Consul service puts the Service's key in the queue;
 * - the Consul service is read as long as some Service takes it in, also when it is not selected for mirroring;
 * - the Service itself is never written to; ours are its slices with our mark, and no others.
 */
export function runImports({
  views,
  catalog,
  hosts,
  planner: mirrors,
  writer,
  report,
  metrics,
  enqueue,
}: ImportsOptions) {
  const planner = new ImportPlanner(mirrors.sources);
  const look = (serviceKey: string) => enqueue(KEY_PREFIX + serviceKey);

  function follow(name: string): void {
    if (planner.importing(name).length > 0) catalog.want(name);
    else catalog.unwant(name);
    // Whether it has a long poll of its own, and whether its name is in conflict, is the mirrored service's to say.
    enqueue(name);
  }

  function onService(before: Service | undefined, after: Service | undefined): void {
    const [was, is] = [planner.nameOf(before), planner.nameOf(after)];
    if (was !== is) for (const name of [was, is]) if (name !== undefined) follow(name);
    for (const service of [before, after]) if (service && planner.concerns(service)) look(objectKey(service));
  }

  function onSlice(before: EndpointSlice | undefined, after: EndpointSlice | undefined): void {
    for (const slice of [before, after]) {
      if (!slice) continue;
      const key = serviceKeyOf(slice);
      const service = views.services.get(key);
      if (!service || !planner.concerns(service)) continue;
      look(key);
      // A mirrored Service that was let go keeps what it has until other slices have all of it: this may be the last of them.
      const name = planner.nameOf(service);
      if (name !== undefined && mirrors.sources.own.namespaces(name).includes(slice.namespace)) enqueue(name);
    }
  }

  async function reconcile(key: string): Promise<void> {
    const serviceKey = key.slice(KEY_PREFIX.length);
    const name = planner.nameOf(views.services.get(serviceKey));
    if (name !== undefined && catalog.instances(name) === undefined) await catalog.refresh(name);
    let plan = planner.plan(serviceKey);
    // Of a Consul service that is gone the last endpoint goes only on a fresh answer that the leader confirmed.
    if (name !== undefined && plan.isEmptied && catalog.instances(name)?.length === 0) {
      await catalog.refresh(name, true);
      plan = planner.plan(serviceKey);
    }
    report.imports(serviceKey, plan);
    metrics.imports.set(planner.count);
    await writer.applyImport(plan);
  }

  views.services.subscribe(onService);
  views.endpointSlices.subscribe(onSlice);
  const lookAtAllOf = (name: string) => {
    for (const service of planner.importing(name)) look(objectKey(service));
  };
  catalog.subscribe(lookAtAllOf);
  hosts.subscribe(lookAtAllOf);
  for (const name of planner.names()) follow(name);
  const lookAtAll = () => {
    for (const key of planner.keys()) look(key);
  };
  lookAtAll();
  return {
    hasKey: (key: string) => key.startsWith(KEY_PREFIX),
    reconcile,
    lookAtAll,
    /** True when some Service takes that Consul service in. */
    takesIn: (name: string) => planner.importing(name).length > 0,
    get count() {
      return planner.count;
    },
  };
}
