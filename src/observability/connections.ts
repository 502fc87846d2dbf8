import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface Connection {
  /** Of the other end. */
  readonly address: string;
  /** Whether a request is being answered. */
  readonly isBusy: boolean;
}

/**
 * The connection that has to go when there are too many: one of the address that has most of them, so that nobody takes
 * the place of others; of these the longest idle one, else the oldest.
 * @param connections the longest idle first
 */
export function leastWanted<Some extends Connection>(connections: readonly Some[]): Some | undefined {
  const counts = new Map<string, number>();
  for (const { address } of connections) counts.set(address, (counts.get(address) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const candidates = connections.filter(({ address }) => counts.get(address) === most);
  return candidates.find(({ isBusy }) => !isBusy) ?? candidates[0];
}

/**
 * Lets a server have so many connections at most. Whoever comes gets one, a probe too, however many are held by browsers or
 * by requests that never end: another one goes for it.
 */
export function limitConnections(server: Server, most: number): void {
  const open = new Map<Socket, Connection & { requests: number }>();
  server.on('connection', (socket) => {
    const others = [...open].map(([of, { address, isBusy }]) => ({ of, address, isBusy }));
    const victim = others.length >= most ? leastWanted(others)?.of : undefined;
    // Closed it is a turn later only: those that come until then take the places of others.
    if (victim) open.delete(victim);
    victim?.destroy();
    open.set(socket, {
      address: socket.remoteAddress ?? '',
      requests: 0,
      get isBusy() {
        return this.requests > 0;
      },
    });
    socket.once('close', () => open.delete(socket));
  });
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const connection = open.get(socket);
    if (!connection) return;
    connection.requests++;
    response.once('close', () => {
      connection.requests--;
      // Idle from now on: the last one to go.
      if (open.delete(socket)) open.set(socket, connection);
    });
  });
}
