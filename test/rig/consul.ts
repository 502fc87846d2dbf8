import { Agent, request, type Dispatcher } from 'undici';

export interface InstanceRow {
  readonly Node: { readonly Node: string; readonly Address: string; readonly Meta: Record<string, string> | null };
  readonly Service: {
    readonly ID: string;
    readonly Service: string;
    readonly Address: string;
    readonly Port: number;
    readonly TaggedAddresses: Record<string, { readonly Address: string; readonly Port: number }> | null;
    readonly Tags: string[];
    readonly Meta: Record<string, string>;
    readonly Weights: { readonly Passing: number; readonly Warning: number };
    /** Another when the instance was deregistered and registered again. */
    readonly CreateIndex: number;
    readonly ModifyIndex: number;
  };
  readonly Checks: {
    readonly CheckID: string;
    readonly Name: string;
    readonly Status: string;
    readonly Type: string;
    readonly Notes: string;
    readonly Output: string;
    readonly ServiceID: string;
  }[];
}

export interface CatalogEntry {
  readonly node: string;
  readonly id: string;
  readonly service: string;
  readonly address: string;
  readonly port: number;
  /** @default passing */
  readonly status?: 'passing' | 'warning' | 'critical';
  /** Instead of the port, as consul-k8s registers since 1.9.0. */
  readonly namedPorts?: readonly { readonly Name: string; readonly Port: number; readonly Default?: boolean }[];
}

/** The real Consul, as the administrator of the tests uses it; it shares no code with src/. */
export class ConsulApi {
  readonly address: string;
  readonly #token: string;
  readonly #dispatcher: Agent;

  constructor(address: string, token = '', connections = 16) {
    this.address = address;
    this.#token = token;
    // Whoever waits keeps its connection: there may be none to be had when Consul allows few.
    this.#dispatcher = new Agent({ connections, keepAliveTimeout: 60_000 });
  }

  async call(
    method: 'GET' | 'PUT' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<{ status: number; index: string; body: unknown }> {
    const response = await this.#send(method, path, body === undefined ? undefined : JSON.stringify(body));
    const text = await response.body.text();
    return {
      status: response.statusCode,
      index: String(response.headers['x-consul-index'] ?? ''),
      body: text === '' ? undefined : parse(text),
    };
  }

  /** @throws Error when Consul does not answer 2xx. */
  async must(method: 'GET' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<unknown> {
    const answer = await this.call(method, path, body);
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body).slice(0, 500)}`);
    return answer.body;
  }

  async instances(service: string): Promise<InstanceRow[]> {
    return (await this.must('GET', `/health/service/${service}`)) as InstanceRow[];
  }

  /** `address:port status` of each instance, in order: what most tests want to know. */
  async summary(service: string): Promise<string[]> {
    const rows = await this.instances(service);
    return rows
      .map(
        ({ Service, Checks }) =>
          `${Service.Address}:${Service.Port} ${
            Checks.filter(({ ServiceID }) => ServiceID !== '')
              .map(({ Status }) => Status)
              .join('+') || 'unchecked'
          }`,
      )
      .sort();
  }

  async serviceNames(): Promise<string[]> {
    return Object.keys((await this.must('GET', '/catalog/services')) as object).sort();
  }

  /** As an application on a virtual machine registers itself with its agent; the check is a TTL that the test sets. */
  async registerOnAgent(service: {
    id: string;
    name: string;
    address: string;
    port: number;
    tags?: string[];
    meta?: Record<string, string>;
    status?: string;
    weights?: { Passing: number; Warning: number };
  }): Promise<void> {
    await this.must('PUT', '/agent/service/register', {
      ID: service.id,
      Name: service.name,
      Address: service.address,
      Port: service.port,
      Tags: service.tags ?? [],
      Meta: service.meta ?? { secure: 'false' },
      ...(service.weights ? { Weights: service.weights } : {}),
      Check: {
        CheckID: `service:${service.id}`,
        Name: `Service '${service.name}' check`,
        TTL: '1h',
        Status: service.status ?? 'passing',
      },
    });
  }

  /** As consul-k8s and its like register: straight in the catalog, on a node without an agent. */
  registerInCatalog({
    node,
    id,
    service,
    address,
    port,
    status = 'passing',
    namedPorts,
  }: CatalogEntry): Promise<unknown> {
    return this.must('PUT', '/catalog/register', {
      Node: node,
      Address: '127.0.0.1',
      NodeMeta: { 'external-source': 'kubernetes' },
      Service: {
        ...{ ID: id, Service: service, Address: address, Meta: { 'external-source': 'kubernetes' } },
        ...(namedPorts ? { Ports: namedPorts } : { Port: port }),
      },
      Check: { CheckID: `${id}-check`, Name: 'Kubernetes Readiness Check', Status: status, ServiceID: id },
    });
  }

  deregisterFromCatalog({ node, id }: Pick<CatalogEntry, 'node' | 'id'>): Promise<unknown> {
    return this.must('PUT', '/catalog/deregister', { Node: node, ServiceID: id });
  }

  setHealth(id: string, status: 'pass' | 'warn' | 'fail'): Promise<unknown> {
    return this.must('PUT', `/agent/check/${status}/${encodeURIComponent(`service:${id}`)}`);
  }

  deregisterFromAgent(id: string): Promise<unknown> {
    return this.must('PUT', `/agent/service/deregister/${encodeURIComponent(id)}`);
  }

  /** As an application that somebody else registers from outside: on a node without an agent, so that nothing brings it back. */
  registerOutside(service: string, address: string, port = 80): Promise<unknown> {
    return this.must('PUT', '/catalog/register', {
      Node: `outside-${service}`,
      Address: address,
      Service: { ID: `${service}-${port}`, Service: service, Address: address, Port: port },
      Check: { CheckID: `${service}-${port}`, Name: 'alive', Status: 'passing', ServiceID: `${service}-${port}` },
    });
  }

  /** As `consul snapshot save` does. */
  async saveSnapshot(): Promise<Buffer> {
    const { statusCode, body } = await this.#send('GET', '/snapshot');
    const snapshot = Buffer.from(await body.arrayBuffer());
    if (statusCode !== 200) throw new Error(`save a snapshot: ${statusCode} ${snapshot.toString()}`);
    return snapshot;
  }

  /** As `consul snapshot restore` does. */
  async restoreSnapshot(snapshot: Buffer): Promise<void> {
    const { statusCode, body } = await this.#send('PUT', '/snapshot', snapshot);
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`restore a snapshot: ${statusCode} ${text}`);
  }

  /** The index of the newest change to the catalog: it stays where it is as long as nobody writes. */
  async catalogIndex(): Promise<string> {
    const [services, nodes, checks] = await Promise.all([
      this.call('GET', '/catalog/services'),
      this.call('GET', '/catalog/nodes'),
      this.call('GET', '/health/state/any'),
    ]);
    return [services.index, nodes.index, checks.index].join(' ');
  }

  #send(method: 'GET' | 'PUT' | 'DELETE', path: string, body?: string | Buffer): Promise<Dispatcher.ResponseData> {
    return request(`${this.address}/v1${path}`, {
      dispatcher: this.#dispatcher,
      method,
      headers: this.#token === '' ? {} : { 'x-consul-token': this.#token },
      ...(body === undefined ? {} : { body }),
    });
  }

  close(): Promise<void> {
    return this.#dispatcher.destroy();
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
