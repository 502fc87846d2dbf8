import { isDenied } from '../consul/errors.ts';
import { createKeyValue } from '../consul/key-value.ts';
import { fenceKey } from '../leadership/fence-record.ts';
import type { Owner } from '../mark.ts';
import { entryId, entryIn, ownNodeName } from '../to-consul/identity/entry.ts';
import type { Clients } from '../world/context.ts';

/** Something that is made. */
export interface OwnWrite {
  readonly kind: 'ServiceInstance' | 'Key';
  readonly object: string;
  readonly note: string;
}

/**
 * What `run` writes to Consul for itself, whichever directions are on:
 *
 * | in Consul                   | planned                                                    |
 * |-----------------------------|------------------------------------------------------------|
 * | no node, or no entry on it  | its own entry                                              |
 * | no key of the fence         | the key                                                    |
 * | the token may not read that | nothing: `run` goes without a fence                        |
 * | either is there             | nothing: what stands in it is of the process that wrote it |
 *
 * @throws ConsulError, UntrustworthyAnswer when Consul does not say what is there
 */
export async function planOwnWrites({ nodes, consul }: Clients, owner: Owner): Promise<OwnWrite[]> {
  const [contents, hasFence] = await Promise.all([nodes.read(ownNodeName(owner), true), isThere(consul, owner)]);
  const entry: OwnWrite = {
    kind: 'ServiceInstance',
    object: `${ownNodeName(owner)}/${entryId(owner)}`,
    note: "Consular's own entry, of service consular",
  };
  const fence: OwnWrite = {
    kind: 'Key',
    object: fenceKey(owner.cluster),
    note: 'the fence, which keeps late writes out',
  };
  return [...(entryIn(owner, contents) ? [] : [entry]), ...(hasFence ? [] : [fence])];
}

async function isThere(consul: Clients['consul'], { cluster }: Owner): Promise<boolean> {
  try {
    return (await createKeyValue(consul).read(fenceKey(cluster))) !== undefined;
  } catch (error) {
    if (isDenied(error)) return true;
    throw error;
  }
}
