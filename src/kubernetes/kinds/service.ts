import {
  int32,
  intOrString,
  list,
  message,
  sharedString,
  string,
  strings,
  type Encoded,
  type ValueOf,
} from '../encoding/message.ts';
import { keepEach, sharedMap } from '../encoding/shared.ts';
import type { Protocol, Service, ServicePort } from '../objects.ts';
import { metadataTable, objectOf, type Keep } from './metadata.ts';

const PORT = message({
  name: [1, sharedString],
  protocol: [2, sharedString],
  port: [3, int32],
  targetPort: [4, intOrString],
  appProtocol: [6, sharedString],
});
const SPEC = message({
  ports: [1, list(PORT)],
  selector: [2, strings()],
  clusterIP: [3, string],
  type: [4, sharedString],
  ipFamilyPolicy: [17, sharedString],
  clusterIPs: [18, list(string)],
  internalTrafficPolicy: [22, sharedString],
  trafficDistribution: [23, sharedString],
});

export function serviceDecoder(keep: Keep): (object: Encoded) => Service {
  const table = message({ metadata: [1, metadataTable(keep)], spec: [2, SPEC] });
  return (object) => {
    const { metadata, spec } = object.as(table);
    const ips = keepEach(spec.clusterIPs, (ip) => ip);
    return {
      ...objectOf('Service', metadata),
      type: spec.type,
      clusterIPs: ips.length > 0 || spec.clusterIP === '' ? ips : [spec.clusterIP],
      ipFamilyPolicy: spec.ipFamilyPolicy,
      internalTrafficPolicy: spec.internalTrafficPolicy,
      trafficDistribution: spec.trafficDistribution,
      selector: sharedMap(spec.selector),
      ports: keepEach(spec.ports, portOf),
    };
  };
}

function portOf({ name, port = 0, protocol, targetPort, appProtocol }: ValueOf<typeof PORT>): ServicePort {
  return { name, port, protocol: protocolOf(protocol), targetPort, appProtocol };
}

/** TCP is the default of every kind, and not always written down. */
export function protocolOf(text: string): Protocol {
  return text === 'UDP' || text === 'SCTP' ? text : 'TCP';
}
