import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Passes the bytes of TCP connections on to a server; what watches deliver can be held back and let go later. */
export interface Relay {
  readonly port: number;
  hold(): void;
  /** Lets go of what was held, evenly over that time. */
  release(overMs: number): Promise<void>;
  close(): void;
}

interface Held {
  readonly client: Socket;
  readonly chunk: Buffer;
}

const STEP_MS = 10;

/**
 * What is held is what comes down a connection on which the client asks nothing: that is a watch. A connection with a
 * request is let go at once, or leases would end meanwhile. Bytes are never reordered.
 */
export async function openRelay(target: string): Promise<Relay> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let holding = false;
  let held: Held[] = [];
  const letGo = (client: Socket) => {
    for (const { chunk } of held.filter((each) => each.client === client)) client.write(chunk);
    held = held.filter((each) => each.client !== client);
  };
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: hostname, port: Number(port), noDelay: true });
    let asksDuringHold = false;
    client.on('data', (chunk: Buffer) => {
      asksDuringHold = holding;
      if (asksDuringHold) letGo(client);
      upstream.write(chunk);
    });
    upstream.on('data', (chunk: Buffer) => {
      if (holding && !asksDuringHold) held.push({ client, chunk });
      else client.write(chunk);
    });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined); // a close follows
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    hold: () => {
      holding = true;
    },
    release: async (overMs) => {
      const start = performance.now();
      const total = held.reduce((sum, { chunk }) => sum + chunk.length, 0);
      for (let released = 0; held.length > 0 && performance.now() - start < overMs;) {
        const due = ((performance.now() - start) / overMs) * total;
        for (let next = held[0]; next && released < due; next = held[0]) {
          held.shift();
          released += next.chunk.length;
          next.client.write(next.chunk);
        }
        await sleep(STEP_MS);
      }
      for (const { client, chunk } of held) client.write(chunk);
      held = [];
      holding = false;
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
