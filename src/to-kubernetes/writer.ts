import { hasStatus } from '../kubernetes/errors.ts';
import { SERVICE_NAME_LABEL, type KubernetesObject, type Service } from '../kubernetes/objects.ts';
import type { Resource, Resources } from '../kubernetes/resources.ts';
import type { View } from '../kubernetes/view.ts';
import type { ObjectApi, PatchBody } from '../kubernetes/write.ts';
import type { Changes } from '../reconcile/changes.ts';
import { ANNOTATION, LABEL, ownershipLabels, SLICE_MANAGER, type Owner } from '../reconcile/mark.ts';
import type { DesiredEndpoints, DesiredService, DesiredSlice } from './desired.ts';
import type { NamespacePlan, Views } from './planner.ts';

/** There is an object of that name which the view does not show, or not yet as ours: the next look may know more. */
export class NameTaken extends Error {}

export interface Writer {
  /**
   * Writes one namespace's plan: first what comes (Service, slices, Endpoints), then what goes, the other way round, so that
   * an address that moves between slices is never nowhere.
   * @throws the first failure, after everything was tried
   */
  apply(plan: NamespacePlan): Promise<void>;
}

/**
 * Writes objects to Kubernetes. Whatever the API server answers goes into the view at once, so that the next look does
 * not depend on how quickly the watch delivers our own work.
 */
export function createWriter(owner: Owner, api: ObjectApi, resources: Resources, views: Views): Writer {
  const labels = ownershipLabels(owner);

  async function write<D extends { readonly name: string }, O extends KubernetesObject>(
    { attempt, namespace }: Pass,
    resource: Resource<O>,
    view: View<O> | undefined,
    { create, update }: Changes<D, O>,
    body: (desired: D) => Body,
  ): Promise<void> {
    for (const desired of create) {
      await attempt(async () => {
        const { metadata, ...rest } = body(desired);
        const object = { metadata: { ...metadata, name: desired.name, namespace }, ...rest };
        view?.put(await createNew(resource, namespace, desired.name, object));
      });
    }
    for (const { desired, observed } of update) {
      await attempt(async () => view?.put(await api.patch(resource, observed, withoutImmutable(body(desired)))));
    }
  }

  async function createNew<O extends KubernetesObject>(
    resource: Resource<O>,
    namespace: string,
    name: string,
    body: object,
  ): Promise<O> {
    try {
      return await api.create(resource, namespace, name, body);
    } catch (cause) {
      if (!hasStatus(cause, 409)) throw cause;
      throw new NameTaken(`create ${resource.kind} ${namespace}/${name}: expected no object of that name, found one`, {
        cause,
      });
    }
  }

  async function remove<O extends KubernetesObject>(
    { attempt }: Pass,
    resource: Resource<O>,
    view: View<O> | undefined,
    { remove: objects }: Changes<unknown, O>,
  ): Promise<void> {
    for (const object of objects) {
      await attempt(async () => {
        await api.remove(resource, object);
        view?.drop(object);
      });
    }
  }

  return {
    async apply({ namespace, service, slices, endpoints }) {
      const pass = createPass(namespace);
      const endpointsView = views.endpoints.get(namespace);
      const ownerOf = (name: string) => ownerReference(views.services.get(`${namespace}/${name}`), namespace, name);
      await write(pass, resources.services, views.services, service, (desired) => serviceBody(labels, desired));
      await write(pass, resources.endpointSlices, views.endpointSlices, slices, (desired) =>
        sliceBody(labels, desired, ownerOf(desired.serviceName)),
      );
      await write(pass, resources.endpoints, endpointsView, endpoints, (desired) =>
        endpointsBody(labels, desired, ownerOf(desired.name)),
      );
      await remove(pass, resources.endpoints, endpointsView, endpoints);
      await remove(pass, resources.endpointSlices, views.endpointSlices, slices);
      await remove(pass, resources.services, views.services, service);
      pass.end();
    },
  };
}

/** The writes of one namespace: one that fails holds up no other, or dead addresses would stay for its sake. */
interface Pass {
  readonly namespace: string;
  readonly attempt: (write: () => Promise<void>) => Promise<void>;
  /** @throws the first failure */
  end(): void;
}

function createPass(namespace: string): Pass {
  const failures: unknown[] = [];
  return {
    namespace,
    async attempt(write) {
      try {
        await write();
      } catch (error) {
        failures.push(error);
      }
    },
    end() {
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** addressType cannot change, so a patch does not mention it. */
function withoutImmutable({ metadata, addressType, ...mutable }: Body): PatchBody {
  return { ...mutable, metadata };
}

/** No blockOwnerDeletion: that would need rights on finalizers of Services. */
function ownerReference(service: Service | undefined, namespace: string, name: string): object {
  if (!service)
    throw new Error(
      `write EndpointSlices of Service ${namespace}/${name}: expected the Service in the view, found none`,
    );
  return { apiVersion: 'v1', kind: 'Service', name: service.name, uid: service.uid };
}

interface Body {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly addressType?: string;
}
type Labels = Readonly<Record<string, string>>;

function serviceBody(labels: Labels, { consulService, ports }: DesiredService) {
  const annotations = { [ANNOTATION.consulService]: consulService, [ANNOTATION.consulK8sSync]: 'false' };
  return {
    metadata: { labels, annotations },
    // selector null: somebody may have added one, which would make the endpoints controller overwrite our Endpoints.
    spec: { type: 'ClusterIP', selector: null, ports: ports.map((port) => withoutEmpty(port)) },
  };
}

function sliceBody(
  labels: Labels,
  { consulService, serviceName, addressType, ports, endpoints }: DesiredSlice,
  owner: object,
) {
  return {
    metadata: {
      labels: { ...labels, [SERVICE_NAME_LABEL]: serviceName, [LABEL.sliceManagedBy]: SLICE_MANAGER },
      annotations: { [ANNOTATION.consulService]: consulService },
      ownerReferences: [owner],
    },
    addressType,
    ports: ports.map((port) => withoutEmpty(port)),
    // All three conditions, always: Istio reads an absent `terminating` as true when `ready` is false.
    endpoints: endpoints.map(({ address, zone }) =>
      withoutEmpty({ addresses: [address], conditions: { ready: true, serving: true, terminating: false }, zone }),
    ),
  };
}

function endpointsBody(labels: Labels, { consulService, subsets }: DesiredEndpoints, owner: object) {
  return {
    // Our slices say the same already: mirroring these Endpoints too would double every address.
    metadata: {
      labels: { ...labels, 'endpointslice.kubernetes.io/skip-mirror': 'true' },
      annotations: { [ANNOTATION.consulService]: consulService },
      ownerReferences: [owner],
    },
    subsets: subsets.map(({ addresses, ports }) => ({
      addresses: addresses.map((ip) => ({ ip })),
      ports: ports.map((port) => withoutEmpty(port)),
    })),
  };
}

function withoutEmpty(object: object): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== ''));
}
