import { startConsul, type ConsulServer } from '../control-plane/index.ts';
import { ConsulApi } from '../rig/consul.ts';

/** More than a benchmark needs, fewer than the 200 that Consul takes from one client. */
const CONNECTIONS = 150;

/**
 * An empty Consul of its own, as one runs in production: a server with its data on disk. With `-dev` its answers would be
 * indented, which costs it, and whoever reads them, what they do not cost in production.
 * @param settings further configuration, such as `limits`
 */
export async function withConsul<T>(
  work: (consul: ConsulApi, server: ConsulServer) => Promise<T>,
  settings: object = {},
): Promise<T> {
  const server = await startConsul({ persistent: true, settings });
  const consul = new ConsulApi(server.address, '', CONNECTIONS);
  try {
    return await work(consul, server);
  } finally {
    await consul.close();
    await server.stop();
  }
}
