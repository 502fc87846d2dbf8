import { isObject } from '../../json.ts';
import { int32, message, sharedString, string, strings, type Encoded, type Type } from '../encoding/message.ts';
import { sharedMap } from '../encoding/shared.ts';
import type { WorkloadEntry } from '../objects.ts';
import { metadataTable, objectOf, ownerUidOf, type Keep } from './metadata.ts';

const NO_PORTS: ReadonlyMap<string, number> = new Map();

const ports: Type<ReadonlyMap<string, number>> = {
  empty: NO_PORTS,
  json(value) {
    if (!isObject(value)) return NO_PORTS;
    return new Map(Object.entries(value).flatMap(([name, port]) => (typeof port === 'number' ? [[name, port]] : [])));
  },
  protobuf() {
    throw new TypeError('read WorkloadEntry: expected JSON, as of every custom resource, found protobuf');
  },
};

/** networking.istio.io; the numbers are those of its proto, though the API server has custom resources in JSON only. */
const SPEC = message({
  address: [1, string],
  ports: [2, ports],
  labels: [3, strings()],
  locality: [5, sharedString],
  weight: [6, int32],
  serviceAccount: [7, sharedString],
});

export function workloadEntryDecoder(keep: Keep): (object: Encoded) => WorkloadEntry {
  const table = message({ metadata: [1, metadataTable(keep)], spec: [2, SPEC] });
  return (object) => {
    const { metadata, spec } = object.as(table);
    const { address, ports, labels, locality, weight, serviceAccount } = spec;
    return {
      ...objectOf('WorkloadEntry', metadata),
      ...{ address, ports, locality, weight, serviceAccount },
      workloadLabels: sharedMap(labels),
      ownerUid: ownerUidOf(metadata),
    };
  };
}
