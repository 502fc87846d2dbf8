import { expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { Agent } from 'undici';
import { createKubernetesClient } from '../../../src/kubernetes/client.ts';

it('a request is counted by what came of it, and not when it was called off', async () => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const dispatcher = new Agent();
  const counted: (number | 'error')[] = [];
  const ask = (server: string, signal: AbortSignal) => {
    const connection = {
      server,
      authenticate: () => Promise.resolve({ dispatcher, headers: {} }),
      close: () => dispatcher.destroy(),
    };
    const client = createKubernetesClient(connection, 'test', (status) => void counted.push(status));
    return client.request({ purpose: { verb: 'list', kind: 'Pod', object: '' }, path: '/api/v1/pods', signal });
  };
  const stop = new AbortController();
  // Where nobody listens.
  await expect(ask('http://127.0.0.1:1', stop.signal)).rejects.toThrow('list Pod');
  expect(counted).toEqual(['error']);
  silent.once('connection', () => stop.abort());
  await expect(ask(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`, stop.signal)).rejects.toThrow(
    'list Pod',
  );
  expect(counted).toEqual(['error']);
  silent.close();
  await dispatcher.destroy();
});
