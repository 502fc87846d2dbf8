import type { ServiceShape } from '../desired/service-shape.ts';
import type { ServicePort, Service } from '../../kubernetes/objects.ts';
import type { MirroredService } from '../desired/mirrored-service.ts';
import { namedPorts, portChoice } from '../desired/mirrored-ports.ts';
import { LABEL, ANNOTATION } from '../../mark.ts';
import { writeTags } from './tags-annotation.ts';
import { samePort, sameList } from './ports.ts';
import { type Body, withoutEmpty, type Labels } from './body.ts';

/** How a service is mirrored: for everybody alike, or with a WorkloadEntry for each instance, for an Istio mesh. */
export type Mode = 'service' | 'istio';

/** The Service that a MirroredService becomes in one namespace. */
export interface DesiredService {
  readonly name: string;
  readonly consulService: string;
  readonly shape: ServiceShape;
  readonly portChoice: string;
  /** With `istio` it selects its WorkloadEntries. */
  readonly mode: Mode;
  readonly ports: readonly ServicePort[];
  /** As the annotation has them; null where there is none. */
  readonly tags: string | null;
}

export function desiredService(
  name: string,
  { consulService, shape, ports, isGuess, tags }: MirroredService,
  mode: Mode,
): DesiredService {
  return {
    name,
    consulService,
    shape,
    portChoice: portChoice(ports, isGuess),
    mode,
    tags: writeTags(tags),
    ports: namedPorts(ports).map(({ name: targetPort, number, protocol, appProtocol }) => {
      return { name: targetPort, port: number, protocol, targetPort, appProtocol };
    }),
  };
}

/** What a Service selects its WorkloadEntries by: a label that no pod has, and of which each Service has its own value. */
export function workloadSelector(serviceName: string): Readonly<Record<string, string>> {
  return { [LABEL.workloadOf]: serviceName };
}

/** The mode that a Service was written for. An addition to the selector makes it select nothing of ours. */
export function modeOf({ name, selector }: Service): Mode {
  const ours = Object.entries(workloadSelector(name));
  return selector.size === ours.length && ours.every(([key, value]) => selector.get(key) === value)
    ? 'istio'
    : 'service';
}

/** Whether it is as it should be in all that we write. What others add (other labels, fields that we have no opinion on) is theirs. */
export function sameService(desired: DesiredService, observed: Service): boolean {
  const same = (a: ServicePort, b: ServicePort) => samePort(a, b) && a.targetPort === b.targetPort;
  return (
    observed.annotations.get(ANNOTATION.consulService) === desired.consulService &&
    observed.annotations.get(ANNOTATION.consulK8sSync) === 'false' &&
    observed.annotations.get(ANNOTATION.portChoice) === desired.portChoice &&
    (observed.annotations.get(ANNOTATION.consulTags) ?? null) === desired.tags &&
    (desired.mode === 'istio' ? modeOf(observed) === 'istio' : observed.selector.size === 0) &&
    observed.type === 'ClusterIP' &&
    (!desired.shape.dualStack || observed.ipFamilyPolicy.endsWith('DualStack')) &&
    sameList(desired.ports, observed.ports, same)
  );
}

/**
 * What somebody who gave a Service another type may have set beside the type, and what goes with that: of some of it the API
 * server says that a ClusterIP Service cannot have it, and refuses the change of the type.
 */
const OF_OTHER_TYPES = {
  allocateLoadBalancerNodePorts: null,
  externalName: null,
  externalTrafficPolicy: null,
  healthCheckNodePort: null,
  loadBalancerClass: null,
  loadBalancerIP: null,
  loadBalancerSourceRanges: null,
};

export function serviceBody(
  labels: Labels,
  { name, consulService, mode, portChoice, shape, ports, tags }: DesiredService,
): Body {
  const annotations = {
    [ANNOTATION.consulService]: consulService,
    [ANNOTATION.portChoice]: portChoice,
    [ANNOTATION.consulTags]: tags,
    [ANNOTATION.consulK8sSync]: 'false',
  };
  const { headless, onlyFamily, dualStack } = shape;
  return {
    metadata: { labels, annotations },
    fields: {
      spec: {
        type: 'ClusterIP',
        ...OF_OTHER_TYPES,
        // null: somebody may have added one, which would make the endpoints controller overwrite our Endpoints.
        selector: mode === 'istio' ? workloadSelector(name) : null,
        ports: ports.map((port) => withoutEmpty(port)),
        ...(dualStack ? { ipFamilyPolicy: 'PreferDualStack' } : {}),
      },
    },
    immutable: {
      spec: {
        ...(headless ? { clusterIP: 'None' } : {}),
        ...(onlyFamily ? { ipFamilies: [onlyFamily] } : {}),
      },
    },
  };
}
