import type {
  EndpointPort,
  Endpoints,
  EndpointSlice,
  EndpointSubset,
  Service,
  ServicePort,
} from '../kubernetes/objects.ts';
import { ANNOTATION, LABEL, SLICE_MANAGER } from '../reconcile/mark.ts';
import type { DesiredEndpoints, DesiredService, DesiredSlice } from './desired.ts';
import { writeHosts } from './slice-hosts.ts';
import { modeOf } from './workload-spread.ts';

/**
 * Whether an object of ours is as it should be, in all that we write. What others add (other labels, fields that we have no
 * opinion on) is theirs.
 */
export function sameService(desired: DesiredService, observed: Service): boolean {
  const same = (a: ServicePort, b: ServicePort) => samePort(a, b) && a.targetPort === b.targetPort;
  return (
    observed.annotations.get(ANNOTATION.consulService) === desired.consulService &&
    observed.annotations.get(ANNOTATION.consulK8sSync) === 'false' &&
    observed.annotations.get(ANNOTATION.portChoice) === desired.portChoice &&
    (desired.mode === 'istio' ? modeOf(observed) === 'istio' : observed.selector.size === 0) &&
    observed.type === 'ClusterIP' &&
    (!desired.shape.dualStack || observed.ipFamilyPolicy.endsWith('DualStack')) &&
    sameList(desired.ports, observed.ports, same)
  );
}

export function sameSlice(desired: DesiredSlice, observed: EndpointSlice): boolean {
  const present = new Map(observed.endpoints.map((endpoint) => [endpoint.address, endpoint]));
  return (
    observed.labels.get(LABEL.sliceManagedBy) === SLICE_MANAGER &&
    observed.labels.has(LABEL.headless) === desired.headless &&
    (observed.annotations.get(ANNOTATION.hosts) ?? null) === writeHosts(desired.endpoints) &&
    present.size === desired.endpoints.length &&
    desired.endpoints.every(({ address, zone }) => {
      const found = present.get(address);
      return found?.ready === true && found.serving && !found.terminating && found.zone === zone && !found.target;
    }) &&
    sameList(desired.ports, observed.ports, samePort)
  );
}

export function sameEndpoints(desired: DesiredEndpoints, observed: Endpoints): boolean {
  return (
    observed.labels.get(LABEL.skipMirror) === 'true' &&
    observed.labels.has(LABEL.headless) === desired.headless &&
    observed.annotations.has(ANNOTATION.overCapacity) === desired.truncated &&
    sameSubsets(desired.subsets, observed.subsets)
  );
}

function sameSubsets(desired: readonly EndpointSubset[], observed: readonly EndpointSubset[]): boolean {
  return sameList(
    desired,
    observed,
    (a, b) => sameList(a.addresses, b.addresses, Object.is) && sameList(a.ports, b.ports, samePort),
  );
}

function samePort(a: EndpointPort, b: EndpointPort): boolean {
  return a.name === b.name && a.port === b.port && a.protocol === b.protocol && a.appProtocol === b.appProtocol;
}

function sameList<A, B>(a: readonly A[], b: readonly B[], same: (a: A, b: B) => boolean): boolean {
  return a.length === b.length && a.every((item, i) => same(item, b[i] as B));
}
