import { execFile } from 'node:child_process';
import { readlink, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import {
  startProcess,
  waitUntilReady,
  type Program,
  type RunDirectory,
  type RunningProcess,
} from '../control-plane/index.ts';

/** A pod's or a virtual machine's own network namespace. */
export interface Host {
  readonly address: string;
  /** Starts a process that sees this host's network only. */
  start(process: HostProcess): Promise<RunningProcess>;
  /** Ends all of its processes; the namespace, and the cable to it, go with the last one. */
  close(): Promise<void>;
}

export interface HostProcess {
  /** Unique in the network. */
  readonly name: string;
  readonly program: Program;
  readonly arguments: readonly string[];
}

/**
 * A Kubernetes node's network, in the network namespace that this process is in:
 *
 *     pod 10.244.0.x ──veth──┐
 *     pod 10.244.0.y ──veth──┤ bridge ── 10.244.0.1, where kube-proxy's rules are, and routes between the two networks
 *     vm  10.10.0.x  ──veth──┘         ── 10.10.0.1, where Consul listens
 */
export interface Network {
  /** Adds a host with that address, in one of the two networks. */
  addHost(name: string, address: string): Promise<Host>;
  close(): Promise<void>;
}

export const POD_NETWORK = '10.244.0.0/24';
export const NODE_ADDRESS = '10.244.0.1';
/** The node in the network of the virtual machines. */
export const ROUTER_ADDRESS = '10.10.0.1';
// Of ClusterIPs, as the API server of the tests gives them.
const SERVICE_NETWORK = '10.96.0.0/16';
const BRIDGE = 'consular0';
// One that stays: a bridge without an address of its own takes that of a port, and others would look for it in vain.
const BRIDGE_MAC = '02:00:00:00:00:01';

export async function openNetwork(run: RunDirectory): Promise<Network> {
  await refuseForeignNetwork();
  await ip([
    'link set lo up',
    `link add ${BRIDGE} address ${BRIDGE_MAC} type bridge`,
    `address add ${NODE_ADDRESS}/24 dev ${BRIDGE}`,
    `address add ${ROUTER_ADDRESS}/24 dev ${BRIDGE}`,
    `link set ${BRIDGE} up`,
    // What kube-proxy has no instance for gets as far as the rule that refuses it. There is no route beyond: whatever
    // else leaves a host, such as a question for a name server, is refused too.
    `route add ${SERVICE_NETWORK} dev ${BRIDGE}`,
  ]);
  await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
  return {
    addHost: (name, address) => addHost(run, name, address),
    close: async () => {
      await ip([`link delete ${BRIDGE}`]);
      await promisify(execFile)('nft', ['flush', 'ruleset']);
    },
  };
}

/** Whoever starts the tests names the machine's own network, which nothing here may ever touch. */
async function refuseForeignNetwork(): Promise<void> {
  const machine = process.env.CONSULAR_E2E_MACHINE_NETWORK;
  if (machine === undefined || machine === (await networkOf('self')))
    throw new Error('open a network: expected a network namespace of its own, found none; run npm run test:e2e');
}

/** Names the network namespace of a process. */
export function networkOf(process: number | 'self'): Promise<string> {
  return readlink(`/proc/${process}/ns/net`);
}

async function addHost(run: RunDirectory, name: string, address: string): Promise<Host> {
  const outside = await networkOf('self');
  // A namespace lives as long as a process is in it; this one does nothing else, as the pause container of a pod.
  const pause = await startProcess({
    name: `${name}-network`,
    program: { file: 'unshare', prefix: ['--net'] },
    arguments: ['sleep', 'infinity'],
    run,
    environment: process.env,
  });
  await waitUntilReady(pause, async () => (await networkOf(pause.pid)) !== outside);
  // The kernel takes its time to remove a cable, so each has a name of its own.
  const cable = `cable-${pause.pid}`;
  await ip([`link add ${cable} type veth peer name eth0 netns ${pause.pid}`, `link set ${cable} master ${BRIDGE} up`]);
  const enter = ['nsenter', `--net=/proc/${pause.pid}/ns/net`];
  const gateway = address.replace(/\d+$/, '1');
  await ip(
    ['link set lo up', 'link set eth0 up', `address add ${address}/24 dev eth0`, `route add default via ${gateway}`],
    enter,
  );
  return host(run, address, pause, enter);
}

function host(run: RunDirectory, address: string, pause: RunningProcess, enter: readonly string[]): Host {
  const processes: RunningProcess[] = [pause];
  const [nsenter = '', ...target] = enter;
  return {
    address,
    start: async ({ name, program, arguments: args }) => {
      const started = await startProcess({
        name,
        program: { file: nsenter, prefix: [...target, program.file, ...program.prefix] },
        arguments: args,
        run,
        environment: process.env,
      });
      processes.push(started);
      return started;
    },
    close: async () => {
      await Promise.all(processes.map((process) => process.end('SIGKILL')));
    },
  };
}

/** Runs commands of `ip`, in order, up to the first that fails. */
async function ip(commands: readonly string[], prefix: readonly string[] = []): Promise<void> {
  for (const command of commands) {
    const [file = '', ...args] = [...prefix, 'ip', ...command.split(' ')];
    try {
      await promisify(execFile)(file, args);
    } catch (cause) {
      throw new Error(`change the test network: ip ${command} failed`, { cause });
    }
  }
}
