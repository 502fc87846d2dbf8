import { createServer, type Server } from 'node:net';

// Below the ephemeral range (32768 and up on Linux), so that no outgoing connection takes a port between our look at it
// and the start of the server that is to listen on it.
const LOWEST = 12_000;
const HIGHEST = 32_000;
const LOOKS = 200;
const STARTS = 3;

/** Ports of the loopback address that nobody listens on, each another one. */
export async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = [];
  const ports: number[] = [];
  for (let look = 0; look < LOOKS && ports.length < count; look++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    const server = await listen(port);
    if (server === undefined) continue;
    held.push(server);
    ports.push(port);
  }
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  if (ports.length < count) throw new Error(`Cannot find ${count} free ports between ${LOWEST} and ${HIGHEST}`);
  return ports;
}

/** One port of the loopback address that nobody listens on. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('Cannot find a free port');
  return port;
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

/** Starts anew, with other ports, when another process was quicker to take one of them. */
export async function withFreshPorts<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      if (attempt === STARTS || !String(error).includes('address already in use')) throw error;
    }
  }
}
