import { TransactionConflict } from '../consul/errors.ts';
import type { KeyValue } from '../consul/key-value.ts';
import { readRecord } from './fence-record.ts';

/** Between a read and a delete somebody may write the key, and somebody else is to be seen. */
const MOST_TRIES = 5;

/**
 * Deletes the key of the fence, as long as it is ours: from then on whatever another process writes is not fenced by us.
 * @param holder who we are
 * @throws Error when somebody else holds it; ConsulError, TransactionConflict when it could not be read or deleted
 */
export async function removeFence(
  keyValue: Pick<KeyValue, 'read' | 'remove'>,
  key: string,
  holder: string,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const stored = await keyValue.read(key);
    if (!stored) return;
    const found = readRecord(stored.value);
    if (found?.holder !== holder)
      throw new Error(
        `delete key ${key}: expected to hold it, found ${found?.holder ?? 'what no Consular wrote'} in it`,
      );
    try {
      return await keyValue.remove(key, stored.index);
    } catch (error) {
      if (!(error instanceof TransactionConflict) || error.isDenied || tries === MOST_TRIES) throw error;
    }
  }
}
