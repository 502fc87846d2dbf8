/**
 * The floor: the smallest program that does the work, with no safety at all. It lists pods in pages, then watches them,
 * and writes each change as one transaction; the first fill goes out in full transactions. It never compares, never
 * retries, never removes what it did not see go. What it writes is the same in size as what Consular writes. Nothing that keeps both systems right can be faster by much.
 *
 * Environment: FLOOR_SERVER, FLOOR_CA, FLOOR_TOKEN, FLOOR_CONSUL. Prints `listed` and `filled`, with the milliseconds of
 * the epoch.
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import { contentOf, type Pod } from './floor-content.ts';

interface Page {
  metadata: { continue?: string; resourceVersion: string };
  items: Pod[];
}

const env = (name: string) => process.env[`FLOOR_${name}`] ?? '';
const kubernetes = new Agent({ connect: { ca: readFileSync(env('CA'), 'utf8') } });
const consul = new Agent({ connections: 4 });
const headers = { authorization: `Bearer ${env('TOKEN')}` };
const registered = new Set<string>();
const nodes = new Set<string>();
/** Two operations each, and Consul takes 128 in one transaction. */
const INSTANCES_IN_TRANSACTION = 64;

interface Operations {
  /** The node, where it was not written before. */
  readonly node: readonly object[];
  readonly rest: readonly object[];
}

function operations(pod: Pod): Operations {
  const service = pod.metadata.annotations?.['consular.dev/service-name'];
  const { nodeName } = pod.spec;
  if (!service || !nodeName || !pod.status.podIP) return { node: [], rest: [] };
  const content = contentOf(pod, service, nodeName);
  const { id, node } = content;
  const isReady = pod.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
  // A pod that is going says so before it is deleted; then there is nothing left to do.
  if (pod.metadata.deletionTimestamp || !isReady) {
    const removal = { Service: { Verb: 'delete', Node: node.Node, Service: { ID: id, Service: service } } };
    return { node: [], rest: registered.delete(id) ? [removal] : [] };
  }
  registered.add(id);
  const isNew = !nodes.has(node.Node);
  nodes.add(node.Node);
  return {
    node: isNew ? [{ Node: { Verb: 'set', Node: node } }] : [],
    rest: [
      { Service: { Verb: 'set', Node: node.Node, Service: content.service } },
      { Check: { Verb: 'set', Check: content.check } },
    ],
  };
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
  const all = pods.map(operations);
  const nodeOperations = all.flatMap(({ node }) => node);
  for (let i = 0; i < nodeOperations.length; i += 64) await commit(nodeOperations.slice(i, i + 64));
  const rest = all.flatMap(({ rest: own }) => (own.length > 0 ? [own] : []));
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
    for (const line of lines) {
      const { node, rest: own } = operations((JSON.parse(line) as { object: Pod }).object);
      void commit([...node, ...own]);
    }
  }
}

await watch(await start());
