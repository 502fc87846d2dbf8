import { followBlockingQuery, type BlockingQueryOptions } from '../consul/blocking-query.ts';
import { ConsulError } from '../consul/errors.ts';
import { keyRequest } from '../consul/key-value.ts';
import type { Fence } from './fence.ts';

/** Follows the key of the fence, so that whoever lost it knows before the next write; without a fence there is nothing to follow. */
export function followFence(
  fence: Pick<Fence, 'key' | 'absence' | 'look'>,
  options: Omit<BlockingQueryOptions, 'request' | 'onAnswer' | 'onFailure' | 'perSecond'>,
): void {
  if (fence.absence !== undefined) return;
  // Its outcome is kept, and told.
  const look = () => void fence.look().catch(() => undefined);
  void followBlockingQuery({
    ...options,
    request: keyRequest(fence.key),
    perSecond: 1,
    onAnswer: () => fence.look(),
    onFailure: (error) => {
      if (error instanceof ConsulError && error.status === 404) look();
    },
  });
}
