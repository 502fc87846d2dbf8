import type { ConsulOptions } from '../control-plane/index.ts';
import { FaultProxy, type Gate, type SeenTransaction } from './fault-proxy.ts';
import { openRig, statusOf, untilIdle, type Daemon, type DaemonOptions, type Rig } from './index.ts';
import type { PodOptions } from './kubernetes.ts';
import { until, untilEqual } from './until.ts';

/** A rig whose daemon reaches Consul through a fault proxy, so that a test decides what is in flight and what comes back. */
export class WriterStage {
  readonly rig: Rig;
  readonly proxy: FaultProxy;
  #daemon: Daemon | undefined;
  #names = 0;

  private constructor(rig: Rig, proxy: FaultProxy) {
    this.rig = rig;
    this.proxy = proxy;
  }

  static async open(options: ConsulOptions = {}): Promise<WriterStage> {
    const rig = await openRig(options);
    return new WriterStage(rig, await FaultProxy.open(rig.consul.address, `k8s-${rig.cluster}`));
  }

  get daemon(): Daemon {
    if (!this.#daemon) throw new Error('look at the daemon: expected one that was started, found none');
    return this.#daemon;
  }

  /** Starts the daemon, and gives it a pod on each of these nodes: a node is created by the first transaction on it. */
  async start(options: DaemonOptions = {}, nodes: readonly string[] = ['node-1', 'node-2']): Promise<void> {
    this.#daemon = await this.rig.startDaemon({ consulAddress: this.proxy.address, ...options });
    for (const node of nodes) await this.createPods(`first-on-${node}`, 1, { node });
    await untilEqual(
      'a pod on each node',
      async () => (await Promise.all(nodes.map((node) => this.rig.consul.summary(`first-on-${node}`)))).flat().length,
      nodes.length,
    );
    await this.settle();
  }

  /** Waits until nothing is left to write, and forgets the transactions up to here. */
  async settle(): Promise<void> {
    await untilIdle(this.daemon);
    this.proxy.transactions.length = 0;
  }

  /** `count` pods of a service with that name, all at the same time. */
  async createPods(service: string, count: number, options: PodOptions = {}): Promise<void> {
    const annotations = { 'consular.dev/service-name': service, ...options.annotations };
    await Promise.all(
      Array.from({ length: count }, (_, i) =>
        this.rig.kubernetes.createPod(this.rig.namespace, `${service}-${i}`, { ...options, annotations }),
      ),
    );
  }

  async untilRegistered(service: string, count: number): Promise<void> {
    await untilEqual(
      `the instances of ${service}`,
      async () => (await this.rig.consul.summary(service)).filter((row) => row.endsWith(' passing')).length,
      count,
    );
  }

  /**
   * Waits until the daemon has seen all that was done to pods, and has so many pods to write, in flight or not. It sees
   * pods in the order of their changes, so a last one tells when: it waits with the others, or was rejected in the meantime. A pod for
   * which Consul is still asked whether its service is there could miss the transaction of the others.
   */
  async untilToWrite(pods: number): Promise<void> {
    const { kubernetes, namespace } = this.rig;
    const marker = `marker-${this.#names++}`;
    await kubernetes.createPod(namespace, marker, { annotations: { 'consular.dev/service-weight': 'none' } });
    await until(`${pods} pods to write`, async () => {
      const isThrough = this.daemon.records.some(({ object }) => object === `${namespace}/${marker}`);
      const { toConsul } = await statusOf(this.daemon);
      if (this.proxy.answering > 0) return false;
      return toConsul !== null && toConsul.waiting + toConsul.busy === pods + (isThrough ? 0 : 1);
    });
  }

  /** Puts two transactions in flight, each of one new pod, and holds them there: whatever comes now has to gather. */
  async occupy(): Promise<Gate> {
    const gate = this.proxy.hold();
    for (const count of [1, 2]) {
      await this.createPods(`blocker-${this.#names++}`, 1);
      await this.proxy.untilInFlight(count);
    }
    return gate;
  }

  /** Makes changes that concern so many pods, and holds the one transaction that brings them all. */
  async holdTogether(pods: number, change: () => Promise<unknown>): Promise<{ gate: Gate; batch: SeenTransaction }> {
    const blockers = await this.occupy();
    await change();
    await this.untilToWrite(pods + 2);
    const blocking = new Set(this.proxy.inFlight);
    const gate = this.proxy.hold();
    blockers.release();
    const batch = await until('a transaction in flight, and no blocker any more', () => {
      const [one, ...others] = this.proxy.inFlight;
      return Promise.resolve(others.length === 0 && one && !blocking.has(one) && one);
    });
    return { gate, batch };
  }

  idOf(pod: string, service: string, port = 8080): string {
    return `${this.rig.cluster}.${this.rig.namespace}.${pod}:${service}:${port}`;
  }

  /** The transactions with an operation on that instance. */
  transactionsOf(id: string): SeenTransaction[] {
    return this.proxy.transactions.filter(({ operations }) => operations.some((operation) => operation.id === id));
  }

  async close(): Promise<void> {
    await this.rig.close();
    await this.proxy.close();
  }
}

/** The names of the pods that a transaction is about. */
export function podsIn({ operations }: SeenTransaction): Set<string> {
  const ids = operations.map(({ id }) => id).filter((id) => id !== '');
  return new Set(ids.map((id) => /^[^.]+\.[^.]+\.([^:]+):/.exec(id)?.[1] ?? id));
}
