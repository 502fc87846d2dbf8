import type { Access } from '../../../src/kubernetes/access.ts';
import type { KubernetesObject } from '../../../src/kubernetes/objects.ts';
import { WatchedView, type Followed } from '../../../src/kubernetes/view.ts';
import { node } from '../builders.ts';

/** As much of a Namespace as is looked at. */
export function namespaceObject(overrides: Partial<KubernetesObject> = {}): KubernetesObject {
  return { ...node(), name: 'shop', uid: 'uid-of-shop', ...overrides };
}

/** Objects that somebody follows; each start to follow reads them anew. */
export class FollowedObjects {
  isReadable = true;
  failure: string | undefined;
  objects: readonly KubernetesObject[];
  /** Of the newest start. */
  view = new WatchedView<KubernetesObject>(new Map());
  readonly signals: AbortSignal[] = [];

  constructor(...objects: KubernetesObject[]) {
    this.objects = objects;
  }

  get isFollowed(): boolean {
    return this.signals.some(({ aborted }) => !aborted);
  }

  readonly follow = (signal: AbortSignal): Followed<KubernetesObject> => {
    this.signals.push(signal);
    this.view = new WatchedView(new Map(this.objects.map((object) => [object.name, object])));
    const failureNow = () => this.failure;
    return {
      synced: this.isReadable ? Promise.resolve(this.view) : new Promise(() => undefined),
      get failure() {
        return failureNow();
      },
    };
  };
}

/** Rights as the API server tells of them: all but those that are denied; or its failure. */
export class Rights {
  denied: readonly string[] = [];
  error: Error | undefined;
  asked = 0;

  readonly may = ({ verb, resource }: Access): Promise<boolean | undefined> => {
    this.asked++;
    if (this.error) return Promise.reject(this.error);
    return Promise.resolve(!this.denied.includes(`${verb} ${resource}`));
  };
}
