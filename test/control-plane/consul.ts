import { randomUUID } from 'node:crypto';
import { startAgent, waitForAgent, type AgentOptions } from './consul-agent.ts';
import { freePorts, withFreshPorts } from './ports.ts';
import { restartable, type RunningProcess } from './process.ts';
import { openRunDirectory, type RunDirectory } from './run-directory.ts';

export interface ConsulOptions {
  /** Access control that denies by default. @default false */
  readonly acl?: boolean;
  /** How many servers the cluster has. @default 1 */
  readonly servers?: number;
  /** Keeps the data on disk, so that a server that was killed comes back with it. @default true with several servers */
  readonly persistent?: boolean;
  /** Where the HTTP API listens. @default the loopback address */
  readonly clientAddress?: string;
  /** Further configuration of each server, such as `limits`. */
  readonly settings?: object;
}

/** One server of the cluster. */
export interface ConsulAgent {
  /** For example `http://127.0.0.1:12345`. */
  readonly address: string;
  /** Of the server among servers, as `/v1/status/leader` names the one that leads. */
  readonly rpcAddress: string;
  readonly pid: number;
  /** Ends it, by default without a goodbye. Consul takes SIGINT as "leave", SIGTERM (for a server) as "stop". */
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>;
  /** Starts it again on the same ports; returns when it is ready. */
  readonly start: () => Promise<void>;
}

/** A Consul cluster; its own address and process are those of the first server. */
export interface ConsulServer extends ConsulAgent {
  readonly servers: readonly ConsulAgent[];
  /** May do everything; there is one with `acl` only. */
  readonly managementToken?: string;
  readonly stop: () => Promise<void>;
}

export async function startConsul(options: ConsulOptions = {}): Promise<ConsulServer> {
  return withFreshPorts(async () => {
    const run = await openRunDirectory('consul');
    try {
      return await startIn(run, options);
    } catch (error) {
      await run.close();
      throw error;
    }
  });
}

/**
 * The server that leads a cluster (`startConsul({ servers: 3 })`, `openRig({ servers: 3 })`).
 * @param asked the server that is asked: one that lives
 * @throws Error while it knows no leader
 */
export async function leaderOf(consul: ConsulServer, asked: ConsulAgent = consul): Promise<ConsulAgent> {
  const address: unknown = await (await fetch(`${asked.address}/v1/status/leader`)).json();
  const leader = consul.servers.find(({ rpcAddress }) => rpcAddress === address);
  if (!leader) throw new Error(`find Consul's leader: expected one of the servers, found ${JSON.stringify(address)}`);
  return leader;
}

async function startIn(run: RunDirectory, options: ConsulOptions): Promise<ConsulServer> {
  const managementToken = options.acl === true ? randomUUID() : undefined;
  const count = options.servers ?? 1;
  const inMemory = !(options.persistent ?? count > 1);
  const { clientAddress = '127.0.0.1', settings = {} } = options;
  const servers = await startServers(await layOut({ run, count, inMemory, managementToken, clientAddress, settings }));
  const [first] = servers;
  if (first === undefined) throw new Error(`Cannot start ${count} Consul servers: at least one is needed`);
  return {
    address: first.address,
    rpcAddress: first.rpcAddress,
    get pid() {
      return first.pid;
    },
    kill: first.kill,
    start: first.start,
    servers,
    ...(managementToken === undefined ? {} : { managementToken }),
    stop: () => run.close(),
  };
}

type Cluster = Pick<AgentOptions, 'run' | 'inMemory' | 'managementToken' | 'clientAddress' | 'settings'> & {
  readonly count: number;
};

async function layOut({ count, ...common }: Cluster): Promise<AgentOptions[]> {
  if (common.inMemory && count > 1)
    throw new Error(`Cannot start ${count} Consul servers in memory: such a one is alone`);
  const ports = await freePorts(3 * count);
  const cluster = ports.splice(0, count);
  return cluster.map((serfPort, index) => {
    const [httpPort, rpcPort] = ports.splice(0, 2);
    if (httpPort === undefined || rpcPort === undefined) throw new Error('Cannot find free ports for Consul');
    return { ...common, name: `consul-server-${index + 1}`, httpPort, serfPort, rpcPort, cluster };
  });
}

async function startServers(layout: readonly AgentOptions[]): Promise<ConsulAgent[]> {
  const started = await Promise.all(layout.map(async (options) => ({ options, agent: await startAgent(options) })));
  await Promise.all(started.map(({ agent, options }) => waitForAgent(agent, options)));
  return started.map(({ agent, options }) => consulAgent(agent, options));
}

function consulAgent(first: RunningProcess, options: AgentOptions): ConsulAgent {
  const server = restartable(first, async () => {
    const agent = await startAgent(options);
    await waitForAgent(agent, options);
    return agent;
  });
  return {
    address: `http://${options.clientAddress}:${options.httpPort}`,
    rpcAddress: `127.0.0.1:${options.rpcPort}`,
    get pid() {
      return server.pid();
    },
    kill: server.stop,
    start: server.start,
  };
}
