import type { EndpointSlice, KubernetesObject } from '../../kubernetes/objects.ts';
import { SERVICE_NAME_LABEL } from '../../kubernetes/objects.ts';
import type { Resource, Resources } from '../../kubernetes/resources.ts';
import type { ObjectApi } from '../../kubernetes/object-api.ts';
import type { Log } from '../../observability/log.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import { podsOfSlice, type Planner } from './planner.ts';
import type { Proof } from './pod-plan.ts';

/** The view does not show what a direct read shows: the key waits until it does. */
export class ViewBehind extends Error {}

export interface ProverOptions {
  readonly api: ObjectApi;
  readonly resources: Resources;
  readonly log: Log;
}

/** Reads directly what an inferred removal waits for. */
export class Prover {
  readonly #options: ProverOptions;
  /** Slices that are being read, by Service: when its selector changes, all of its pods ask at once. */
  readonly #reading = new Map<string, Promise<readonly EndpointSlice[]>>();

  constructor(options: ProverOptions) {
    this.#options = options;
  }

  /**
   * Tells the planner what is proven to be gone.
   * @throws ViewBehind when what an instance needs is there after all; KubernetesError, TypeError when that cannot be read
   */
  async prove(planner: Planner, podKey: string, unproven: readonly OwnInstance[]): Promise<void> {
    for (const observed of unproven) {
      const { registration, podUid } = observed;
      const proof = planner.proofNeeded(podKey, observed);
      if (!proof) continue;
      if (await this.#isThere(podKey, proof))
        throw new ViewBehind(
          `deregister ${registration.id}: the ${proof.kind} is missing from the watch, or not seen as it is, but exists`,
        );
      this.#options.log.info('instance without its object, deregistering', {
        instance: registration.id,
        node: registration.node.name,
        pod: podKey,
        uid: podUid,
        missing: proof.kind,
      });
      planner.proveGone(observed);
    }
  }

  async #isThere(podKey: string, { kind, namespace, name, uid }: Proof): Promise<boolean> {
    const { api, resources } = this.#options;
    if (kind === 'EndpointSlice')
      return (await this.#slicesOf(namespace, name)).some((slice) => podsOfSlice(slice).includes(podKey));
    const resource: Resource<KubernetesObject> = kind === 'Pod' ? resources.pods : resources.services;
    const found = await api.get(resource, namespace, name);
    return found !== undefined && (uid === '' || found.uid === uid);
  }

  #slicesOf(namespace: string, service: string): Promise<readonly EndpointSlice[]> {
    const { api, resources } = this.#options;
    const key = `${namespace}/${service}`;
    let reading = this.#reading.get(key);
    if (!reading) {
      reading = api
        .list(resources.endpointSlices, namespace, `${SERVICE_NAME_LABEL}=${service}`)
        .finally(() => this.#reading.delete(key));
      this.#reading.set(key, reading);
    }
    return reading;
  }
}
