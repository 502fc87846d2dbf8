import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { onBackgroundFailure } from '../../../src/background.ts';
import { answerTo, serveStatus, splitAddress, type StatusServer } from '../../../src/observability/http.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';

it.each([
  ['0.0.0.0:8080', '0.0.0.0', 8080],
  [':8080', '', 8080],
  ['[::1]:0', '::1', 0],
  ['localhost:80', 'localhost', 80],
])('the address %s is a host and a port', (address, host, port) => {
  expect(splitAddress(address)).toEqual({ host, port });
});

it.each<[string, string, string[], number, string]>([
  ['GET', '/healthz', ['starting'], 200, 'ok'],
  ['GET', '/readyz', [], 200, 'ok'],
  ['GET', '/readyz', ['Consul: reset', 'Pods: not read yet'], 503, 'Consul: reset\nPods: not read yet'],
  ['GET', '/metrics', [], 200, '# HELP consular_'],
  ['GET', '/readyz', ['a\nok', 'b\u202e'], 503, 'a\\u000aok\nb\\u202e\n'],
  ['GET', '/status', [], 200, '{\n  "cluster": "prod\\u202e"\n}'],
  ['GET', '/metrics?name[]=x', [], 200, '# HELP consular_change_to_written_seconds'],
  ['GET', '/readyz?verbose', ['starting'], 503, 'starting'],
  ['HEAD', '/healthz', [], 200, 'ok'],
  ['GET', '/', [], 404, 'there is /healthz'],
  ['GET', '/metrics/', [], 404, 'there is /healthz'],
  ['POST', '/healthz', [], 405, 'only GET'],
])('%s %s with %j in the way of readiness is answered %i', async (method, url, reasons, status, start) => {
  const { registry } = createMetrics();
  const source = { registry, notReady: () => reasons, status: () => ({ cluster: 'prod\u202e' }) };
  const answer = await answerTo({ method, url, headers: {} }, source);
  expect(answer.status).toBe(status);
  expect(answer.body.slice(0, start.length)).toBe(start);
});

describe('under a name that may be that of a page of the internet', () => {
  const { registry } = createMetrics();
  const source = {
    ...{ registry, notReady: () => ['Consul: 10.0.0.1 refused'], status: () => ({ cluster: 'prod' }) },
    page: () => Promise.resolve({ status: 200, body: 'names', type: 'text/html' }),
    hosts: ['status.example.com'],
  };
  const answer = (url: string, host: string) => answerTo({ method: 'GET', url, headers: { host } }, source);

  it.each(['/status', '/status/pods', '/metrics', '/', '/x'])(
    '%s is refused, and says which names are not',
    async (url) => {
      const { status, body } = await answer(url, 'evil.example:8080');
      expect(status).toBe(403);
      expect(body).toContain('one of http.hosts, found "evil.example:8080"');
      expect((await answer(url, 'status.example.com')).status).toBe(200);
    },
  );

  it('probes are answered, and say no reasons', async () => {
    expect(await answer('/healthz', 'evil.example')).toMatchObject({ status: 200, body: 'ok\n' });
    expect(await answer('/readyz', 'evil.example')).toMatchObject({ status: 503, body: 'not ready\n' });
    expect(await answer('/readyz', '10.0.0.7:8080')).toMatchObject({ body: 'Consul: 10.0.0.1 refused\n' });
  });
});

describe('the status server', () => {
  const { registry } = createMetrics();
  const source = { registry, notReady: () => [], status: () => ({ cluster: 'prod' }) };
  let server: StatusServer;
  beforeEach(async () => {
    server = await serveStatus('0.0.0.0:0', source);
  });
  afterEach(() => server.close());
  const ask = (path: string, method = 'GET') => fetch(`http://127.0.0.1:${server.port}${path}`, { method });

  it.each(['/healthz', '/readyz', '/metrics', '/status', '/x'])(
    '%s is what it says it is, of this moment, and for no page of others',
    async (path) => {
      const { headers } = await ask(path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
    },
  );

  it('answers HEAD as GET, without the body', async () => {
    const [got, head] = [await ask('/status'), await ask('/status', 'HEAD')];
    const fieldsOf = ({ status, headers }: Response) => [
      status,
      headers.get('content-type'),
      headers.get('content-length'),
    ];
    expect(fieldsOf(head)).toEqual(fieldsOf(got));
    expect([await head.text(), Number(head.headers.get('content-length'))]).toEqual(['', (await got.text()).length]);
  });

  it('says to any other method which ones it answers', async () => {
    const { status, headers } = await ask('/status', 'OPTIONS');
    expect([status, headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  /** The first answer on a connection from that address of the loopback network, which stays open. */
  async function connectFrom(localAddress: string, text: string): Promise<Socket> {
    const socket = connect({ host: '127.0.0.1', port: server.port, localAddress });
    // It may be ended at any time.
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(text);
    return socket;
  }

  it('answers a probe, and keeps the connections of others, however many requests that never end one address has', async () => {
    const probe = 'GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n';
    const scraper = await connectFrom('127.0.0.2', probe);
    await once(scraper, 'data');
    const slow: Socket[] = [];
    for (let i = 0; i < 120; i++) slow.push(await connectFrom('127.0.0.1', 'GET / HTTP/1.1\r\n'));
    expect((await ask('/healthz')).status).toBe(200);
    scraper.write(probe);
    expect(String(await once(scraper, 'data'))).toContain('200 OK');
    const [first] = slow;
    if (first && !first.closed) await once(first, 'close');
    for (const socket of [scraper, ...slow]) socket.destroy();
  });
});

it('an answer that cannot be made is a 500, is told, and ends nothing', async () => {
  const { registry } = createMetrics();
  const broken = new Error('no status');
  const status = () => {
    throw broken;
  };
  const told: unknown[] = [];
  const endTelling = onBackgroundFailure((error) => told.push(error));
  const server = await serveStatus('127.0.0.1:0', { registry, notReady: () => [], status });
  const ask = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`);
  try {
    expect((await ask('/status')).status).toBe(500);
    expect((await ask('/healthz')).status).toBe(200);
    expect(told).toEqual([broken]);
  } finally {
    server.close();
    endTelling();
  }
});
