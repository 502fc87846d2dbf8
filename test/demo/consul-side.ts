import type { ConsulApi, InstanceRow } from '../rig/consul.ts';
import { CLUSTER } from './consular.ts';
import { NAMESPACE, POD_PORT, POD_SERVICE, POD_TAGS, type DemoNode, type DemoPod } from './pods.ts';
import type { SpringApp } from './spring.ts';

/** An instance as Consul's own API shows it; what is expected is written down by hand here, and not asked of src/. */
export interface Instance {
  readonly id: string;
  readonly service: string;
  readonly node: string;
  readonly address: string;
  readonly port: number;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly checks: readonly Check[];
}

interface Check {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly status: string;
  /** What differs from run to run is replaced by its name. */
  readonly output: string;
}

export async function readInstances(consul: ConsulApi, service: string): Promise<Instance[]> {
  return toInstances(await consul.instances(service));
}

function toInstances(rows: readonly InstanceRow[]): Instance[] {
  const instances = rows.map(({ Node, Service, Checks }) => ({
    id: Service.ID,
    service: Service.Service,
    node: Node.Node,
    address: Service.Address,
    port: Service.Port,
    tags: Service.Tags,
    meta: Service.Meta,
    checks: Checks.filter(({ ServiceID }) => ServiceID !== '').map((check) => ({
      id: check.CheckID,
      name: check.Name,
      type: check.Type,
      status: check.Status,
      output: check.Type === 'http' ? 'ANSWER' : check.Output.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/, 'TIME'),
    })),
  }));
  return instances.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/**
 * Reads one instance, each time when something about its service has changed (a blocking query of Consul's), so that
 * the moment of the answer is the moment of the change.
 */
export function instanceReader(consul: ConsulApi, service: string, id: string): () => Promise<Instance | undefined> {
  let index = '0';
  return async () => {
    // Each wait ends now and then, so that whoever waits in vain can give up.
    const answer = await consul.call('GET', `/health/service/${service}?index=${index}&wait=1s`);
    if (answer.status !== 200) throw new Error(`read instances of ${service}: expected 200, found ${answer.status}`);
    index = answer.index;
    return toInstances(answer.body as InstanceRow[]).find((instance) => instance.id === id);
  };
}

/** What Spring and its agent make of an application, which nobody else may change. */
export function appInstance(app: SpringApp, agent: string, status: 'passing' | 'critical'): Instance {
  const { id, name, address, port } = app;
  return {
    ...{ id, service: name, node: agent, address, port },
    tags: [],
    meta: { secure: 'false' },
    checks: [{ id: `service:${id}`, name: `Service '${name}' check`, type: 'http', status, output: 'ANSWER' }],
  };
}

export function podInstanceId({ name }: DemoPod): string {
  return `${CLUSTER}.${NAMESPACE}.${name}:${POD_SERVICE}:${POD_PORT}`;
}

/** What Consular should make of a Ready pod. */
export function podInstance(pod: DemoPod): Instance {
  const id = podInstanceId(pod);
  return {
    ...{ id, service: POD_SERVICE, node: consulNodeName(pod.node), address: pod.ip, port: POD_PORT, tags: POD_TAGS },
    meta: {
      'external-source': 'kubernetes',
      'managed-by': 'consular',
      'k8s-cluster': CLUSTER,
      'k8s-namespace': NAMESPACE,
      'k8s-pod': pod.name,
      'k8s-pod-uid': pod.uid,
      'k8s-node': pod.node.name,
      secure: 'false',
      version: 'v1',
      zone: pod.node.zone,
    },
    checks: [
      { id, name: 'Kubernetes readiness', type: 'kubernetes', status: 'passing', output: 'Pod is Ready since TIME' },
    ],
  };
}

export interface Node {
  readonly name: string;
  readonly address: string;
  readonly meta: Readonly<Record<string, string>>;
}

/** The Consul nodes that stand for Kubernetes nodes. */
export async function readNodes(consul: ConsulApi): Promise<Node[]> {
  const rows = (await consul.must('GET', '/catalog/nodes')) as {
    Node: string;
    Address: string;
    Meta: Record<string, string>;
  }[];
  const nodes = rows.map(({ Node, Address, Meta }) => ({ name: Node, address: Address, meta: Meta }));
  return nodes.filter(({ name }) => name.startsWith(`k8s-${CLUSTER}--`)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function consulNode(node: DemoNode, clusterUid: string): Node {
  return {
    name: consulNodeName(node),
    address: node.address,
    meta: {
      'external-source': 'kubernetes',
      'external-node': 'true',
      'external-probe': 'false',
      'managed-by': 'consular',
      'k8s-cluster': CLUSTER,
      'k8s-cluster-uid': clusterUid,
    },
  };
}

function consulNodeName({ name }: DemoNode): string {
  return `k8s-${CLUSTER}--${name}`;
}

/** Every service but Consul's and Consular's own. */
export async function readServiceNames(consul: ConsulApi): Promise<string[]> {
  return (await consul.serviceNames()).filter((name) => name !== 'consul' && name !== 'consular');
}

/** The name of the agent that applications register with. */
export async function readAgentName(consul: ConsulApi): Promise<string> {
  const self = (await consul.must('GET', '/agent/self')) as { Config: { NodeName: string } };
  return self.Config.NodeName;
}
