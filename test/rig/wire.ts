import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { readKubeconfig } from './manifests.ts';
import { writeKubeconfig } from '../control-plane/kubernetes-credentials.ts';

/** The way to an API server, byte by byte. */
export interface Wire {
  /** The file of a kubeconfig that leads through it. */
  readonly kubeconfig: string;
  /** Nothing comes through any more, in neither direction, and nobody is told: connections stay, and new ones are made. */
  freeze(): void;
  /** Nothing comes through the connections that there are, and nobody is told; new ones are as good as ever. */
  forget(): void;
  /** What was held comes through, and all that follows. */
  thaw(): void;
  close(): void;
}

/** @param folder where its files are written */
export async function openWire(kubeconfig: string, folder: string): Promise<Wire> {
  const { server: upstream, ca, token } = readKubeconfig(kubeconfig);
  const { hostname, port } = new URL(upstream);
  const sockets = new Set<Socket>();
  let isFrozen = false;
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ host: hostname, port: Number(port), noDelay: true });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('data', (piece: Buffer) => other.write(piece));
      if (isFrozen) socket.pause();
      socket.on('end', () => other.end());
      socket.on('error', () => undefined); // a close follows
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const caFile = `${folder}/wire-ca.crt`;
  await writeFile(caFile, ca);
  const file = `${folder}/wire-kubeconfig`;
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await writeKubeconfig({ file, server: address, caFile, token });
  return {
    kubeconfig: file,
    freeze: () => {
      isFrozen = true;
      for (const socket of sockets) socket.pause();
    },
    forget: () => {
      for (const socket of sockets) socket.pause();
    },
    thaw: () => {
      isFrozen = false;
      for (const socket of sockets) socket.resume();
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
