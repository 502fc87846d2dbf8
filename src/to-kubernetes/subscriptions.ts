import type { Endpoints, KubernetesObject } from '../kubernetes/objects.ts';
import type { View } from '../kubernetes/view.ts';
import { isOfApiServer } from './addresses/addresses.ts';
import type { Planner } from './plan/planner.ts';
import type { Views } from './views.ts';

type Enqueue = (names: Iterable<string>) => void;
interface Subscribable {
  subscribe(listener: (name: string) => void): void;
}
type Look = (before: KubernetesObject | undefined, after: KubernetesObject | undefined) => void;

/** From what changed in Consul to the names to look at. A name is known before the next is planned, whichever that is. */
export function subscribeToConsul(catalog: Subscribable, planner: Pick<Planner, 'learn'>, enqueue: Enqueue): void {
  catalog.subscribe((name) => enqueue(planner.learn(name)));
}

/** From what changed in Kubernetes to the names to look at. */
export function subscribe(views: Views, planner: Planner, enqueue: Enqueue): void {
  const look: Look = (before, after) => {
    for (const object of [before, after]) if (object) enqueue(planner.nameOf(object));
  };
  views.services.subscribe((before, after) => {
    look(before, after);
    // Somebody else's Service may be in the way of a name, or out of it now.
    const service = after ?? before;
    if (service) enqueue(planner.namesWanting(service.name));
  });
  views.endpointSlices.subscribe((before, after) => {
    look(before, after);
    if (after) enqueue(planner.nameBehind(after));
  });
  subscribeToNamespaces(views, planner, enqueue, look);
  subscribeToIstio(views, planner, enqueue, look);
}

/** A namespace that is opened has other v1 Endpoints than before, and whatever else happened there meanwhile was left alone. */
function subscribeToNamespaces({ endpoints, namespaces }: Views, planner: Planner, enqueue: Enqueue, look: Look): void {
  const followed = new WeakSet<View<Endpoints>>();
  const follow = () => {
    for (const view of endpoints.values()) {
      if (followed.has(view)) continue;
      followed.add(view);
      view.subscribe((before, after) => {
        look(before, after);
        const object = after ?? before;
        if (object) enqueue(planner.nameBehind(object));
      });
    }
  };
  follow();
  namespaces.subscribe(() => {
    follow();
    enqueue(planner.keys());
  });
}

/** What no endpoint may be has changed: any address may be concerned. */
export function subscribeToAddresses({ endpointSlices, serviceCIDRs }: Views, lookAtAll: () => void): void {
  serviceCIDRs?.subscribe(lookAtAll);
  endpointSlices.subscribe((before, after) => {
    if ([before, after].some((slice) => slice && isOfApiServer(slice))) lookAtAll();
  });
}

/** WorkloadEntries can come and go as a whole, and pods are read when they came. */
function subscribeToIstio({ workloadEntries, pods }: Views, planner: Planner, enqueue: Enqueue, look: Look): void {
  let areFollowed = false;
  const follow = () => {
    for (const view of workloadEntries.found?.views.values() ?? []) view.subscribe(look);
    const known = pods();
    if (!known || areFollowed) return;
    areFollowed = true;
    known.subscribe((before, after) => {
      if (after && after.podIPs.join() !== before?.podIPs.join()) enqueue(planner.namesAt(after));
    });
  };
  follow();
  workloadEntries.subscribe(() => {
    follow();
    enqueue(planner.keys());
  });
}
