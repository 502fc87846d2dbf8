import { expect, it } from '@jest/globals';
import { onBackgroundFailure } from '../../../src/background.ts';
import { answerTo, serveStatus, splitAddress } from '../../../src/observability/http.ts';
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
  ['GET', '/', [], 404, 'there is /healthz'],
  ['POST', '/healthz', [], 405, 'only GET'],
])('%s %s with %j in the way of readiness is answered %i', async (method, url, reasons, status, start) => {
  const { registry } = createMetrics();
  const source = { registry, notReady: () => reasons, status: () => ({ cluster: 'prod\u202e' }) };
  const answer = await answerTo({ method, url }, source);
  expect(answer.status).toBe(status);
  expect(answer.body.slice(0, start.length)).toBe(start);
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
