import type { Config } from '../../config/schema.ts';
import type { Service } from '../../kubernetes/objects.ts';
import { ANNOTATION, isMarkedObject, META, ownsObject } from '../../mark.ts';
import { parseAnnotations } from '../../to-consul/requests/annotations.ts';
import type { OwnInstance } from '../../to-consul/observed/own-instance.ts';
import type { ServiceProblem } from '../../to-consul/registration/rejection.ts';
import type { Registration } from '../../to-consul/registration/registration.ts';
import { noPod } from '../../to-consul/report/reporter.ts';
import { mistakesOf } from '../../to-consul/desired/service-mistakes.ts';
import { askedByService } from '../../to-consul/requests/requests.ts';
import type { World } from '../../world/world.ts';
import { plansFor } from './pod.ts';
import {
  annotationSettings,
  explainedObserved,
  explainedTold,
  podChanges,
  rejectionsOf,
  summaryOf,
  type Decision,
  type Explanation,
  type Fact,
} from './explanation.ts';
import { toldOf } from '../told.ts';
import { explainImport } from './import.ts';
import { describeGoing, explainNamespace } from './consul-service.ts';
import { isGoing } from '../../to-kubernetes/plan/going.ts';
import { toldOfServices } from '../told.ts';
import { planServices, type PlannedServices } from '../../world/read-once.ts';

type Part = Pick<Explanation, 'pods' | 'observed' | 'changes' | 'rejections' | 'warnings'> & {
  readonly notes: readonly string[];
};
const NOTHING: Part = { pods: [], observed: [], changes: [], rejections: [], warnings: [], notes: [] };

/** Undefined when neither system knows such a Service. */
export async function explainService(config: Config, world: World, key: string): Promise<Explanation | undefined> {
  const service = (world.toConsul ?? world.toKubernetes)?.views.services.get(key);
  const asPublisher = await publishes(config, world, key, service);
  if (!service && asPublisher.observed.length === 0) return undefined;
  const { owner, toKubernetes } = world;
  const planned = service && toKubernetes && (await planServices(config, owner, toKubernetes));
  const asMirror = service && planned ? mirrors(planned, service) : NOTHING;
  const asImport = service && (await explainImport(config, world, planned, service));
  const { rule, notes } = service
    ? decisionOf(config, world, service, asImport?.rule)
    : { rule: 'there is no such Service', notes: [] };
  return {
    kind: 'service',
    name: key,
    cluster: config.cluster,
    exists: service !== undefined,
    found: service ? factsOf(service) : [{ what: 'Service', value: 'Kubernetes has no Service of that name' }],
    settings: service ? annotationSettings('Service', service, config.annotationPrefix) : [],
    decision: { rule, notes: [...notes, ...asPublisher.notes, ...asMirror.notes] },
    desired: [],
    observed: asPublisher.observed,
    pods: asPublisher.pods,
    imported: asImport?.imported ?? [],
    changes: [...asPublisher.changes, ...asMirror.changes, ...(asImport?.changes ?? [])],
    rejections: [...asPublisher.rejections, ...asMirror.rejections, ...(asImport?.rejections ?? [])],
    warnings: [...asPublisher.warnings, ...asMirror.warnings, ...(asImport?.warnings ?? [])],
  };
}

function factsOf({ type, clusterIPs, selector, ports, deletionTimestamp }: Service): Fact[] {
  return [
    ...(deletionTimestamp === '' ? [] : [{ what: 'deletion', value: deletionTimestamp }]),
    { what: 'type', value: type },
    { what: 'ClusterIPs', value: clusterIPs.join(', ') || '(none)' },
    { what: 'selector', value: [...selector].map(([key, value]) => `${key}=${value}`).join(', ') || '(none)' },
    ...ports.map(({ name, port, protocol, targetPort }) => ({
      what: 'port',
      value: `${port}/${protocol}${name === '' ? '' : ` ${name}`} to ${targetPort}`,
    })),
  ];
}

/** @param importing what is said of the Service as one that takes instances in, if it does */
function decisionOf(
  config: Config,
  { owner, toConsul, toKubernetes }: World,
  service: Service,
  importing: string | undefined,
): Decision {
  const isOff = toConsul ? [] : ['toConsul.enabled is false: nothing is registered'];
  const notes = [...(importing === undefined ? [] : [importing]), ...isOff];
  if (ownsObject(owner, service.labels)) {
    const from = service.annotations.get(ANNOTATION.consulService) ?? '(its annotation is gone)';
    const why = toKubernetes?.views.namespaces.closed.get(service.namespace);
    const standsStill =
      why === undefined ? [] : [`it stays as it is: nothing can be written into its namespace: ${why}`];
    const going = isGoing(service) ? [`the Service is one ${describeGoing(service)}`] : [];
    return {
      rule: `the Service is Consular's own, mirrored from Consul service ${from}`,
      notes: [...notes, ...standsStill, ...going],
    };
  }
  if (isMarkedObject(service.labels))
    return { rule: 'the Service was made by a Consular of another cluster, and asks for nothing', notes };
  const request = askedByService(service, config.annotationPrefix);
  if (request) {
    const { serviceName, ports } = request.settings;
    const names = [serviceName, ...[...ports.values()].map((port) => port.serviceName)].filter((name) => name);
    const rule =
      names.length > 0
        ? `the Service asks for its pods to be registered as ${names.join(', ')}`
        : 'what the Service asks for is not known, because of mistakes in its annotations';
    return { rule, notes };
  }
  if (importing !== undefined) return { rule: importing, notes: isOff };
  return parseAnnotations(service.annotations, config.annotationPrefix, 'service').settings.sync === false
    ? { rule: 'the annotation service-sync of the Service is "false"', notes }
    : { rule: 'the Service asks for nothing: no annotation service-name, and none service-sync: "true"', notes };
}

/** The Service in its part of putting its pods into Consul. */
async function publishes(
  config: Config,
  { owner, toConsul }: World,
  key: string,
  service: Service | undefined,
): Promise<Part> {
  if (!toConsul) return NOTHING;
  const [namespace = '', name = ''] = key.split('/');
  const { own } = toConsul;
  const isOfService = ({ meta }: Registration) => meta.get(META.service) === name;
  const ofService = (podKey: string): OwnInstance[] =>
    [...own.ofPod(podKey).values()].filter(({ registration }) => isOfService(registration));
  const left = [...own.podKeys()].filter((pod) => pod.startsWith(`${namespace}/`) && ofService(pod).length > 0);
  const plans = await plansFor(config, owner, toConsul, () => true);
  const podKeys = [...new Set([...(service ? plans.index.podsOfService(service) : []), ...left])].sort();
  const asks = service !== undefined && askedByService(service, config.annotationPrefix) !== undefined;
  const parts: Part[] = [];
  const ofServices: ServiceProblem[] = service ? [...mistakesOf(service, config.toConsul)] : [];
  for (const pod of podKeys) {
    const plan = await plans.plan(pod);
    ofServices.push(...plan.ofServices.filter((problem) => problem.service === key));
    const { changes, unproven, held, kept, retained, whyGone } = plan;
    const mine = ({ registration }: OwnInstance) => isOfService(registration);
    const changed = podChanges({
      changes: {
        create: changes.create.filter(isOfService),
        // The one or the other: a Service that takes an instance over from its pod changes it too.
        update: changes.update.filter(({ desired, observed }) => isOfService(desired) || mine(observed)),
        remove: changes.remove.filter(mine),
      },
      unproven: unproven.filter(({ instance }) => mine(instance)),
      held: held.filter(mine),
      kept: kept.filter(mine),
      retained: retained.filter(({ registration }) => isOfService(registration)),
      whyGone,
    });
    parts.push({
      pods: [{ pod, says: summaryOf(plan, own.ofPod(pod).size) }],
      observed: ofService(pod).map(explainedObserved),
      changes: changed,
      rejections: asks ? rejectionsOf(`Pod ${pod}`, plan.rejections) : [],
      warnings: [],
      notes: [],
    });
  }
  parts.push({ ...NOTHING, ...explainedTold(toldOfServices(ofServices)) });
  const without = service ? plans.index.addressesWithoutPod(service) : [];
  if (without.length > 0) parts.push({ ...NOTHING, rejections: rejectionsOf(`Service ${key}`, [noPod(without)]) });
  if (asks && podKeys.length === 0)
    parts.push({ ...NOTHING, notes: ['no EndpointSlice of the Service targets a pod'] });
  return merge(parts);
}

/** The Service as a mirrored one, or as one that stands in the way of a mirrored Service. */
function mirrors({ planner, plans }: PlannedServices, service: Service): Part {
  const names = new Set([...planner.nameOf(service), ...planner.namesWanting(service.name)]);
  return merge(
    [...names].map((name): Part => {
      const plan = plans.get(name);
      const here = plan?.namespaces.find(({ namespace }) => namespace === service.namespace);
      if (!plan) return NOTHING;
      const isCopy = planner.nameOf(service).includes(name);
      if (!here) return isCopy ? { ...NOTHING, ...explainedTold(toldOf(name, plan)) } : NOTHING;
      const isOwn = isCopy || here.serviceName === service.name;
      return isOwn ? { ...NOTHING, ...explainNamespace(name, plan.mirrored, here) } : NOTHING;
    }),
  );
}

function merge(parts: readonly Part[]): Part {
  return {
    pods: parts.flatMap(({ pods }) => pods),
    observed: parts.flatMap(({ observed }) => observed),
    changes: parts.flatMap(({ changes }) => changes),
    rejections: parts.flatMap(({ rejections }) => rejections),
    warnings: parts.flatMap(({ warnings }) => warnings),
    notes: parts.flatMap(({ notes }) => notes),
  };
}
