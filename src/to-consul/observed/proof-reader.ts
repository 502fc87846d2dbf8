import { SERVICE_NAME_LABEL, type EndpointSlice, type KubernetesObject } from '../../kubernetes/objects.ts';
import type { ObjectApi } from '../../kubernetes/object-api.ts';
import type { Resource, Resources } from '../../kubernetes/resources.ts';
import { podsOfSlice } from '../views.ts';

/** A direct read that an inferred removal waits for. */
export interface Proof {
  /** For EndpointSlice all slices of a Service, of which none may target the pod. */
  readonly kind: 'Pod' | 'Service' | 'EndpointSlice';
  readonly namespace: string;
  /** Of the pod or Service. */
  readonly name: string;
  /** Empty for any. */
  readonly uid: string;
}

/** Reads directly what an inferred removal waits for. */
export class ProofReader {
  readonly #api: Pick<ObjectApi, 'get' | 'list'>;
  readonly #resources: Resources;
  readonly #selector: string;
  readonly #checkCluster: () => Promise<void>;
  /** Slices that are being read, by Service: when its selector changes, all of its pods ask at once. */
  readonly #reading = new Map<string, Promise<readonly EndpointSlice[]>>();

  /**
   * @param checkCluster rejects when the API server answers for another cluster, or when that cannot be told
   * @param selector of the pods that are in the views; empty for all
   */
  constructor(
    api: Pick<ObjectApi, 'get' | 'list'>,
    resources: Resources,
    checkCluster: () => Promise<void>,
    selector: string,
  ) {
    this.#api = api;
    this.#selector = selector;
    this.#resources = resources;
    this.#checkCluster = checkCluster;
  }

  /**
   * Whether the object is there after all, of which the views say that it is not. A "no" is of our cluster.
   * @throws KubernetesError, TypeError when it cannot be read; OtherClusterError
   */
  async exists(podKey: string, proof: Proof): Promise<boolean> {
    const isThere = await this.#find(podKey, proof);
    if (!isThere) await this.#checkCluster();
    return isThere;
  }

  async #find(podKey: string, { kind, namespace, name, uid }: Proof): Promise<boolean> {
    if (kind === 'EndpointSlice')
      return (await this.#slicesOf(namespace, name)).some((slice) => podsOfSlice(slice).includes(podKey));
    const { pods, services } = this.#resources;
    const resource: Resource<KubernetesObject> = kind === 'Pod' ? pods : services;
    const observed = await this.#api.get(resource, namespace, name);
    const isThere = observed !== undefined && (uid === '' || observed.uid === uid);
    return isThere && kind === 'Pod' ? this.#isSelected(namespace, name, uid) : isThere;
  }

  /** A pod that has not the labels any more is there and asks for nothing: only the API server says what a selector means. */
  async #isSelected(namespace: string, name: string, uid: string): Promise<boolean> {
    if (this.#selector === '') return true;
    const selected = await this.#api.list(this.#resources.pods, namespace, this.#selector, name);
    return selected.some((pod) => pod.name === name && (uid === '' || pod.uid === uid));
  }

  #slicesOf(namespace: string, service: string): Promise<readonly EndpointSlice[]> {
    const key = `${namespace}/${service}`;
    let reading = this.#reading.get(key);
    if (!reading) {
      reading = this.#api
        .list(this.#resources.endpointSlices, namespace, `${SERVICE_NAME_LABEL}=${service}`)
        .finally(() => this.#reading.delete(key));
      this.#reading.set(key, reading);
    }
    return reading;
  }
}
