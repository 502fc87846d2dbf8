import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseConfig } from '../../src/config/load.ts';
import { decodeNodeContents } from '../../src/consul/catalog.ts';
import type { NodeContents } from '../../src/consul/types.ts';
import { KindView } from '../../src/kubernetes/kind-view.ts';
import { jsonMessage } from '../../src/kubernetes/encoding/message.ts';
import { objectKey, type Pod } from '../../src/kubernetes/objects.ts';
import { createResources } from '../../src/kubernetes/resources.ts';
import type { View } from '../../src/kubernetes/view.ts';
import { META } from '../../src/mark.ts';
import { createLog } from '../../src/observability/log.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { desiredRegistrations } from '../../src/to-consul/desired/desired-registrations.ts';
import type { NodeSource } from '../../src/to-consul/observed/node-reads.ts';
import { OwnCatalog } from '../../src/to-consul/observed/own-catalog.ts';
import { nodeMeta, nodeNameOf, type Registration } from '../../src/to-consul/registration/registration.ts';

/**
 * How much live heap a pod costs, a structure at a time, in this process: `node --import tsx test/bench/memory.ts PODS...`
 * (default 50000 150000). The shape is that of a large cluster: a Consul service for every 15 pods, a node for every 30, and
 * pods as an API server writes them. Figures are bytes of live heap for a pod, after a full garbage collection.
 */
const PODS_OF_A_SERVICE = 15;
const PODS_OF_A_NODE = 30;
const OWNER = { cluster: 'prod', clusterUid: 'b9c5f8d2-9d60-4a3c-8e3e-3a1f6c2d7e11' };
const CONFIG = parseConfig('cluster: prod', {}).toConsul;
const RESOURCES = createResources({ annotation: (key) => key.startsWith('consular.dev/') });

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function liveBytes(): number {
  for (let i = 0; i < 3; i++) collectGarbage();
  return process.memoryUsage().heapUsed;
}

const hex = (n: number, digits: number) => n.toString(16).padStart(digits, '0').slice(-digits);

/** As an API server writes a pod, as far as anybody here looks at it. @param version changes what a kubelet writes now and then */
function podJson(index: number, version: number): string {
  const workload = Math.floor(index / PODS_OF_A_SERVICE);
  const namespace = `team-${workload % 300}`;
  const hash = hex(Math.imul(workload + 1, 2_654_435_761) >>> 0, 8);
  const ip = `10.${(index >> 16) + 32}.${(index >> 8) & 255}.${index & 255}`;
  const node = (index * 7919) % Math.ceil(150_000 / PODS_OF_A_NODE);
  const second = (seconds: number) =>
    new Date(Date.UTC(2026, 9, 20) + seconds * 1000).toISOString().replace('.000', '');
  return JSON.stringify({
    metadata: {
      name: `service-${workload}-${hash}-${hex(Math.imul(index + 7, 40_503), 5)}`,
      namespace,
      uid: `${hex(index, 8)}-9d60-4a3c-8e3e-${hex(index * 31, 12)}`,
      resourceVersion: String(10_000_000 + version * 1_000_000 + index),
      labels: { app: `service-${workload}`, 'pod-template-hash': hash },
      annotations: { 'consular.dev/service-name': `service-${workload}`, 'consular.dev/service-tags': 'v1,spring' },
      ownerReferences: [
        { kind: 'ReplicaSet', name: `service-${workload}-${hash}`, uid: `rs-${workload}`, controller: true },
      ],
    },
    spec: {
      nodeName: `worker-${node}.example.internal`,
      containers: [
        {
          name: 'app',
          image: `registry.example.internal/team/service-${workload}:1.4.${workload % 50}`,
          ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
        },
      ],
    },
    status: {
      phase: 'Running',
      hostIP: `192.168.${node >> 8}.${node & 255}`,
      podIP: ip,
      podIPs: [{ ip }],
      startTime: second(index),
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: second(index + 9 + version * 3600) }],
    },
  });
}

function podsView() {
  const metrics = createMetrics();
  return new KindView<Pod>({ resource: RESOURCES.pods, log: createLog({ level: 'error', format: 'json' }), metrics });
}

function collectAll(kind: KindView<Pod>, pods: number, version: number): Map<string, Pod> {
  const list = new Map<string, Pod>();
  for (let i = 0; i < pods; i++) kind.collect(jsonMessage(JSON.parse(podJson(i, version))), list);
  return list;
}

function registrationsOf(pod: Pod): Registration[] {
  const sources = { pod, services: [], zone: `zone-${pod.nodeName.length % 3}`, nodeAddress: pod.hostIP };
  return [...desiredRegistrations(OWNER, CONFIG, sources).registrations.values()];
}

/** Our nodes in Consul, each made when it is read, as Consul writes JSON. */
function consulWith(view: View<Pod>): NodeSource {
  const byNode = new Map<string, Pod[]>();
  for (const pod of view.values()) byNode.set(pod.nodeName, [...(byNode.get(pod.nodeName) ?? []), pod]);
  const rowOf = (node: string) => ({
    Node: nodeNameOf(OWNER.cluster, node),
    Address: byNode.get(node)?.[0]?.hostIP ?? '',
    Meta: nodeMeta(OWNER),
    ModifyIndex: 10,
  });
  const contentsOf = (name: string): NodeContents | undefined => {
    const node = name.slice(nodeNameOf(OWNER.cluster, '').length);
    const all = (byNode.get(node) ?? []).flatMap(registrationsOf);
    const services = {
      Node: rowOf(node),
      Services: all.map(({ id, service, address, port, tags, meta, weight }) => ({
        ...{ ID: id, Service: service, Address: address, Port: port, Tags: tags, Meta: Object.fromEntries(meta) },
        ...{ Weights: { Passing: weight, Warning: 1 }, ModifyIndex: 100_000 },
      })),
    };
    const checks = all.map(({ id, check, service }) => ({
      ...{ CheckID: id, ServiceID: id, ServiceName: service, Status: check.status, Notes: check.notes },
      ...{ Output: check.output, ModifyIndex: 100_001 },
    }));
    // As text, so that no text of it is one that is kept already.
    const answer = (body: unknown) => ({ ...ANSWER, body: JSON.parse(JSON.stringify(body)) as unknown });
    return decodeNodeContents(answer(services), answer(checks), 'read nodes of the benchmark');
  };
  const nodes = [...byNode.keys()].map((node) => {
    const { Node: name, Address: address } = rowOf(node);
    return { name, address, meta: new Map(Object.entries(nodeMeta(OWNER))), modifyIndex: 10 };
  });
  return {
    list: () => Promise.resolve(nodes),
    read: (name) => Promise.resolve(contentsOf(name)),
    readIndex: () => Promise.resolve(1),
    readServices: () => Promise.resolve({ index: 1, services: [] }),
    ensureWitness: () => Promise.resolve(),
    onOlder: () => undefined,
  };
}

const ANSWER = { index: 1, knownLeader: true, filteredByAcls: false, tokenTerm: 0 };
const NO_NODES: NodeSource = {
  list: () => Promise.resolve([]),
  read: () => Promise.resolve(undefined),
  readIndex: () => Promise.resolve(1),
  readServices: () => Promise.resolve({ index: 1, services: [] }),
  ensureWitness: () => Promise.resolve(),
  onOlder: () => undefined,
};

function writeAll(own: OwnCatalog, view: View<Pod>): void {
  let index = 100_000;
  for (const pod of view.values())
    for (const registration of registrationsOf(pod)) {
      const podUid = registration.meta.get(META.podUid) ?? '';
      own.written({ registration, podKey: objectKey(pod), podUid, serviceIndex: ++index, checkIndex: index });
    }
}

async function measure(pods: number): Promise<void> {
  const rows: [string, number][] = [];
  const add = (what: string, before: number) => rows.push([what, (liveBytes() - before) / pods]);

  let before = liveBytes();
  const kind = podsView();
  kind.fill(collectAll(kind, pods, 1), false);
  const view = await kind.synced;
  add('the pods, as they are kept', before);

  before = liveBytes();
  const list = collectAll(kind, pods, 2);
  add('a list of all pods, each changed, before it takes their place', before);
  const filledFrom = performance.now();
  kind.fill(list, false);
  const filledMs = performance.now() - filledFrom;
  add('the same once it has', before);

  before = liveBytes();
  const written = await OwnCatalog.read(NO_NODES, OWNER);
  const writtenFrom = process.cpuUsage();
  writeAll(written, view);
  const { user } = process.cpuUsage(writtenFrom);
  add('our instances, as we wrote them', before);

  before = liveBytes();
  const read = await OwnCatalog.read(consulWith(view), OWNER);
  const bytes = liveBytes();
  rows.push(['our instances, as read from Consul', (bytes - before) / pods]);

  const comparedFrom = process.cpuUsage();
  let different = 0;
  for (const pod of view.values())
    for (const { registration } of read.ofPod(objectKey(pod)).values())
      if (registration.meta.get(META.podUid) !== pod.uid) different++;
  const compared = process.cpuUsage(comparedFrom).user;

  console.log(`${pods} pods, ${written.size} and ${read.size} instances, ${different} of another pod`);
  for (const [what, of] of rows) console.log(`${Math.round(of).toString().padStart(8)} B  ${what}`);
  console.log(`${(user / pods).toFixed(1).padStart(8)} us to plan and take in an instance`);
  console.log(`${(compared / pods).toFixed(1).padStart(8)} us to look at an instance`);
  console.log(`${filledMs.toFixed(0).padStart(8)} ms in which the list takes the place of what was known`);
}

const sizes = process.argv.slice(2).map(Number);
for (const size of sizes.length > 0 ? sizes : [50_000, 150_000]) await measure(size);
