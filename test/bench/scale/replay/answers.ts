import type { IncomingMessage, ServerResponse } from 'node:http';
import { NAMESPACE } from '../names.ts';
import type { ReplayedKind } from '../recording.ts';
import type { Cluster, Encoding } from './cluster.ts';
import { kindAt, type Watches } from './watches.ts';

const POD_PATH = `/api/v1/namespaces/${NAMESPACE}/pods/`;
const ITEMS = '"items":[]';
const CONTENT_TYPE = { protobuf: 'application/vnd.kubernetes.protobuf', json: 'application/json' };

/** Answers what is asked about the kinds that are many; false for everything else, which the real API server answers. */
export function answer(
  { url = '/', method, headers }: IncomingMessage,
  response: ServerResponse,
  cluster: Cluster,
  watches: Watches,
): boolean {
  const { pathname, searchParams: query } = new URL(url, 'https://replay');
  const encoding: Encoding = headers.accept?.includes('protobuf') ? 'protobuf' : 'json';
  if (method === 'GET' && pathname.startsWith(POD_PATH)) {
    const pod = cluster.pod(pathname.slice(POD_PATH.length));
    if (pod) send(response, 'json', pod);
    return pod !== undefined;
  }
  const kind = kindAt(pathname);
  if (!kind || method !== 'GET') return false;
  for (const selector of ['labelSelector', 'fieldSelector'])
    if (query.has(selector))
      throw new Error(`read ${kind}: expected no ${selector}, found "${query.get(selector) ?? ''}"`);
  if (query.has('watch')) {
    watches.begin({ kind, encoding, query }, response).catch((error: unknown) => response.destroy(error as Error));
    return true;
  }
  send(
    response,
    encoding,
    encoding === 'protobuf' ? protobufPage(cluster, kind, query) : podPage(cluster, kind, query),
  );
  return true;
}

/** Only the version of a list is asked for in protobuf, with one object to make it a list. */
function protobufPage(cluster: Cluster, kind: ReplayedKind, query: URLSearchParams): Buffer {
  if (query.get('limit') !== '1')
    throw new Error(`list ${kind} in protobuf: expected a limit of 1, found "${query.toString()}"`);
  return cluster.templates.kinds[kind].page.render([String(cluster.version)]);
}

function podPage(cluster: Cluster, kind: ReplayedKind, query: URLSearchParams): Buffer {
  if (kind !== 'pods') throw new Error(`list ${kind} in JSON: expected pods only`);
  const from = Number(query.get('continue') ?? '0');
  const to = Math.min(cluster.layout.pods, from + Number(query.get('limit') ?? Infinity));
  const rest = to < cluster.layout.pods ? String(to).padStart(9, '0') : '000000000';
  const page = cluster.templates.podPage.render([String(cluster.version), rest]).toString('utf8');
  // The last page has none; of the recorded one that is the only text whose length is not kept.
  const [head = '', tail = ''] = (rest === '000000000' ? page.replace(`,"continue":"${rest}"`, '') : page).split(ITEMS);
  const items: Buffer[] = [];
  for (let i = from; i < to; i++) items.push(cluster.podInPage(i), Buffer.from(','));
  return Buffer.concat([Buffer.from(`${head}"items":[`), ...items.slice(0, -1), Buffer.from(`]${tail}`)]);
}

function send(response: ServerResponse, encoding: Encoding, body: Buffer): void {
  response.writeHead(200, { 'content-type': CONTENT_TYPE[encoding], 'content-length': body.length });
  response.end(body);
}
