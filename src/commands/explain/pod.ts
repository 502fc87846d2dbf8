import type { Config } from '../../config/schema.ts';
import { objectKey, workloadOf, type Container, type Pod } from '../../kubernetes/objects.ts';
import { parseAnnotations } from '../../to-consul/requests/annotations.ts';
import { desiredRegistrations, type PlanSources } from '../../to-consul/desired/desired-registrations.ts';
import { gateOf, readinessOf, servedGate } from '../../to-consul/desired/readiness.ts';
import { defaultPort, isInjected } from '../../to-consul/requests/default-port.ts';
import { namesWanted, askedByService } from '../../to-consul/requests/requests.ts';
import type { World } from '../../world/world.ts';
import {
  annotationSettings,
  explainedObserved,
  explainedRegistration,
  explainedTold,
  podChanges,
  rejectionsOf,
  variableSettings,
  type Explanation,
  type Fact,
  type Setting,
} from './explanation.ts';
import { toldOfRights, toldOfServices } from '../told.ts';
import { planPods, type PodPlans } from '../../world/read-once.ts';
import type { PodPlan } from '../../to-consul/plan/pod-plan.ts';
import { gateCondition } from '../../to-consul/report/readiness-gate.ts';

type ToConsul = NonNullable<World['toConsul']>;

/** For explaining pods: those whose turn comes first are planned already. */
export async function plansFor(
  config: Config,
  owner: World['owner'],
  toConsul: ToConsul,
  isAfter: (podKey: string) => boolean,
): Promise<PodPlans> {
  const pods = planPods(config, owner, toConsul);
  const { maxInstances, default: fallback } = config.toConsul.policy;
  // Only these two settings make what one pod gets depend on what others have got.
  if (maxInstances > 0 || fallback === 'deny')
    for (const key of [...pods.planner.keys()].sort()) if (isAfter(key)) await pods.plan(key);
  return pods;
}

/** Undefined when neither system knows such a pod. */
export async function explainPod(
  config: Config,
  owner: World['owner'],
  toConsul: ToConsul,
  key: string,
): Promise<Explanation | undefined> {
  const { views, own } = toConsul;
  const pod = views.pods.get(key);
  const observed = [...own.ofPod(key).values()];
  if (!pod && observed.length === 0) return undefined;
  const plans = await plansFor(config, owner, toConsul, (other) => other < key);
  const plan = await plans.plan(key);
  const sources = pod && plans.index.sourcesOf(pod);
  const desired = sources && desiredRegistrations(owner, config.toConsul, sources);
  const ofServices = explainedTold([...toldOfServices(plan.ofServices), ...toldOfRights(plans.unknownRights)], true);
  return {
    kind: 'pod',
    name: key,
    cluster: config.cluster,
    exists: pod !== undefined,
    found: pod ? factsOf(pod, config) : [{ what: 'pod', value: noSuchPod(config.toConsul) }],
    settings: sources ? settingsOf(sources, config) : [],
    decision: { rule: plan.rule, notes: notesOf(pod, sources, plan, config) },
    desired: [...(desired?.registrations.values() ?? [])].map((wish) => explainedRegistration(wish, '')),
    observed: observed.map(explainedObserved),
    pods: [],
    imported: [],
    changes: podChanges(plan),
    rejections: [...rejectionsOf(`Pod ${key}`, plan.rejections), ...ofServices.rejections],
    warnings: [...plan.warnings, ...ofServices.warnings],
  };
}

function noSuchPod({ selector }: Config['toConsul']): string {
  const that = selector === '' ? '' : ` that toConsul.selector selects (${selector})`;
  return `Kubernetes has no pod of that name${that}`;
}

function factsOf(pod: Pod, { toConsul }: Config): Fact[] {
  const fact = (what: string, value: string): Fact[] => (value === '' ? [] : [{ what, value }]);
  return [
    ...fact('phase', pod.phase || '(none)'),
    ...fact('node', pod.nodeName === '' ? '(none)' : `${pod.nodeName} (${pod.hostIP || 'no hostIP'})`),
    ...fact('IPs', pod.podIPs.join(', ') || '(none)'),
    ...fact('hostNetwork', pod.hostNetwork ? 'true' : ''),
    ...fact('Ready', pod.ready ? `${pod.ready.status}${since(pod.ready.lastTransitionTime)}` : '(no such condition)'),
    ...fact('readiness', readinessOf(pod, servedGate(toConsul)).output),
    ...fact('deletion', pod.deletionTimestamp),
    ...pod.readinessGates.map((gate) => ({
      what: 'readiness gate',
      value: `${gate}: ${pod.conditions.get(gate) ?? '(no condition)'}`,
    })),
    ...fact('workload', workloadOf(pod)),
    ...pod.containers.flatMap((container) =>
      container.ports.map(({ name, port, protocol }) => ({
        what: 'port',
        value: `${port}/${protocol}${name === '' ? '' : ` ${name}`} of ${describe(container, toConsul)}`,
      })),
    ),
    ...fact('default port', defaultPortOf(pod, toConsul)),
  ];
}

/** Which port the pod is registered with, and why, where its annotations ask for a service and do not say the port. */
function defaultPortOf(pod: Pod, { injectedContainers, annotationPrefix }: Config['toConsul']): string {
  const { serviceName, port } = parseAnnotations(pod.annotations, annotationPrefix).settings;
  if (serviceName === undefined || port !== undefined) return '';
  const found = defaultPort(pod, injectedContainers);
  return typeof found === 'string' ? '' : `${found.port.port}, of container ${found.container}: ${found.why}`;
}

function describe(container: Container, { injectedContainers }: Config['toConsul']): string {
  const { name, isSidecar } = container;
  const notes = [
    ...(isSidecar ? ['a native sidecar'] : []),
    ...(isInjected(container, injectedContainers) ? ['put into the pod by a mesh'] : []),
  ];
  return `container ${name}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`;
}

const since = (time: string) => (time === '' ? '' : ` since ${time}`);

function settingsOf({ pod, services }: PlanSources, { toConsul }: Config): Setting[] {
  const { annotationPrefix } = toConsul;
  const asks = namesWanted(parseAnnotations(pod.annotations, annotationPrefix).settings).length > 0;
  return [
    ...annotationSettings('Pod', pod, annotationPrefix),
    ...services.flatMap(({ service }) => annotationSettings('Service', service, annotationPrefix)),
    ...(toConsul.registrator
      ? variableSettings(pod, asks ? 'not read: annotations of the pod name a service' : '')
      : []),
  ];
}

function notesOf(
  pod: Pod | undefined,
  sources: PlanSources | undefined,
  plan: PodPlan,
  { toConsul }: Config,
): string[] {
  const gate = gateOf(toConsul.annotationPrefix);
  const condition = pod && toConsul.readinessGate ? gateCondition(pod, plan, gate) : undefined;
  return [
    ...(sources?.services ?? []).map(({ service }) => {
      const asks = askedByService(service, toConsul.annotationPrefix)
        ? 'asks for its pods'
        : 'is over the pod and asks for nothing';
      return `Service ${objectKey(service)} ${asks}`;
    }),
    ...plan.refusedNodes.map((node) => `Consul node ${node} is not Consular's to write to`),
    ...plan.unread.map(
      (service) => `foreign instances of ${service} could not be read in time, so not all can be said`,
    ),
    ...(condition ? [`readiness gate ${gate} would be set to ${condition.status}: ${condition.message}`] : []),
    ...(pod?.readinessGates.includes(gate) && !toConsul.readinessGate
      ? [`readiness gate ${gate} is not served: toConsul.readinessGate is off`]
      : []),
  ];
}
