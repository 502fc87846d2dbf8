import { parseConfig } from '../../../../src/config/load.ts';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import { SERVICE_NAME_LABEL, type EndpointSlice, type Service } from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION, LABEL, SLICE_MANAGER } from '../../../../src/mark.ts';
import type { Hosts } from '../../../../src/to-kubernetes/addresses/addresses.ts';
import { ImportPlanner, type ImportPlan } from '../../../../src/to-kubernetes/imports/planner.ts';
import { Planner } from '../../../../src/to-kubernetes/plan/planner.ts';
import { NO_REFUSALS, type Refusals } from '../../../../src/to-kubernetes/plan/sources.ts';
import { writeHosts } from '../../../../src/to-kubernetes/objects/hosts-annotation.ts';
import type { Catalog } from '../../../../src/to-kubernetes/views.ts';
import { annotations, endpoint, marked, owner, service, slice, strings } from '../../builders.ts';
import { NO_HOSTS, views } from '../views.ts';
import type { DesiredSlice } from '../../../../src/to-kubernetes/objects/slice.ts';

export const KEY = 'shop/orders';

/** Somebody's own Service shop/orders that takes Consul service Billing in. */
export function importing(text: Readonly<Record<string, string>> = {}, overrides: Partial<Service> = {}): Service {
  return service({ annotations: annotations({ import: 'Billing', ...text }), ...overrides });
}

/** A slice of a Service's own pods, or whatever somebody else made for it. */
export function othersSlice(addresses: readonly string[], overrides: Partial<EndpointSlice> = {}): EndpointSlice {
  return slice({ name: 'orders-pods', endpoints: addresses.map((address) => endpoint(address)), ...overrides });
}

/** What Kubernetes has once a desired slice was written. */
export function written(
  { name, addressType, ports, endpoints, serviceName, consulService, headless }: DesiredSlice,
  overrides: Partial<EndpointSlice> = {},
): EndpointSlice {
  const hosts = writeHosts(endpoints);
  return slice({
    ...{ name, addressType, ports },
    labels: marked(owner.cluster, {
      [SERVICE_NAME_LABEL]: serviceName,
      [LABEL.sliceManagedBy]: SLICE_MANAGER,
      ...(headless ? { [LABEL.headless]: '' } : {}),
    }),
    annotations: strings({
      [ANNOTATION.importedFrom]: consulService,
      ...(hosts === null ? {} : { [ANNOTATION.hosts]: hosts }),
    }),
    endpoints: endpoints.map(({ address, zone }) => endpoint(address, { zone })),
    ...overrides,
  });
}

/** Kubernetes and Consul as the planners see them. Undefined instances: the Consul service was not read yet. */
export function stage(
  services: readonly Service[],
  instances: readonly ServiceInstance[] | undefined,
  slices: readonly EndpointSlice[] = [],
  hosts: Hosts = NO_HOSTS,
  refusals: Refusals = NO_REFUSALS,
) {
  const shown = views({ services, slices });
  const { toKubernetes } = parseConfig(
    '{cluster: prod, toKubernetes: {importNamespaces: [shop], namespaces: [shop]}}',
    {},
  );
  const catalog: Catalog = {
    names: () => (instances ? ['billing'] : []),
    spelling: () => 'Billing',
    instances: (name) => (name === 'billing' ? instances : undefined),
    isComplete: () => given.isComplete,
    stays: () => !given.isComplete,
  };
  const given = { isComplete: true };
  const mirrors = new Planner(owner, toKubernetes, shown, catalog, hosts, refusals);
  const planner = new ImportPlanner(mirrors.sources);
  return {
    ...{ views: shown, mirrors, planner, given },
    plan: (key = KEY): ImportPlan => planner.plan(key),
    /** The views after the plan was carried out. */
    apply: ({ slices }: ImportPlan): void => {
      for (const desired of slices.create) shown.endpointSlices.put(written(desired));
      for (const { desired, observed } of slices.update)
        shown.endpointSlices.put(
          written(desired, { uid: observed.uid, resourceVersion: String(Number(observed.resourceVersion) + 1) }),
        );
      for (const observed of slices.remove) shown.endpointSlices.drop(observed);
    },
  };
}

/** What would be in the slices that are written, one line each. */
export function shown({ slices }: ImportPlan): string[] {
  const line = ({ name, ports, endpoints }: DesiredSlice) =>
    `${name.replace(/[0-9a-f]{8}$/, '#')} ${ports.map(({ name, port, protocol }) => `${name}=${port}/${protocol}`).join()} ${endpoints.map(({ address }) => address).join()}`;
  return [
    ...slices.create.map((desired) => `create ${line(desired)}`),
    ...slices.update.map(({ desired }) => `update ${line(desired)}`),
    ...slices.remove.map(({ name }) => `remove ${name.replace(/[0-9a-f]{8}$/, '#')}`),
  ];
}
