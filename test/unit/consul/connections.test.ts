import { describe, expect, it } from '@jest/globals';
import { Agent as HttpsAgent } from 'node:https';
import { createSecureContext } from 'node:tls';
import { Connections } from '../../../src/consul/connections.ts';

describe('connections to Consul', () => {
  it('in plain text are always of one agent, which keeps them', () => {
    const connections = new Connections({ most: 20, tls: undefined, serverName: '' });
    const { agent } = connections;
    expect(connections.agent).toBe(agent);
    expect(agent).not.toBeInstanceOf(HttpsAgent);
    expect(agent).toMatchObject({ maxSockets: 20, options: { keepAlive: true } });
    connections.destroy();
  });

  it('with TLS are of one agent as long as the files are the same, and of a new one when they are not', () => {
    const tls = { context: createSecureContext() };
    const connections = new Connections({ most: 20, tls, serverName: 'server.dc1.consul' });
    const before = connections.agent;
    expect(connections.agent).toBe(before);
    expect(before).toMatchObject({ options: { servername: 'server.dc1.consul', secureContext: tls.context } });
    tls.context = createSecureContext();
    const after = connections.agent;
    expect(after).not.toBe(before);
    expect(after).toMatchObject({ maxSockets: 20, options: { keepAlive: true, secureContext: tls.context } });
    // What comes back to it is not kept.
    expect(before.maxFreeSockets).toBe(0);
    connections.destroy();
  });
});
