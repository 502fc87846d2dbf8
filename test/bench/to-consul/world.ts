import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsulServer, KubernetesPlane } from '../../control-plane/index.ts';
import { KubernetesApi, type PodOptions } from '../../rig/kubernetes.ts';
import { until } from '../../rig/until.ts';
import type { Parts } from '../cpu.ts';
import { inParallel } from '../parallel.ts';
import { say } from '../subjects.ts';
import { isProbe, podAt, type BenchPod } from './pods.ts';

export const NAMESPACE = 'default';
/** The controller is slow with 50 000 pods on a busy machine. */
const SLICES_LIMIT_MS = 900_000;

/** The Kubernetes side: nodes, Services with selectors, and ready pods. It only grows; its pods can be replaced. */
export class World {
  readonly plane: KubernetesPlane;
  readonly kubernetes: KubernetesApi;
  readonly #pods: BenchPod[] = [];

  constructor(plane: KubernetesPlane) {
    this.plane = plane;
    this.kubernetes = new KubernetesApi(plane.server, plane.caFile, plane.adminToken);
  }

  get size(): number {
    return this.#pods.length;
  }

  /** The newest pods that are no probes. */
  newest(count: number): BenchPod[] {
    return this.#pods.filter((pod) => !isProbe(pod)).slice(-count);
  }

  /** Returns when the pods are there and kube-controller-manager has put all of them into EndpointSlices. */
  async growTo(size: number): Promise<void> {
    const added = Array.from({ length: size - this.size }, (_, i) => podAt(this.size + i));
    say(`creating ${added.length} pods ...`);
    const known = <K extends 'node' | 'service'>(what: K) => new Set(this.#pods.map((pod) => pod[what]));
    const fresh = <K extends 'node' | 'service'>(what: K) => {
      const old = known(what);
      return [...new Set(added.map((pod) => pod[what]))].filter((name) => !old.has(name));
    };
    await inParallel(fresh('node'), (node) => this.kubernetes.createNode(node));
    const services = fresh('service');
    let created = 0;
    await inParallel(added, async (pod) => {
      await this.kubernetes.createPod(NAMESPACE, pod.name, optionsOf(pod));
      if (++created % 2500 === 0) say(`${created} of ${added.length} pods created`);
    });
    // Last: for each change of a Service's pods its controllers go through all pods of the namespace.
    await inParallel(services, (service) => this.#createService(service));
    this.#pods.push(...added);
    await this.untilSliced();
  }

  /** The next generation of each of these pods, created and not ready yet. */
  async prepareSuccessors(pods: readonly BenchPod[]): Promise<BenchPod[]> {
    const successors = pods.map(({ index, generation }) => podAt(index, generation + 1));
    await inParallel(successors, (pod) => this.kubernetes.createPendingPod(NAMESPACE, pod.name, optionsOf(pod)));
    return successors;
  }

  replaced(successors: readonly BenchPod[]): void {
    for (const pod of successors) this.#pods[pod.index] = pod;
  }

  async untilSliced(): Promise<void> {
    const look = async () => {
      const begin = performance.now();
      const slices = await this.kubernetes.list(`/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`);
      const ready = slices
        .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] !== 'kubernetes')
        .flatMap(({ endpoints }) => (endpoints ?? []) as { conditions: { ready: boolean } }[])
        .filter(({ conditions }) => conditions.ready);
      if (ready.length === this.size) return true;
      // Reading all slices costs the API server time that their controller wants.
      return sleep(Math.min(10_000, Math.max(500, 10 * (performance.now() - begin))), false);
    };
    await until(`EndpointSlices with ${this.size} ready endpoints`, look, SLICES_LIMIT_MS);
  }

  close(): Promise<void> {
    return this.kubernetes.close();
  }

  async #createService(name: string): Promise<void> {
    await this.kubernetes.must('POST', `/api/v1/namespaces/${NAMESPACE}/services`, {
      metadata: { name },
      spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
    });
  }
}

export function optionsOf({ ip, node, service }: BenchPod): PodOptions {
  return { ip, node, labels: { app: service }, annotations: { 'consular.dev/service-name': service } };
}

/** The processes that a program makes work. */
export function partsOf({ plane }: World, consul: ConsulServer): Omit<Parts, 'subject'> {
  return { consul: consul.pid, apiServer: plane.apiServerPid, etcd: plane.etcdPid };
}
