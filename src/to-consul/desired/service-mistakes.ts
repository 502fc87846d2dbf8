import { selects, type Patterns } from '../../config/pattern.ts';
import type { Service } from '../../kubernetes/objects.ts';
import { isMarkedObject } from '../../mark.ts';
import { policyRejections, type Policy } from './policy.ts';
import type { Rejection, ServiceProblem } from '../registration/rejection.ts';
import { validate } from '../registration/registration.ts';
import { parseAnnotations } from '../requests/annotations.ts';
import { namesWanted, saysInVain, wantedByService, wrongOnService } from '../requests/requests.ts';

/** Of no pod, and right: what is asked for here depends on no pod. */
const ANY_PLACE = { address: '192.0.2.1', port: 1 };

export interface MistakesConfig {
  readonly namespaces: Patterns;
  readonly policy: Policy;
  /** Without the slash. */
  readonly annotationPrefix: string;
}

/**
 * What is wrong with what a Service asks for, whatever its pods are, and whether it has any:
 *
 * | a Service                                                      | told                                        |
 * |----------------------------------------------------------------|---------------------------------------------|
 * | in a namespace that is not selected, or switched off           | nothing                                     |
 * | that came out of Consul, and asks                              | that it never gets there                    |
 * | that came out of Consul, with a key that is nearly one of ours | that                                        |
 * | of type ExternalName, and asks                                 | that it has no pods                         |
 * | with an annotation that cannot be read, asking or not          | each of these                               |
 * | that says something of a registration, and asks for none       | that                                        |
 * | that asks for a port that it does not have                     | that                                        |
 * | that asks for a name, tags or meta which Consul or the policy refuses | each of these                        |
 */
export function mistakesOf(
  service: Service,
  { namespaces, policy, annotationPrefix }: MistakesConfig,
): readonly ServiceProblem[] {
  if (service.annotations.size === 0 || !selects(namespaces, service.namespace)) return [];
  const { settings, rejections } = parseAnnotations(service.annotations, annotationPrefix, 'service');
  const asks = settings.sync === true || namesWanted(settings).length > 0;
  // On these Consular itself writes that the catalog sync of consul-k8s is switched off.
  if (isMarkedObject(service.labels)) return mistakesOfMirrored(service, asks, rejections);
  if (settings.sync === false) return [];
  const never = whyNever(service, asks);
  if (never !== undefined) return never;
  const outcomes = rejections.length > 0 ? [] : wantedByService(service, annotationPrefix);
  const inVain = rejections.length > 0 || asks ? [] : saysInVain(service, annotationPrefix);
  const refused = outcomes.flatMap((outcome): readonly Rejection[] => {
    if ('rejections' in outcome) return [];
    const { name, wishes } = outcome;
    const { tags = [], meta } = wishes;
    const registration = { ...ANY_PLACE, service: name, tags, meta };
    return [...validate(registration, meta), ...policyRejections(policy, service.namespace, registration, meta)];
  });
  return [
    ...[...rejections, ...inVain, ...refused].map((rejection) => wrongOnService(service, rejection)),
    ...outcomes.flatMap((outcome) => ('problem' in outcome && outcome.problem ? [outcome.problem] : [])),
  ];
}

/** Other keys there may be those of another version. */
function mistakesOfMirrored(service: Service, asks: boolean, rejections: readonly Rejection[]): ServiceProblem[] {
  const message = 'its annotations ask for a registration, but it came out of Consul itself';
  const never: Rejection[] = asks ? [{ reason: 'InvalidAnnotation', message }] : [];
  const misspelt = rejections.filter(({ message }) => message.includes('did you mean'));
  return [...never, ...misspelt].map((rejection) => wrongOnService(service, rejection));
}

/** Why a Service gets nothing, whatever it asks for; undefined when it may get something. */
function whyNever(service: Service, asks: boolean): readonly ServiceProblem[] | undefined {
  const never = (rejection: Rejection) => (asks ? [wrongOnService(service, rejection)] : []);
  if (service.type !== 'ExternalName') return undefined;
  const message = 'expected pods that can be registered, found type ExternalName, which has none';
  return never({ reason: 'NoPod', message });
}

/** Problems of a registration as problems of the Service that asks for it, or of its pod. */
export interface Blamed {
  readonly service: readonly ServiceProblem[];
  readonly pod: readonly Rejection[];
}

/** @param alone what would be wrong if the pod had no annotations: these are the Service's to mend, and not the pod's */
export function blame(service: Service, problems: readonly Rejection[], alone: readonly Rejection[]): Blamed {
  const ofService = new Set(alone.map(({ message }) => message));
  return {
    service: problems
      .filter(({ message }) => ofService.has(message))
      .map((rejection) => wrongOnService(service, rejection)),
    pod: problems.filter(({ message }) => !ofService.has(message)),
  };
}
