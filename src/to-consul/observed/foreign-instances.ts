import { sleep } from '../../backoff.ts';
import { followBlockingQuery } from '../../consul/blocking-query.ts';
import {
  decodeInstances,
  decodeServiceNames,
  FROM_THE_LEADER,
  instancesRequest,
  SERVICES_REQUEST,
} from '../../consul/catalog.ts';
import type { ConsulAnswer, ConsulClient } from '../../consul/client.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { META, ownsInstance, type Owner } from '../../mark.ts';
import { nodeNameOf } from '../registration/registration.ts';

/** What was read is believed for this long: a burst of pods of one service is one read. */
const FRESH_MS = 2000;
/** Each followed name is a connection, and Consul allows 200 for one client (see consul/client.ts). */
const MOST_FOLLOWED = 20;
/** Names beyond that are read again in turn, together this often, */
const POLL_MS = 100;
/** or this often while the list of names says that instances come and go. */
const BUSY_POLL_MS = 10;

export interface ForeignOptions {
  readonly client: ConsulClient;
  readonly owner: Owner;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

/**
 * Who else has instances of the names that our pods want. It costs one list of names, which Consul filters for us. Only
 * names that are both wanted by a new pod and used by others are read, and only those that somebody waits for are
 * followed.
 */
export class ForeignInstances {
  readonly #options: ForeignOptions;
  /** Lower-case names to their spelling: those with at least one instance on a node that is not ours. */
  #listed = new Map<string, string>();
  readonly #read = new Map<string, { readonly at: number; readonly instances: readonly ServiceInstance[] }>();
  readonly #followed = new Map<string, AbortController>();
  readonly #listeners = new Set<(name: string) => void>();
  /** Aborted by each list of names: who else has a name may have changed. */
  #wake = new AbortController();

  private constructor(options: ForeignOptions) {
    this.#options = options;
  }

  /** @throws ConsulError, UntrustworthyAnswer when the names could not be read. */
  static async read(options: ForeignOptions): Promise<ForeignInstances> {
    const foreign = new ForeignInstances(options);
    foreign.takeNames(await options.client.get(foreign.request));
    return foreign;
  }

  /** Names with instances on nodes of others. A Consul before 1.12 ignores the filter and lists all, which only costs more. */
  get request() {
    const filter = `NodeMeta["${META.cluster}"] != "${this.#options.owner.cluster}"`;
    return { ...SERVICES_REQUEST, query: { filter } };
  }

  /** Told of each followed name, lower case, when its foreign instances changed; it is not followed any more then. */
  subscribe(listener: (name: string) => void): void {
    this.#listeners.add(listener);
  }

  takeNames(answer: ConsulAnswer): void {
    this.#listed = new Map(decodeServiceNames(answer).map((name) => [name.toLowerCase(), name]));
    for (const name of this.#read.keys()) if (!this.#listed.has(name)) this.#read.delete(name);
    for (const name of this.#followed.keys()) if (!this.#listed.has(name)) this.#changed(name);
    this.#wake.abort();
    this.#wake = new AbortController();
  }

  /** The foreign instances of a service, in any case of its name; undefined when they have to be read first. */
  of(service: string): readonly ServiceInstance[] | undefined {
    const name = service.toLowerCase();
    if (!this.#listed.has(name)) return [];
    const read = this.#read.get(name);
    return read && performance.now() - read.at < FRESH_MS ? read.instances : undefined;
  }

  /** Reads the foreign instances of a service, when there are any. @throws ConsulError, UntrustworthyAnswer */
  async ensure(service: string): Promise<void> {
    const name = service.toLowerCase();
    const spelling = this.#listed.get(name);
    if (spelling === undefined || this.of(name)) return;
    const { client, signal } = this.#options;
    const request = instancesRequest(spelling);
    this.#take(name, await client.get({ ...request, signal }));
  }

  /** Follows a name until its foreign instances change or nobody else has it. */
  follow(service: string): void {
    const name = service.toLowerCase();
    const spelling = this.#listed.get(name);
    if (spelling === undefined || this.#followed.has(name)) return;
    const stop = new AbortController();
    this.#followed.set(name, stop);
    const signal = AbortSignal.any([this.#options.signal, stop.signal]);
    const request = instancesRequest(spelling);
    const before = locationsOf(this.#read.get(name)?.instances ?? []);
    const onAnswer = (answer: ConsulAnswer) => {
      if (!signal.aborted && locationsOf(this.#take(name, answer)) !== before) this.#changed(name);
    };
    if (this.#followed.size > MOST_FOLLOWED) void this.#poll(request, onAnswer, signal);
    else
      void followBlockingQuery({
        ...this.#options,
        signal,
        request: { ...request, query: FROM_THE_LEADER },
        perSecond: 10,
        onAnswer,
      });
  }

  async #poll(
    request: ReturnType<typeof instancesRequest>,
    onAnswer: (answer: ConsulAnswer) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, log } = this.#options;
    while (!signal.aborted) {
      // One that comes during the first sleep ends the second.
      const woken = AbortSignal.any([signal, this.#wake.signal]);
      await sleep(this.#followed.size * BUSY_POLL_MS, signal);
      await sleep(this.#followed.size * (POLL_MS - BUSY_POLL_MS), woken);
      if (signal.aborted) return;
      try {
        onAnswer(await client.get({ ...request, signal }));
      } catch (error) {
        if (!signal.aborted) log.warn('service could not be read, will ask again', { query: request.purpose, error });
      }
    }
  }

  #take(name: string, answer: ConsulAnswer): readonly ServiceInstance[] {
    const { owner } = this.#options;
    const ourNodes = nodeNameOf(owner.cluster, '');
    const instances = decodeInstances(answer, name).filter(
      ({ node, meta }) => !(node.toLowerCase().startsWith(ourNodes) && ownsInstance(owner, meta)),
    );
    this.#read.set(name, { at: performance.now(), instances });
    return instances;
  }

  #changed(name: string): void {
    this.#followed.get(name)?.abort();
    this.#followed.delete(name);
    for (const listener of this.#listeners) listener(name);
  }
}

/** What a duplicate depends on, to compare. */
function locationsOf(instances: readonly ServiceInstance[]): string {
  return instances
    .map(({ node, id, address, nodeAddress, port, namedPorts, status }) =>
      [node, id, address || nodeAddress, port, namedPorts.join(), status].join(' '),
    )
    .sort()
    .join('\n');
}

/** The live instance that already serves at this address and port under this name, if there is one. */
export function holderOf(
  instances: readonly ServiceInstance[],
  { address, port }: { readonly address: string; readonly port: number },
): ServiceInstance | undefined {
  return instances.find(
    (instance) =>
      instance.status !== 'critical' &&
      (instance.port === port || instance.namedPorts.includes(port)) &&
      (instance.address || instance.nodeAddress) === address,
  );
}
