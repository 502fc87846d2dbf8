import { writeFile } from 'node:fs/promises';
import { request } from 'undici';
import { startProcess, waitUntilReady, type RunningProcess } from './process.ts';
import { findConsul } from './programs.ts';
import type { RunDirectory } from './run-directory.ts';

/** One server of a Consul cluster, as its configuration file says it. */
export interface AgentOptions {
  readonly run: RunDirectory;
  readonly name: string;
  /** Where its HTTP API listens. */
  readonly clientAddress: string;
  readonly httpPort: number;
  readonly serfPort: number;
  readonly rpcPort: number;
  /** The serf ports of all servers. */
  readonly cluster: readonly number[];
  /** In memory only, which starts quickest and comes back empty. */
  readonly inMemory: boolean;
  /** Turns access control on, and is the token that may do everything. */
  readonly managementToken: string | undefined;
  /** Added to the configuration. */
  readonly settings: object;
}

/** Starts a server; it is not ready before it has found the others. */
export async function startAgent(options: AgentOptions): Promise<RunningProcess> {
  const { run, name } = options;
  // In a file of their own: Consul itself adds the settings of a later file to those of an earlier one.
  const files = {
    [`${run.path}/${name}.json`]: configuration(options),
    [`${run.path}/${name}-more.json`]: options.settings,
  };
  for (const [file, settings] of Object.entries(files))
    await writeFile(file, JSON.stringify(settings, null, 2), { mode: 0o600 });
  return startProcess({
    name,
    program: await findConsul(),
    arguments: [
      'agent',
      ...(options.inMemory ? ['-dev'] : []),
      ...Object.keys(files).map((file) => `-config-file=${file}`),
    ],
    run,
  });
}

function configuration(options: AgentOptions): object {
  const { run, name, clientAddress, httpPort, serfPort, rpcPort, cluster, inMemory } = options;
  return {
    node_name: name,
    server: true,
    bind_addr: '127.0.0.1',
    client_addr: clientAddress,
    ports: { http: httpPort, serf_lan: serfPort, server: rpcPort, serf_wan: -1, dns: -1, grpc: -1, grpc_tls: -1 },
    ui_config: { enabled: true },
    log_level: 'info',
    disable_update_check: true,
    // Counts of what was applied, by type, that never start anew: the benchmark reads them.
    telemetry: { prometheus_retention_time: '24h', disable_hostname: true },
    ...(inMemory ? {} : { data_dir: `${run.path}/${name}`, performance: { raft_multiplier: 1 } }),
    ...(inMemory ? {} : { bootstrap_expect: cluster.length, retry_interval: '1s' }),
    ...(cluster.length === 1 ? {} : { retry_join: cluster.map((port) => `127.0.0.1:${port}`) }),
    ...(options.managementToken === undefined ? {} : { acl: accessControl(options.managementToken) }),
  };
}

function accessControl(managementToken: string): object {
  return {
    enabled: true,
    default_policy: 'deny',
    tokens: { initial_management: managementToken, agent: managementToken },
  };
}

/** Waits until the server knows a leader, all servers are in the catalog, and the server itself knows the token. */
export async function waitForAgent(agent: RunningProcess, options: AgentOptions): Promise<void> {
  const { clientAddress, httpPort, cluster, managementToken } = options;
  const headers = managementToken === undefined ? {} : { 'x-consul-token': managementToken };
  const get = async (path: string): Promise<{ ok: boolean; text: string }> => {
    const { statusCode, body } = await request(`http://${clientAddress}:${httpPort}${path}`, { headers });
    return { ok: statusCode === 200, text: await body.text() };
  };
  await waitUntilReady(agent, async () => {
    const members = await get('/v1/catalog/service/consul'); // answered by the leader
    const self = await get('/v1/agent/self'); // answered by the server, which may lag behind just after its start
    if (!members.ok || !self.ok) return false;
    // An agent adds its tagged addresses to its own node a moment after the node is there: the last thing to move.
    const nodes = JSON.parse(members.text) as { TaggedAddresses: object | null }[];
    return (
      nodes.length === cluster.length && (managementToken !== undefined || nodes.every((node) => node.TaggedAddresses))
    );
  });
}
