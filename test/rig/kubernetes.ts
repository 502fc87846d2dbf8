import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';

/** A JSON object of the Kubernetes API, as far as tests look into it. */
export interface Manifest {
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    [field: string]: unknown;
  };
  [field: string]: unknown;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: Manifest & { items?: Manifest[] };
}

export interface PodOptions {
  readonly ip?: string;
  /** Of a dual-stack pod; wins over `ip`. */
  readonly ips?: readonly string[];
  readonly annotations?: Record<string, string>;
  readonly labels?: Record<string, string>;
  readonly node?: string;
  /** Empty where the kubelet tells none. */
  readonly hostIP?: string;
  readonly ports?: { name?: string; containerPort: number; protocol?: string }[];
  /** @default true */
  readonly ready?: boolean;
  readonly ownerReferences?: object[];
  readonly hostNetwork?: boolean;
  readonly env?: { name: string; value?: string; valueFrom?: object }[];
  /** Instead of one container `app` with these ports and variables. */
  readonly containers?: readonly object[];
  readonly initContainers?: readonly object[];
  /** Types of conditions that the pod needs beside its containers to be Ready. */
  readonly readinessGates?: readonly string[];
  /** Beside Ready, by type. */
  readonly conditions?: Readonly<Record<string, boolean>>;
}

/** An Event, as far as tests look into it. */
export interface EventNote {
  readonly reason: string;
  readonly note: string;
}

let addresses = 0;

/** A fresh pod IP; tests share the Kubernetes cluster but never an address. */
export function nextPodIP(): string {
  addresses++;
  return `10.244.${addresses >> 8}.${addresses & 255}`;
}

/**
 * At most 250 pod IPs that no pod of any other test has. Each test file counts from the beginning, and leaves its pods; that
 * matters where it makes a difference that another pod has the address.
 */
export function podIPsOfTheirOwn(count: number): string[] {
  const [high = 0, low = 0] = randomBytes(2);
  return Array.from({ length: count }, (_, i) => `10.${128 + (high & 63)}.${low}.${i + 1}`);
}

/** The real API server, as the administrator of the tests uses it; it shares no code with src/. */
export class KubernetesApi {
  readonly #server: string;
  readonly #token: string;
  readonly #dispatcher: Agent;

  constructor(server: string, caFile: string, token: string) {
    this.#server = server;
    this.#token = token;
    this.#dispatcher = new Agent({ connect: { ca: readFileSync(caFile, 'utf8') }, connections: 16 });
  }

  async call(
    method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE',
    path: string,
    body?: object,
    patch: 'merge-patch' | 'strategic-merge-patch' = 'merge-patch',
  ): Promise<ApiAnswer> {
    const response = await request(`${this.#server}${path}`, {
      dispatcher: this.#dispatcher,
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        'content-type': method === 'PATCH' ? `application/${patch}+json` : 'application/json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.statusCode, body: (await response.body.json()) as ApiAnswer['body'] };
  }

  /** @throws Error when the API server does not answer 2xx. */
  async must(...asked: Parameters<KubernetesApi['call']>): Promise<ApiAnswer['body']> {
    const answer = await this.call(...asked);
    const [method, path] = asked;
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body).slice(0, 500)}`);
    return answer.body;
  }

  async list(path: string): Promise<Manifest[]> {
    return (await this.must('GET', path)).items ?? [];
  }

  /** The object, or undefined when there is none. */
  async find(path: string): Promise<Manifest | undefined> {
    const { status, body } = await this.call('GET', path);
    if (status === 404) return undefined;
    if (status >= 300) throw new Error(`GET ${path}: ${status}`);
    return body;
  }

  async createNamespace(name: string): Promise<void> {
    await this.must('POST', '/api/v1/namespaces', { metadata: { name } });
    const path = `/api/v1/namespaces/${name}/serviceaccounts/default`;
    // Pods cannot be created before their service account is there.
    while (!(await this.find(path))) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  async createNode(name: string, labels: Record<string, string> = {}): Promise<void> {
    const { status } = await this.call('POST', '/api/v1/nodes', { metadata: { name, labels } });
    if (status !== 201 && status !== 409) throw new Error(`create Node ${name}: expected 201 or 409, found ${status}`);
  }

  /** As the kubelet, or a cloud's controller, tells where a node is reached. */
  setNodeAddresses(name: string, addresses: readonly { type: string; address: string }[]): Promise<Manifest> {
    return this.must('PATCH', `/api/v1/nodes/${name}/status`, { status: { addresses } });
  }

  /** A pod as a kubelet would have started it: there is none, so its status is written here. */
  async createPod(namespace: string, name: string, options: PodOptions = {}): Promise<Manifest> {
    await this.createPendingPod(namespace, name, options);
    return this.setPodStatus(namespace, name, options);
  }

  /** A pod that no kubelet has looked at yet. */
  createPendingPod(namespace: string, name: string, options: PodOptions = {}): Promise<Manifest> {
    const {
      annotations = {},
      labels = {},
      node = 'node-1',
      ports = [{ name: 'http', containerPort: 8080 }],
      ownerReferences = [],
      hostNetwork = false,
      env = [],
      containers = [{ name: 'app', image: 'app', ports, env }],
      initContainers = [],
      readinessGates = [],
    } = options;
    return this.must('POST', `/api/v1/namespaces/${namespace}/pods`, {
      metadata: { name, annotations, labels, ownerReferences },
      spec: {
        nodeName: node,
        hostNetwork,
        terminationGracePeriodSeconds: 0,
        readinessGates: readinessGates.map((conditionType) => ({ conditionType })),
        containers,
        initContainers,
      },
    });
  }

  setPodStatus(
    namespace: string,
    name: string,
    { ip = nextPodIP(), ips = [ip], hostIP = '192.0.2.11', ready = true, conditions = {} }: PodOptions = {},
  ): Promise<Manifest> {
    return this.must('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, {
      status: {
        phase: 'Running',
        podIP: ips[0],
        podIPs: ips.map((ip) => ({ ip })),
        ...(hostIP === '' ? {} : { hostIP, hostIPs: [{ ip: hostIP }] }),
        conditions: [readyCondition(ready), ...toConditions(conditions)],
      },
    });
  }

  /** Sets these conditions of a pod and leaves its others, as everybody does who writes a status. */
  setConditions(namespace: string, name: string, conditions: Readonly<Record<string, boolean>>): Promise<Manifest> {
    return this.must(
      'PATCH',
      `/api/v1/namespaces/${namespace}/pods/${name}/status`,
      { status: { conditions: toConditions(conditions) } },
      'strategic-merge-patch',
    );
  }

  /** Consular's Events about the objects of that name: Kubernetes' own controllers tell of theirs when they like. */
  async eventsAbout(namespace: string, name: string): Promise<EventNote[]> {
    const events = await this.list(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
    return events
      .filter(({ regarding }) => (regarding as { name: string }).name === name)
      .filter(({ reportingController }) => reportingController === 'consular.dev/consular')
      .map(({ reason, note }) => ({ reason: String(reason), note: String(note) }));
  }

  setReady(namespace: string, name: string, ready: boolean): Promise<Manifest> {
    return this.must('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, {
      status: { conditions: [readyCondition(ready)] },
    });
  }

  annotate(namespace: string, name: string, annotations: Record<string, string | null>): Promise<Manifest> {
    return this.must('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}`, { metadata: { annotations } });
  }

  /** At once, as after its grace period: nobody would confirm the end of its containers. */
  deletePod(namespace: string, name: string): Promise<Manifest> {
    return this.must('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}`, { gracePeriodSeconds: 0 });
  }

  close(): Promise<void> {
    return this.#dispatcher.destroy();
  }
}

function readyCondition(ready: boolean): object {
  const at = { lastTransitionTime: new Date().toISOString().replace(/\.\d+Z/, 'Z') };
  return ready
    ? { type: 'Ready', status: 'True', ...at }
    : {
        type: 'Ready',
        status: 'False',
        reason: 'ContainersNotReady',
        message: 'containers with unready status: [app]',
        ...at,
      };
}

function toConditions(conditions: Readonly<Record<string, boolean>>): object[] {
  return Object.entries(conditions).map(([type, isTrue]) => ({ type, status: isTrue ? 'True' : 'False' }));
}
