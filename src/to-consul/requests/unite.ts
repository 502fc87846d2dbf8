import { objectKey, type Service } from '../../kubernetes/objects.ts';
import { quote, type ServiceProblem } from '../registration/rejection.ts';
import { overlay, type Request, type Wishes } from './requests.ts';

/** Requests for one instance of a pod, as one. */
export interface United {
  readonly request: Request;
  /** What Services do not get because another Service wants something else. */
  readonly overruled: readonly ServiceProblem[];
}

/** The requests of a pod that are for the same instance, together, in the order in which they win: the last one first. */
export function sameInstance(requests: readonly Request[]): Request[][] {
  const groups = new Map<string, Request[]>();
  for (const request of requests) {
    // To Consul the case of a name is nothing.
    const key = `${request.name.toLowerCase()} ${request.port} ${request.udp}`;
    groups.set(key, [request, ...(groups.get(key) ?? [])]);
  }
  return [...groups.values()];
}

/**
 * What several ask of one instance:
 *
 * | said                       | by two Services                                  | by the pod and a Service |
 * |----------------------------|--------------------------------------------------|--------------------------|
 * | tags                       | all of them                                      | the pod's, if it says any |
 * | meta                       | all of it; for one key, the smaller name wins    | all of it; for one key, the pod's |
 * | weight, not-ready          | the smaller name wins, if both say it            | the pod's, if it says it |
 * | spelling of the name       | the smaller name wins                            | the pod's                |
 *
 * @param requests at least one, in the order in which they win, the pod's own before those of Services
 */
export function unite(requests: readonly [Request, ...Request[]]): United {
  const [winner] = requests;
  const ofPod = requests.filter(({ service }) => service === undefined);
  const ofServices = requests.filter(({ service }) => service !== undefined);
  // Of two tags that say something else the later one counts.
  const tags = ofServices.toReversed().flatMap(({ wishes }) => wishes.tags ?? []);
  const saysTags = ofServices.some(({ wishes }) => wishes.tags !== undefined);
  const base = layered(ofServices, saysTags ? { tags: [...new Set(tags)] } : {});
  const wishes = ofPod.toReversed().reduce((below, { wishes: above }) => overlay(below, above), base);
  const by = [...new Set(requests.map((request) => request.by))].join(' and ');
  return { request: { ...winner, wishes, by }, overruled: overruledOf(ofServices) };
}

/** @param more wins over all of them */
function layered(requests: readonly Request[], more: Partial<Wishes>): Wishes {
  const none: Wishes = { meta: new Map() };
  return { ...requests.reduceRight((below, { wishes }) => overlay(below, wishes), none), ...more };
}

/** @param requests of Services, in the order in which they win */
function overruledOf(requests: readonly Request[]): ServiceProblem[] {
  const first = new Map<string, { readonly value: string; readonly service: Service }>();
  return requests.flatMap((request): ServiceProblem[] => {
    const { service, name } = request;
    if (!service) return [];
    const lost = [...saidBy(request)].flatMap(([what, value]) => {
      const won = first.get(what);
      if (!won) first.set(what, { value, service });
      return won && won.value !== value
        ? [`${what}: ${won.value} of Service ${objectKey(won.service)}, not ${value}`]
        : [];
    });
    if (lost.length === 0) return [];
    const message = `Service ${objectKey(service)} asks for Consul service ${quote(name)} on the same pods and port as a Service with a smaller name, which wins: ${lost.join('; ')}`;
    return [
      { service: objectKey(service), about: message, kind: 'overruled', rejection: { reason: 'Overruled', message } },
    ];
  });
}

/** What only one of several can have, in words. */
function saidBy({ name, wishes: { meta, weight, notReady } }: Request): Map<string, string> {
  return new Map([
    ['service-name', quote(name)],
    ...[...meta].map(([key, value]) => [`meta ${quote(key)}`, quote(value)] as const),
    ...(weight === undefined ? [] : [['service-weight', String(weight)] as const]),
    ...(notReady === undefined ? [] : [['not-ready', notReady] as const]),
  ]);
}
