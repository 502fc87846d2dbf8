import { inBackground } from '../background.ts';
import { sleep } from '../backoff.ts';
import { followBlockingQuery, type BlockingQueryOptions } from '../consul/blocking-query.ts';
import { ConsulError } from '../consul/errors.ts';
import { keyRequest } from '../consul/key-value.ts';
import type { Fence } from './fence.ts';

/** The right to the key may be given at any time. */
const ASK_AGAIN_MS = 30_000;

/** Follows the key of the fence, so that whoever lost it knows before the next write; whoever has no right to it asks again. */
export async function followFence(
  fence: Pick<Fence, 'key' | 'absence' | 'look' | 'take'>,
  options: Omit<BlockingQueryOptions, 'request' | 'onAnswer' | 'onFailure' | 'perSecond'>,
): Promise<void> {
  const { signal, clock, log } = options;
  while (fence.absence !== undefined && !signal.aborted) {
    await sleep(ASK_AGAIN_MS, signal, clock);
    if (signal.aborted) return;
    await fence.take().catch((error: unknown) => log.warn('the key that fences writes could not be taken', { error }));
  }
  // Its outcome is kept, and told.
  const look = () => inBackground(fence.look().catch(() => undefined));
  await followBlockingQuery({
    ...options,
    request: keyRequest(fence.key),
    perSecond: 1,
    onAnswer: () => fence.look(),
    onFailure: (error) => {
      if (error instanceof ConsulError && error.status === 404) look();
    },
  });
}
