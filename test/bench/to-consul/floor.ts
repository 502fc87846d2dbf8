/**
 * The floor: the smallest program that does the work, with no safety at all. It lists pods in pages, then watches them,
 * and writes each change as one transaction; the first fill goes out in full transactions. It never compares, never
 * retries, never removes what it did not see go. Nothing that keeps both systems right can be faster by much.
 *
 * Environment: FLOOR_SERVER, FLOOR_CA, FLOOR_TOKEN, FLOOR_CONSUL. Prints `listed` and `filled`, with the milliseconds of
 * the epoch.
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';

interface Pod {
  metadata: {
    name: string;
    namespace: string;
    resourceVersion: string;
    deletionTimestamp?: string;
    annotations?: Record<string, string>;
  };
  spec: { nodeName?: string };
  status: { podIP?: string; hostIP?: string; conditions?: { type: string; status: string }[] };
}
interface Page {
  metadata: { continue?: string; resourceVersion: string };
  items: Pod[];
}

const env = (name: string) => process.env[`FLOOR_${name}`] ?? '';
const kubernetes = new Agent({ connect: { ca: readFileSync(env('CA'), 'utf8') } });
const consul = new Agent({ connections: 4 });
const headers = { authorization: `Bearer ${env('TOKEN')}` };
const registered = new Set<string>();
/** Two operations each, and Consul takes 128 in one transaction. */
const INSTANCES_IN_TRANSACTION = 64;

function operations(pod: Pod): object[] {
  const service = pod.metadata.annotations?.['consular.dev/service-name'];
  if (!service || !pod.spec.nodeName || !pod.status.podIP) return [];
  const id = `${pod.metadata.namespace}.${pod.metadata.name}`;
  const isReady = pod.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
  const Node = `floor--${pod.spec.nodeName}`;
  // A pod that is going says so before it is deleted; then there is nothing left to do.
  if (pod.metadata.deletionTimestamp || !isReady)
    return registered.delete(id) ? [{ Service: { Verb: 'delete', Node, Service: { ID: id, Service: service } } }] : [];
  registered.add(id);
  return [
    { Node: { Verb: 'set', Node: { Node, Address: pod.status.hostIP ?? '127.0.0.1' } } },
    { Service: { Verb: 'set', Node, Service: { ID: id, Service: service, Address: pod.status.podIP, Port: 8080 } } },
    { Check: { Verb: 'set', Check: { Node, CheckID: id, Name: 'ready', Status: 'passing', ServiceID: id } } },
  ];
}

async function commit(ops: object[]): Promise<void> {
  if (ops.length === 0) return;
  const response = await request(`${env('CONSUL')}/v1/txn`, {
    dispatcher: consul,
    method: 'PUT',
    body: JSON.stringify(ops),
  });
  await response.body.dump();
}

async function list(): Promise<{ pods: Pod[]; resourceVersion: string }> {
  const pods: Pod[] = [];
  for (let token = ''; ;) {
    const query = new URLSearchParams({ limit: '500', ...(token ? { continue: token } : {}) });
    const response = await request(`${env('SERVER')}/api/v1/pods?${query.toString()}`, {
      dispatcher: kubernetes,
      headers,
    });
    const page = (await response.body.json()) as Page;
    pods.push(...page.items);
    token = page.metadata.continue ?? '';
    if (!token) return { pods, resourceVersion: page.metadata.resourceVersion };
  }
}

async function fill(pods: readonly Pod[]): Promise<void> {
  const nodes = new Map<string, object>();
  const rest = pods.flatMap((pod) => {
    const [node, ...others] = operations(pod);
    if (node) nodes.set(pod.spec.nodeName ?? '', node);
    return others.length > 0 ? [others] : [];
  });
  const nodeOperations = [...nodes.values()];
  for (let i = 0; i < nodeOperations.length; i += 64) await commit(nodeOperations.slice(i, i + 64));
  const batches: object[][] = [];
  for (let i = 0; i < rest.length; i += INSTANCES_IN_TRANSACTION)
    batches.push(rest.slice(i, i + INSTANCES_IN_TRANSACTION).flat());
  let next = 0;
  const worker = async () => {
    for (let batch = batches[next++]; batch; batch = batches[next++]) await commit(batch);
  };
  await Promise.all([worker(), worker()]);
}

/** The version to watch from; the pods are let go of, or the floor's memory would be no floor. */
async function start(): Promise<string> {
  const { pods, resourceVersion } = await list();
  process.stdout.write(`listed ${Date.now()}\n`);
  await fill(pods);
  process.stdout.write(`filled ${Date.now()}\n`);
  return resourceVersion;
}

async function watch(resourceVersion: string): Promise<void> {
  const response = await request(`${env('SERVER')}/api/v1/pods?watch=1&resourceVersion=${resourceVersion}`, {
    dispatcher: kubernetes,
    headers,
    bodyTimeout: 0,
  });
  let rest = '';
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) void commit(operations((JSON.parse(line) as { object: Pod }).object));
  }
}

await watch(await start());
