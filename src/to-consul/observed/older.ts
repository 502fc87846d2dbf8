import type { NodeState, Observation, OwnInstance } from './own-instance.ts';

/**
 * Whether Consul has an entry of ours with a lower ModifyIndex than it had before: these only ever grow, unless Consul is put
 * back to an older state, or is another. An entry that is missing proves nothing: anybody may have removed it.
 * @param except pods of which something newer is known
 */
export function hasOlder(
  known: { readonly node: NodeState; readonly instances: ReadonlyMap<string, OwnInstance> },
  observed: Observation,
  except: ReadonlySet<string>,
): boolean {
  if (
    known.node.state === 'ours' &&
    observed.node.state === 'ours' &&
    observed.node.modifyIndex < known.node.modifyIndex
  )
    return true;
  return [...observed.instances].some(([identity, { podKey, serviceIndex, checkIndex }]) => {
    const before = known.instances.get(identity);
    if (!before || except.has(podKey)) return false;
    // 0 says that there is no check of ours.
    return serviceIndex < before.serviceIndex || (checkIndex > 0 && checkIndex < before.checkIndex);
  });
}
