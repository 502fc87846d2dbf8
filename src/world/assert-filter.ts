import { ConfigError } from '../config/load.ts';
import { ALWAYS_THERE, instancesRequest } from '../consul/catalog.ts';
import type { ConsulReader } from '../consul/client.ts';
import { ConsulError } from '../consul/errors.ts';
import { describe } from '../json.ts';

/** How Consul begins to say what is wrong with an expression; it says so with 500 (seen on 1.22.0). */
const REFUSAL = 'Failed to create boolean expression evaluator: ';

/**
 * Has Consul judge `toKubernetes.filter`, by a question about a service with few instances.
 * @throws ConfigError when Consul takes it for no filter expression; ConsulError when it does not say
 */
export async function assertFilter(client: ConsulReader, filter: string, signal: AbortSignal): Promise<void> {
  if (filter === '') return;
  try {
    await client.get({ ...instancesRequest(ALWAYS_THERE), query: { filter }, signal });
  } catch (error) {
    const refusal = error instanceof ConsulError ? explainRefusal(error) : undefined;
    if (refusal === undefined) throw error;
    const problem = `expected an expression in Consul's filter language, found ${describe(filter)}, which Consul refuses: ${refusal}`;
    throw new ConfigError('of this Consular', [`toKubernetes.filter: ${problem}`]);
  }
}

/** What is wrong with the expression, in Consul's words; undefined when Consul failed for another reason. */
export function explainRefusal({ status, detail }: ConsulError): string | undefined {
  const at = detail.indexOf(REFUSAL);
  if (at >= 0) return detail.slice(at + REFUSAL.length).trim();
  return status === 400 ? detail.trim() : undefined;
}
