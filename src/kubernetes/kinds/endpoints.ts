import {
  boolean,
  int32,
  list,
  message,
  only,
  sharedString,
  string,
  type Encoded,
  type ValueOf,
} from '../encoding/message.ts';
import { keepEach } from '../encoding/shared.ts';
import type { Endpoint, EndpointPort, Endpoints, EndpointSlice, EndpointSubset } from '../objects.ts';
import { metadataTable, objectOf, ownerUidOf, type Keep } from './metadata.ts';
import { protocolOf } from './service.ts';

/** discovery/v1; the port of v1 Endpoints has the same names and other numbers. */
const SLICE_PORT = message({
  name: [1, sharedString],
  protocol: [2, sharedString],
  port: [3, int32],
  appProtocol: [4, sharedString],
});
const TARGET = message({ kind: [1, sharedString], namespace: [2, sharedString], name: [3, string] });
const ENDPOINT = message({
  addresses: [1, list(string)],
  conditions: [2, message({ ready: [1, boolean], serving: [2, boolean], terminating: [3, boolean] })],
  targetRef: [4, TARGET],
  zone: [7, sharedString],
});

export function endpointSliceDecoder(keep: Keep): (object: Encoded) => EndpointSlice {
  const table = message({
    metadata: [1, metadataTable(keep)],
    endpoints: [2, list(ENDPOINT)],
    ports: [3, list(SLICE_PORT)],
    addressType: [4, sharedString],
  });
  return (object) => {
    const { metadata, addressType, ports, endpoints } = object.as(table);
    return {
      ...objectOf('EndpointSlice', metadata),
      addressType,
      ports: keepEach(ports, portOf),
      endpoints: keepEach(endpoints, endpointOf),
      ownerUid: ownerUidOf(metadata),
    };
  };
}

/** A port without a number means "all ports": nothing that could be registered or compared, so it is left out. */
function portOf({ name, port, protocol, appProtocol }: ValueOf<typeof SLICE_PORT>): EndpointPort | undefined {
  return port === undefined ? undefined : { name, port, protocol: protocolOf(protocol), appProtocol };
}

function endpointOf({ addresses, conditions, targetRef, zone }: ValueOf<typeof ENDPOINT>): Endpoint | undefined {
  const [address] = addresses;
  if (address === undefined) return undefined;
  const { kind, namespace, name } = targetRef;
  return {
    address,
    ready: conditions.ready ?? true,
    serving: conditions.serving ?? true,
    terminating: conditions.terminating ?? false,
    zone,
    target: name === '' ? undefined : { kind, namespace, name },
  };
}

const SUBSET = message({
  addresses: [1, list(only('ip', 1, string))],
  ports: [
    3,
    list(
      message({
        name: [1, sharedString],
        port: [2, int32],
        protocol: [3, sharedString],
        appProtocol: [4, sharedString],
      }),
    ),
  ],
});

export function endpointsDecoder(keep: Keep): (object: Encoded) => Endpoints {
  const table = message({ metadata: [1, metadataTable(keep)], subsets: [2, list(SUBSET)] });
  return (object) => {
    const { metadata, subsets } = object.as(table);
    return {
      ...objectOf('Endpoints', metadata),
      subsets: keepEach(subsets, subsetOf),
      ownerUid: ownerUidOf(metadata),
    };
  };
}

function subsetOf({ addresses, ports }: ValueOf<typeof SUBSET>): EndpointSubset {
  return { addresses: keepEach(addresses, (ip) => ip), ports: keepEach(ports, portOf) };
}
