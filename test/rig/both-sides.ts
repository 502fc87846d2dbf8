import { expect } from '@jest/globals';
import { nextPodIP, until, untilEqual, type Rig } from './index.ts';
import { Mirrored } from './mirrored.ts';

const POD_SERVICE = 'churn-pods';
const PODS = { fewest: 10, most: 40 };
/** Consul services of machines, each with a few instances that come and go. */
const MACHINE_SERVICES = ['churn-vm-0', 'churn-vm-1', 'churn-vm-2', 'churn-vm-3'];
const MACHINES = { fewest: 4, most: 16 };
const STEADY = { pods: 10, machines: 5 };

/**
 * Changes in both systems, so many a second and never two of one thing at a time, beside pods and machines that nobody touches.
 * It knows how the other system should be when all is written.
 */
export class BothSides {
  readonly #rig: Rig;
  readonly #mirrored: Mirrored;
  /** Pods that come, go and turn, by name. */
  readonly #pods = new Map<string, { readonly ip: string; isReady: boolean }>();
  /** Instances of machines that come and go, by ID, each with its service. */
  readonly #machines = new Map<string, string>();
  readonly #busy = new Set<string>();
  readonly #onTheirWay = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #names = 0;
  /** Changes so far. */
  count = 0;
  #failure: unknown;
  #steady: unknown;

  constructor(rig: Rig) {
    this.#rig = rig;
    this.#mirrored = new Mirrored(rig);
  }

  /** Pods and machines that nobody touches, and that stay as they are in the other system. */
  async createSteady(): Promise<void> {
    const { kubernetes, consul, namespace } = this.#rig;
    const annotations = { 'consular.dev/service-name': 'steady-pods' };
    for (let i = 0; i < STEADY.pods; i++)
      await kubernetes.createPod(namespace, `steady-${i}`, { annotations, node: `node-${i % 3}` });
    for (let i = 0; i < STEADY.machines; i++) await consul.registerOutside('steady-vm', '198.51.100.1', 1000 + i);
  }

  /** To be called when all that is steady is written: from then on no write at all of it is right. */
  async rememberSteady(): Promise<void> {
    const { consul } = this.#rig;
    await untilEqual('the steady pods', async () => (await consul.summary('steady-pods')).length, STEADY.pods);
    await untilEqual(
      'the steady machines',
      async () => (await this.#mirrored.addresses('steady-vm')).length,
      STEADY.machines,
    );
    this.#steady = await this.#readSteady();
  }

  /** With all indexes and versions: what was removed and made again shows. */
  async expectSteady(): Promise<void> {
    expect(await this.#readSteady()).toEqual(this.#steady);
  }

  async #readSteady(): Promise<unknown> {
    return [await this.#rig.consul.instances('steady-pods'), await this.#mirrored.all('steady-vm')];
  }

  start(perSecond: number): void {
    this.#timer = setInterval(() => this.#change(), 1000 / perSecond);
  }

  /** Resolves when both systems have all changes. */
  async pause(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#onTheirWay);
    if (this.#failure !== undefined) throw new Error('change both sides', { cause: this.#failure });
  }

  /** Resolves when the other system is what it should be, for all that comes and goes. */
  async untilWritten(): Promise<void> {
    const { consul } = this.#rig;
    const ready = [...this.#pods.values()].filter(({ isReady }) => isReady);
    const instances = ready.map(({ ip }) => `${ip}:8080 passing`).sort();
    await untilEqual('the pods in Consul', () => consul.summary(POD_SERVICE), instances, 60_000);
    for (const service of MACHINE_SERVICES) {
      const ids = [...this.#machines.keys()].filter((id) => this.#machines.get(id) === service);
      const addresses = ids.map(addressOf).sort();
      await untilEqual(`the machines of ${service}`, () => this.#mirrored.addresses(service), addresses, 60_000);
    }
    const services = [...new Set(['steady-vm', ...this.#machines.values()])].sort();
    await untilEqual('the mirrored Services', () => this.#mirrored.names(), services, 60_000);
  }

  /** Resolves when so many changes more were made. */
  async untilChanged(count: number): Promise<void> {
    const goal = this.count + count;
    await until(`${count} changes`, () => Promise.resolve(this.count >= goal));
  }

  #change(): void {
    const change = Math.random() < 0.5 ? this.#changePod() : this.#changeMachine();
    const tracked = change.then(
      () => void this.count++,
      (error: unknown) => void (this.#failure ??= error),
    );
    this.#onTheirWay.add(tracked);
    void tracked.finally(() => this.#onTheirWay.delete(tracked));
  }

  #changePod(): Promise<void> {
    const { kubernetes, namespace } = this.#rig;
    const { size } = this.#pods;
    const chance = Math.random();
    if (size < PODS.fewest || (chance < 0.25 && size < PODS.most)) {
      const name = `churn-${this.#names++}`;
      const ip = nextPodIP();
      return this.#alone(name, async () => {
        const annotations = { 'consular.dev/service-name': POD_SERVICE };
        await kubernetes.createPod(namespace, name, { ip, annotations, node: `node-${this.#names % 3}` });
        this.#pods.set(name, { ip, isReady: true });
      });
    }
    const name = this.#anyOf(this.#pods);
    const pod = name === undefined ? undefined : this.#pods.get(name);
    if (name === undefined || !pod) return Promise.resolve();
    return this.#alone(name, async () => {
      if (chance < 0.5) {
        await kubernetes.deletePod(namespace, name);
        this.#pods.delete(name);
      } else {
        await kubernetes.setReady(namespace, name, !pod.isReady);
        pod.isReady = !pod.isReady;
      }
    });
  }

  #changeMachine(): Promise<void> {
    const { consul } = this.#rig;
    const { size } = this.#machines;
    if (size < MACHINES.fewest || (Math.random() < 0.5 && size < MACHINES.most)) {
      const number = this.#names++;
      const id = `vm-${number}`;
      const service = MACHINE_SERVICES[number % MACHINE_SERVICES.length] ?? '';
      return this.#alone(id, async () => {
        const [address, port] = addressOf(id).split(':');
        await consul.must('PUT', '/catalog/register', {
          ...{ Node: `outside-${id}`, Address: address },
          Service: { ID: id, Service: service, Address: address, Port: Number(port) },
        });
        this.#machines.set(id, service);
      });
    }
    const id = this.#anyOf(this.#machines);
    if (id === undefined) return Promise.resolve();
    return this.#alone(id, async () => {
      await consul.must('PUT', '/catalog/deregister', { Node: `outside-${id}`, ServiceID: id });
      this.#machines.delete(id);
    });
  }

  /** Any that is not being changed. */
  #anyOf(all: ReadonlyMap<string, unknown>): string | undefined {
    const names = [...all.keys()].filter((name) => !this.#busy.has(name));
    return names[Math.floor(Math.random() * names.length)];
  }

  async #alone(name: string, change: () => Promise<void>): Promise<void> {
    this.#busy.add(name);
    await change().finally(() => this.#busy.delete(name));
  }
}

/** `address:port` of a machine. */
function addressOf(id: string): string {
  const number = Number(id.slice('vm-'.length));
  return `198.51.${101 + (number >> 8)}.${number & 255}:${2000 + (number % 1000)}`;
}
