import { list, message, sharedString, string, type Encoded } from '../encoding/message.ts';
import { ZONE_LABEL, type Node } from '../objects.ts';
import { metadataTable, objectOf, type Keep } from './metadata.ts';

const ADDRESS = message({ type: [1, sharedString], address: [2, string] });
const CONDITION = message({ type: [1, sharedString], status: [2, sharedString] });
const STATUS = message({ conditions: [4, list(CONDITION)], addresses: [5, list(ADDRESS)] });

export function nodeDecoder(keep: Keep): (object: Encoded) => Node {
  const table = message({
    metadata: [1, metadataTable(keep, (key) => key === ZONE_LABEL)],
    status: [3, STATUS],
  });
  return (object) => {
    const { metadata, status } = object.as(table);
    const internal = status.addresses.find(({ type }) => type === 'InternalIP');
    const ready = status.conditions.find(({ type }) => type === 'Ready');
    return { ...objectOf('Node', metadata), internalIP: internal?.address ?? '', ready: ready?.status ?? '' };
  };
}
