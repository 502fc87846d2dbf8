import type { EndpointSlice, KubernetesObject, Pod, Service } from './objects.ts';
import type { Resource, Resources } from './resources.ts';
import { UnitedView } from './united-view.ts';
import type { Followed } from './view.ts';

/** One kind in one namespace while it is followed, as a Reflector does it. */
export interface FollowedKind<T extends KubernetesObject> extends Followed<T> {
  /** Whether the failure is that there is no right to read it. */
  readonly isRefused: boolean;
  /** Resolves when what changed until now was taken in. */
  resume(): Promise<void>;
}

export interface WatchedNamespacesOptions {
  /** All that are read. */
  readonly names: Iterable<string>;
  /** Those of them whose pods are read too. */
  readonly withPods: ReadonlySet<string>;
  readonly resources: Pick<Resources, 'pods' | 'services' | 'endpointSlices'>;
  /** Starts to follow a kind there. @param onRefused to be called each time that the API server refuses it for want of a right */
  readonly follow: <T extends KubernetesObject>(
    resource: Resource<T>,
    namespace: string,
    onRefused: () => void,
  ) => FollowedKind<T>;
}

interface Kind {
  readonly plural: string;
  readonly followed: FollowedKind<KubernetesObject>;
  readonly refusals: Set<() => void>;
}

/**
 * Pods, Services and EndpointSlices of some namespaces, each followed for itself, for those who have no right to read all of
 * them. A namespace is a whole, and none waits for another:
 *
 * | the namespace                                          | its objects                                                 |
 * |--------------------------------------------------------|-------------------------------------------------------------|
 * | is not read yet                                        | are waited for: until then there are no views at all        |
 * | may not be read, at the start                          | are in no view, until all of its kinds were read completely  |
 * | was read completely                                    | are in the views                                            |
 * | may not be read any more                               | stay in the views as they were: nobody sees them go         |
 *
 * What is in no view is no proof that it is gone: that takes a direct read, which is refused in such a namespace too.
 */
export class WatchedNamespaces {
  readonly pods = new UnitedView<Pod>();
  readonly services = new UnitedView<Service>();
  readonly endpointSlices = new UnitedView<EndpointSlice>();
  /** Resolves when each namespace was read completely, or is known not to be readable. */
  readonly settled: Promise<unknown>;
  readonly #kinds = new Map<string, readonly Kind[]>();
  readonly #opened = new Map<string, Promise<void>>();

  constructor({ names, withPods, resources, follow }: WatchedNamespacesOptions) {
    const settled: Promise<unknown>[] = [];
    for (const namespace of new Set(names)) {
      const { kinds, begin } = collector(namespace, follow);
      const [services, slices] = [begin(resources.services), begin(resources.endpointSlices)];
      const pods = withPods.has(namespace) ? begin(resources.pods) : undefined;
      const open = async () => {
        const [ofServices, ofSlices, ofPods] = await Promise.all([services.synced, slices.synced, pods?.synced]);
        this.services.add(namespace, ofServices);
        this.endpointSlices.add(namespace, ofSlices);
        // Last: whoever hears of a pod looks at the Services over it.
        if (ofPods) this.pods.add(namespace, ofPods);
      };
      const opened = open();
      this.#kinds.set(namespace, kinds);
      this.#opened.set(namespace, opened);
      settled.push(Promise.race([opened, ...kinds.map(refusalOf)]));
    }
    this.settled = Promise.all(settled);
  }

  get names(): IterableIterator<string> {
    return this.#kinds.keys();
  }

  /** Resolves when the objects of that namespace are in the views. */
  opened(namespace: string): Promise<void> {
    return this.#opened.get(namespace) ?? Promise.resolve();
  }

  /** Why a namespace may not be read, for each that may not. */
  get closed(): ReadonlyMap<string, string> {
    return new Map(
      [...this.#kinds].flatMap(([namespace, kinds]): [string, string][] => {
        const refused = kinds.find(({ followed }) => followed.isRefused);
        return refused ? [[namespace, refused.followed.failure ?? '']] : [];
      }),
    );
  }

  /** Why what is known may be out of date. A namespace that may not be read is no failure. */
  get failure(): string | undefined {
    const failures = [...this.#kinds].flatMap(([namespace, kinds]) =>
      kinds.flatMap(({ plural, followed: { failure, isRefused } }) =>
        failure === undefined || isRefused ? [] : [`${plural} in ${namespace}: ${failure}`],
      ),
    );
    return failures.length > 0 ? failures.join('; ') : undefined;
  }

  /** Resolves when everything that may be read is as it was at the call, or newer. */
  async resume(): Promise<void> {
    await Promise.all([...this.#kinds.values()].flat().map(resumeKind));
  }
}

function collector(namespace: string, follow: WatchedNamespacesOptions['follow']) {
  const kinds: Kind[] = [];
  return {
    kinds,
    begin: <T extends KubernetesObject>(resource: Resource<T>): FollowedKind<T> => {
      const refusals = new Set<() => void>();
      const followed = follow(resource, namespace, () => {
        for (const tell of refusals) tell();
      });
      kinds.push({ plural: resource.plural, followed, refusals });
      return followed;
    },
  };
}

/** Resolves with the next refusal. */
function refusalOf({ refusals }: Kind): Promise<void> {
  return new Promise((resolve) => {
    const tell = () => {
      refusals.delete(tell);
      resolve();
    };
    refusals.add(tell);
  });
}

async function resumeKind(kind: Kind): Promise<void> {
  if (!kind.followed.isRefused) await Promise.race([kind.followed.resume(), refusalOf(kind)]);
}
