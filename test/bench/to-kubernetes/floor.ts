/**
 * The floor: the smallest program that does the work, with no safety at all. It reads each service of Consul once and
 * writes a Service and its slices, then follows each by a long poll of its own and rewrites the slices on each answer. It
 * never compares, never retries, never removes. Nothing that keeps both systems right can be faster by much.
 *
 * Environment: FLOOR_SERVER, FLOOR_CA, FLOOR_TOKEN, FLOOR_CONSUL, FLOOR_NAMESPACE.
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';

interface Row {
  Node: { Address: string };
  Service: { Address: string; Port: number };
  Checks: { Status: string }[];
}

const env = (name: string) => process.env[`FLOOR_${name}`] ?? '';
const kubernetes = new Agent({ connect: { ca: readFileSync(env('CA'), 'utf8') }, connections: 8 });
const consul = new Agent({ headersTimeout: 0 });
const headers = { authorization: `Bearer ${env('TOKEN')}`, 'content-type': 'application/json' };
/** As many services at a time as Consular. */
const CONCURRENCY = 8;
/** More than these the API server does not take in one slice. */
const MOST_IN_SLICE = 1000;
const DISCOVERY = '/apis/discovery.k8s.io/v1';
const followed = new Set<string>();

async function read<T>(path: string): Promise<{ index: string; body: T }> {
  const response = await request(`${env('CONSUL')}/v1${path}`, { dispatcher: consul });
  const body = (await response.body.json()) as T;
  return { index: String(response.headers['x-consul-index']), body };
}

/** The status of the answer. */
async function write(method: 'POST' | 'PUT', group: string, path: string, body: object): Promise<number> {
  const url = `${env('SERVER')}${group}/namespaces/${env('NAMESPACE')}/${path}`;
  const response = await request(url, { dispatcher: kubernetes, method, headers, body: JSON.stringify(body) });
  await response.body.dump();
  return response.statusCode;
}

async function writeSlices(isNew: boolean, service: string, rows: readonly Row[]): Promise<void> {
  const endpoints = rows
    .filter(({ Checks }) => Checks.every(({ Status }) => Status !== 'critical'))
    .map(({ Node, Service }) => ({ addresses: [Service.Address || Node.Address], conditions: { ready: true } }));
  const ports = [{ name: 'main', port: rows[0]?.Service.Port ?? 80 }];
  for (let i = 0; i < Math.max(1, rows.length); i += MOST_IN_SLICE) {
    const name = `${service}-${i}`;
    const slice = {
      metadata: { name, labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      ports,
      endpoints: endpoints.slice(i, i + MOST_IN_SLICE),
    };
    const isThere = !isNew && (await write('PUT', DISCOVERY, `endpointslices/${name}`, slice)) === 200;
    if (!isThere) await write('POST', DISCOVERY, 'endpointslices', slice);
  }
}

async function mirror(name: string): Promise<() => Promise<never>> {
  const { index, body } = await read<Row[]>(`/health/service/${name}`);
  await write('POST', '/api/v1', 'services', { metadata: { name }, spec: { ports: [{ name: 'main', port: 80 }] } });
  await writeSlices(true, name, body);
  return () => follow(name, index);
}

async function follow(name: string, from: string): Promise<never> {
  for (let last = from; ;) {
    const { index, body } = await read<Row[]>(`/health/service/${name}?wait=5m&index=${last}`);
    if (index !== last) await writeSlices(false, name, body);
    last = index;
  }
}

for (let last = '0'; ;) {
  const { index, body } = await read<object>(`/catalog/services?wait=5m&index=${last}`);
  last = index;
  const names = Object.keys(body)
    .filter((name) => name !== 'consul' && !followed.has(name))
    .values();
  const worker = async () => {
    for (const name of names) {
      followed.add(name);
      void (await mirror(name))();
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}
