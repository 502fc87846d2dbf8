import type { ConsulClient } from '../consul/client.ts';
import { ConsulError, isDenied, UntrustworthyAnswer } from '../consul/errors.ts';
import { createKeyValue } from '../consul/key-value.ts';
import type { NodeReader } from '../consul/node-reader.ts';
import { rightId, ruleFor, type ConsulRight } from '../consul/rights.ts';
import { TokenRights } from '../consul/token-rights.ts';
import { fenceKey } from '../leadership/fence-record.ts';
import type { Owner } from '../mark.ts';
import { entryId, entryIn, ownNodeName } from '../to-consul/identity/entry.ts';

/** Something that is made. */
export interface OwnWrite {
  readonly kind: 'ServiceInstance' | 'Key';
  readonly object: string;
  readonly note: string;
}

type Asked = Pick<ConsulClient, 'get' | 'put' | 'post'>;

interface Given {
  readonly nodes: Pick<NodeReader, 'read'>;
  readonly consul: Asked;
}

export interface OwnWrites {
  readonly writes: readonly OwnWrite[];
  /** What is not written for want of a right, and the rule that gives it, a sentence each. */
  readonly warnings: readonly string[];
}

/**
 * What `run` writes to Consul for itself, whichever directions are on:
 *
 * | in Consul                   | planned                                                    |
 * |-----------------------------|------------------------------------------------------------|
 * | no node, or no entry on it  | its own entry                                              |
 * | no key of the fence         | the key                                                    |
 * | the token may not write its own node, or service consular | no entry, and a warning      |
 * | the token may not write, or read, the key | no key, and a warning: `run` goes without a fence |
 * | either is there             | nothing: what stands in it is of the process that wrote it |
 *
 * @throws ConsulError, UntrustworthyAnswer when Consul does not say what is there
 */
export async function planOwnWrites({ nodes, consul }: Given, owner: Owner): Promise<OwnWrites> {
  const [contents, fenceState, rights] = await Promise.all([
    nodes.read(ownNodeName(owner), true),
    readFence(consul, owner),
    readTokenRights(consul, owner),
  ]);
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
  const key = rightToFence(owner);
  const noEntry = rightsToEntry(owner).filter((right) => rights?.isDenied(right));
  const noFence = fenceState === 'denied' || rights?.isDenied(key) === true;
  return {
    writes: [
      ...(entryIn(owner, contents) || noEntry.length > 0 ? [] : [entry]),
      ...(fenceState === 'there' || noFence ? [] : [fence]),
    ],
    warnings: [
      ...noEntry.map((right) => `Consular's own entry is not written: ${adviceOn(right)}`),
      ...(noFence ? [`writes go without a fence: ${adviceOn(key)}`] : []),
    ],
  };
}

function rightsToEntry(owner: Owner): ConsulRight[] {
  return [
    { resource: 'node', name: ownNodeName(owner) },
    { resource: 'service', name: 'consular' },
  ];
}

function rightToFence({ cluster }: Owner): ConsulRight {
  return { resource: 'key', name: fenceKey(cluster) };
}

function adviceOn(right: ConsulRight): string {
  return `the token may not write ${rightId(right)}: add \`${ruleFor(right)}\` to its policy`;
}

/** Undefined where Consul does not tell what the token may write: then it is planned as if it may. */
async function readTokenRights(consul: Asked, owner: Owner): Promise<TokenRights | undefined> {
  const rights = new TokenRights(consul);
  try {
    await rights.learn([...rightsToEntry(owner), rightToFence(owner)]);
    return rights;
  } catch (error) {
    if (error instanceof ConsulError || error instanceof UntrustworthyAnswer) return undefined;
    throw error;
  }
}

async function readFence(consul: Asked, { cluster }: Owner): Promise<'there' | 'missing' | 'denied'> {
  try {
    return (await createKeyValue(consul).read(fenceKey(cluster))) === undefined ? 'missing' : 'there';
  } catch (error) {
    if (isDenied(error)) return 'denied';
    throw error;
  }
}
