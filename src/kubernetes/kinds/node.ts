import { list, message, only, sharedString, string, type Encoded } from '../encoding/message.ts';
import { ZONE_LABEL, type Node } from '../objects.ts';
import { metadataTable, objectOf, type Keep } from './metadata.ts';

const ADDRESS = message({ type: [1, sharedString], address: [2, string] });
const STATUS = only('addresses', 5, list(ADDRESS));

export function nodeDecoder(keep: Keep): (object: Encoded) => Node {
  const table = message({
    metadata: [1, metadataTable(keep, (key) => key === ZONE_LABEL)],
    status: [3, STATUS],
  });
  return (object) => {
    const { metadata, status } = object.as(table);
    const internal = status.find(({ type }) => type === 'InternalIP');
    return { ...objectOf('Node', metadata), internalIP: internal?.address ?? '' };
  };
}
