import { selects } from '../../config/pattern.ts';
import type { Config } from '../../config/schema.ts';
import { watchedNamespaces } from '../../config/to-consul.ts';
import { decodeServiceNames, SERVICES_REQUEST } from '../../consul/catalog.ts';
import type { ConsulReader } from '../../consul/client.ts';
import { readInstances } from '../../consul/instance-filter.ts';
import { readOwnToken } from '../../consul/own-token.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import { expectArray, expectObject, objectField, stringField } from '../../json.ts';
import type { KubernetesRequester } from '../../kubernetes/client.ts';
import { hasStatus } from '../../kubernetes/errors.ts';
import type { KubernetesObject, Pod } from '../../kubernetes/objects.ts';
import { pathOf, type Resource, type Resources } from '../../kubernetes/resources.ts';
import { parseAnnotations } from '../../to-consul/requests/annotations.ts';
import { registratorServices } from '../../to-consul/requests/registrator.ts';
import { askedByService, namesWanted } from '../../to-consul/requests/requests.ts';
import { isCandidate } from '../../to-kubernetes/requests/selection.ts';

/** Names of services that are looked at: enough to see what kinds of instances there are, and little work for Consul. */
const MOST_SERVICES = 40;
/** Pages of this many objects, and so many pages: a sample of a large cluster, and all of the others. */
const PAGE = 500;
const MOST_PAGES = 10;
/** As Consul takes it, and as nothing in a shell or a policy is anything else. */
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export interface Some<T> {
  readonly items: readonly T[];
  readonly isWhole: boolean;
}

export interface Asked {
  /** Of Consul services, each once, in order. */
  readonly names: readonly string[];
  /** All pods and Services were looked at. */
  readonly isWhole: boolean;
}

/** What several checks need. Each is asked for once, and not before somebody needs it. */
export interface Reads {
  /** Pods that may be registered; not those of other namespaces. */
  readonly pods: () => Promise<Some<Pod>>;
  /** The names that pods and Services ask for in Consul. */
  readonly asked: () => Promise<Asked>;
  /** What Consul knows of our token. */
  readonly token: () => ReturnType<typeof readOwnToken>;
  /** All that Consul has. */
  readonly serviceNames: () => Promise<readonly string[]>;
  /** Instances of some services, whoever registered them. */
  readonly instances: () => Promise<Some<readonly ServiceInstance[]>>;
}

export function createReads(
  { toConsul, toKubernetes }: Config,
  kubernetes: KubernetesRequester,
  resources: Resources,
  consul: ConsulReader,
): Reads {
  const isSelected = ({ namespace }: KubernetesObject) => selects(toConsul.namespaces, namespace);
  const places = placesOf(toConsul);
  const list = async <T extends KubernetesObject>(resource: Resource<T>, labelSelector: string): Promise<Some<T>> => {
    const { items, isWhole } = await listIn(places, (place) => listSome(kubernetes, resource, place, labelSelector));
    return { items: items.filter(isSelected), isWhole };
  };
  const pods = once(() => list(resources.pods, toConsul.selector));
  const serviceNames = once(async () => decodeServiceNames(await consul.get(SERVICES_REQUEST)));
  return {
    pods,
    serviceNames,
    token: once(() => readOwnToken(consul)),
    asked: once(async () => {
      const [ofPods, services] = await Promise.all([pods(), list(resources.services, '')]);
      const names = [
        ...ofPods.items.flatMap((pod) => namesOfPod(pod, toConsul)),
        ...services.items.flatMap((service) => {
          const asked = askedByService(service, toConsul.annotationPrefix);
          return asked ? namesWanted(asked.settings).map(({ name }) => name) : [];
        }),
      ];
      const plain = [...new Set(names)].filter((name) => PLAIN_NAME.test(name)).sort();
      return { names: plain, isWhole: ofPods.isWhole && services.isWhole };
    }),
    instances: once(async () => {
      const names = (await serviceNames()).filter((name) => isCandidate(toKubernetes, name.toLowerCase()));
      const some = names.slice(0, MOST_SERVICES);
      const filter = toKubernetes.enabled ? toKubernetes.filter : '';
      const found = await Promise.allSettled(some.map((name) => readInstances(consul, name, filter)));
      const items = found.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      return { items, isWhole: items.length === names.length };
    }),
  };
}

function namesOfPod(pod: Pod, toConsul: Config['toConsul']): string[] {
  const { registrator, registratorExplicit, injectedContainers, annotationPrefix } = toConsul;
  const { settings } = parseAnnotations(pod.annotations, annotationPrefix);
  if (settings.sync === false) return [];
  const names = namesWanted(settings).map(({ name }) => name);
  if (names.length > 0 || !registrator) return names;
  const options = { explicit: registratorExplicit, injected: injectedContainers };
  return registratorServices(pod, options).services.map(({ name }) => name);
}

/** Where pods and Services are read, as the daemon does it: in all namespaces at once, or in each of some. */
function placesOf(toConsul: Config['toConsul']): readonly string[] {
  if (toConsul.watch === 'cluster') return [ALL];
  return toConsul.enabled ? watchedNamespaces(toConsul) : [];
}

const ALL = '';

/** A namespace that may not be read costs only itself; @throws KubernetesError where none may be */
export async function listIn<T>(
  places: readonly string[],
  read: (place: string) => Promise<Some<T>>,
): Promise<Some<T>> {
  const results = await Promise.allSettled(places.map(read));
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  const other = failures.find((error) => !hasStatus(error, 403));
  if (other !== undefined || (failures.length > 0 && failures.length === places.length)) throw other ?? failures[0];
  const found = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  return {
    items: found.flatMap(({ items }) => items),
    isWhole: failures.length === 0 && found.every(({ isWhole }) => isWhole),
  };
}

/** The first pages of the objects there. One that cannot be read costs only itself. */
async function listSome<T extends KubernetesObject>(
  kubernetes: KubernetesRequester,
  resource: Resource<T>,
  namespace: string,
  labelSelector: string,
): Promise<Some<T>> {
  const items: T[] = [];
  let next = '';
  for (let page = 0; page < MOST_PAGES; page++) {
    const answer = expectObject(
      await kubernetes.request({
        purpose: { verb: 'list', kind: resource.kind, object: namespace },
        path: pathOf(resource, namespace),
        query: {
          limit: String(PAGE),
          ...(labelSelector === '' ? {} : { labelSelector }),
          ...(next === '' ? {} : { continue: next }),
        },
      }),
      `${resource.kind} list`,
    );
    items.push(...expectArray(answer.items, `${resource.kind} list`).flatMap((item) => decoded(resource, item)));
    next = stringField(objectField(answer, 'metadata'), 'continue');
    if (next === '') return { items, isWhole: true };
  }
  return { items, isWhole: false };
}

function decoded<T extends KubernetesObject>({ decode }: Resource<T>, item: unknown): T[] {
  try {
    return [decode(item)];
  } catch {
    return [];
  }
}

function once<T>(read: () => Promise<T>): () => Promise<T> {
  let reading: Promise<T> | undefined;
  return () => (reading ??= read());
}
