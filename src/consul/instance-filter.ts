import { decodeInstances, instancesRequest } from './catalog.ts';
import type { ConsulAnswer, ConsulReader, ConsulRequest } from './client.ts';
import { UntrustworthyAnswer } from './errors.ts';
import type { ServiceInstance } from './types.ts';

/** A service that changes all the time is read again later. */
const MOST_PAIRS = 3;

/** All instances of one service at one moment. */
export interface Look {
  readonly instances: readonly ServiceInstance[];
  /** X-Consul-Index of that moment. */
  readonly index: number;
  /** Of the token that all of it was read with. */
  readonly tokenTerm: number;
}

/** An ID is unique on its node only. */
export function identity(instance: ServiceInstance): string {
  return `${instance.node}/${instance.id}`;
}

/**
 * Marks the instances that a filter does not select. Consul alone knows what a filter means, so it is asked once more, about this one
 * service: it looks at these instances then, and not at all that it has. Both answers must be of the same moment and token: whatever
 * changed between them would look like an instance that is not selected. Where they are not, both are read again.
 *
 * @param answer without the filter
 * @param filter in Consul's filter language; with an empty one nothing is marked and nothing is asked
 * @param ask reads the service now
 * @throws UntrustworthyAnswer when no two answers are of the same moment
 */
export async function lookThrough(
  spelling: string,
  answer: ConsulAnswer,
  filter: string,
  ask: (query: ConsulRequest['query']) => Promise<ConsulAnswer>,
): Promise<Look> {
  const { purpose } = instancesRequest(spelling);
  let whole = answer;
  for (let pairs = 1; ; pairs++) {
    const { index, tokenTerm } = whole;
    const instances = decodeInstances(whole, spelling);
    if (filter === '' || instances.length === 0) return { instances, index, tokenTerm };
    const part = await ask({ filter });
    const selected = new Set(decodeInstances(part, spelling).map(identity));
    if (part.index === index && part.tokenTerm === tokenTerm)
      return { instances: instances.map((one) => marked(one, selected)), index, tokenTerm };
    if (pairs === MOST_PAIRS) throw new UntrustworthyAnswer(purpose, 'another one with toKubernetes.filter each time');
    whole = await ask({});
    if (whole.index < index) throw new UntrustworthyAnswer(purpose, 'one older than the last');
  }
}

function marked(instance: ServiceInstance, selected: ReadonlySet<string>): ServiceInstance {
  return selected.has(identity(instance)) ? instance : { ...instance, isLeftOut: true };
}

/**
 * All instances of a service now, for whoever looks and removes nothing.
 * @throws ConsulError, UntrustworthyAnswer
 */
export async function readInstances(
  client: ConsulReader,
  name: string,
  filter: string,
): Promise<readonly ServiceInstance[]> {
  const ask = (query: ConsulRequest['query'] = {}) => client.get({ ...instancesRequest(name), query });
  return (await lookThrough(name, await ask(), filter, ask)).instances;
}
