import { list, message, only, string, type Encoded } from '../encoding/message.ts';
import { keepEach } from '../encoding/shared.ts';
import type { ServiceCIDR } from '../objects.ts';
import { metadataTable, objectOf, type Keep } from './metadata.ts';

const SPEC = only('cidrs', 1, list(string));

export function serviceCIDRDecoder(keep: Keep): (object: Encoded) => ServiceCIDR {
  const table = message({ metadata: [1, metadataTable(keep)], spec: [2, SPEC] });
  return (object) => {
    const { metadata, spec } = object.as(table);
    return { ...objectOf('ServiceCIDR', metadata), cidrs: keepEach(spec, (cidr) => cidr) };
  };
}
