import { expectObject, objectField, stringField } from '../json.ts';
import type { Log } from '../observability/log.ts';
import type { ConsulReader } from './client.ts';
import { ConsulError } from './errors.ts';

/** How many operations Consul takes in one transaction; without the right to ask for its version, what all versions take. */
export async function readTransactionLimit(client: ConsulReader, log: Log): Promise<number> {
  try {
    const { body } = await client.get({ purpose: 'read Consul version', path: '/agent/self' });
    return transactionLimitOf(stringField(objectField(expectObject(body, 'agent'), 'Config'), 'Version'));
  } catch (error) {
    if (!(error instanceof ConsulError && error.status === 403)) throw error;
    log.warn('Consul does not tell this token its version, transactions stay small', { error });
    return transactionLimitOf('');
  }
}

/** 128 from Consul 1.14 on, 64 before and for anything that is no version. */
export function transactionLimitOf(version: string): number {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 1 || (major === 1 && minor >= 14) ? 128 : 64;
}
