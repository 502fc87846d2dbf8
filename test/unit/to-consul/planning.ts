import type { ServiceInstance } from '../../../src/consul/types.ts';
import type { EndpointSlice, Node, Pod, Service } from '../../../src/kubernetes/objects.ts';
import type { DesiredConfig } from '../../../src/to-consul/desired/desired-registrations.ts';
import type { OwnInstance } from '../../../src/to-consul/observed/own-instance.ts';
import { Admission } from '../../../src/to-consul/plan/admission.ts';
import { Losses } from '../../../src/to-consul/plan/losses.ts';
import { Places } from '../../../src/to-consul/plan/places.ts';
import { Planner } from '../../../src/to-consul/plan/planner.ts';
import { PodIndex } from '../../../src/to-consul/plan/pod-index.ts';
import type { Others } from '../../../src/to-consul/plan/sources.ts';
import { annotations, node, owner, pod, toConsulConfig } from '../builders.ts';
import { viewOf } from '../to-kubernetes/views.ts';
import { MemoryConsul } from './memory-consul.ts';

export interface PlanningGiven {
  readonly pods?: readonly Pod[];
  readonly services?: readonly Service[];
  readonly slices?: readonly EndpointSlice[];
  readonly nodes?: readonly Node[];
  readonly observed?: readonly OwnInstance[];
  readonly others?: Others;
  readonly config?: Partial<DesiredConfig>;
}

/** Where nobody else has anything. */
export const NOBODY: Others = { of: () => [] };

/** All that planning needs, with the given objects in it and a Consul that is a map. */
export function planning(given: PlanningGiven = {}) {
  const config = toConsulConfig(given.config);
  const views = {
    pods: viewOf(...(given.pods ?? [])),
    services: viewOf(...(given.services ?? [])),
    endpointSlices: viewOf(...(given.slices ?? [])),
    nodes: viewOf(...(given.nodes ?? [node()])),
  };
  const consul = new MemoryConsul(...(given.observed ?? []));
  const index = new PodIndex(config, views);
  const others = given.others ?? NOBODY;
  const losses = new Losses(owner.cluster, config, views.pods, consul, 0);
  const plannerWith = (places: Places) =>
    new Planner(owner, config, views, index, consul, new Admission(config.policy, others, places), others, losses);
  const places = new Places(consul);
  return {
    ...{ config, views, consul, index, places, losses },
    planner: plannerWith(places),
    /** A planner that knows of places what Consul has, and nothing else. */
    freshPlanner: () => plannerWith(new Places(consul)),
  };
}

/** A pod of that name that asks to be registered. */
export function podNamed(name: string, overrides: Partial<Pod> = {}, text: Readonly<Record<string, string>> = {}): Pod {
  return pod({
    name,
    uid: `uid-of-${name}`,
    annotations: annotations({ 'service-name': 'orders', ...text }),
    ...overrides,
  });
}

/** The instances that the plans of these pods would create, as Consul has them then. */
export function registered(given: PlanningGiven): OwnInstance[] {
  const { planner, consul } = planning(given);
  for (const key of planner.keys()) consul.apply(planner.plan(key).changes);
  return [...consul.podKeys()].flatMap((podKey) => [...consul.ofPod(podKey).values()]);
}

/** Others that have these instances of a service, or of which nobody knows what they have. */
export function others(services: Readonly<Record<string, readonly ServiceInstance[] | 'unread'>>): Others {
  return {
    of: (service) => {
      const given = services[service.toLowerCase()] ?? [];
      return given === 'unread' ? undefined : given;
    },
  };
}
