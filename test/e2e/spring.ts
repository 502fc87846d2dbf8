import { waitUntilReady, type RunningProcess } from '../control-plane/index.ts';
import { buildSpringApplication } from '../spring/build.ts';
import type { Host } from './network.ts';

/** A running Spring Boot application, which has registered itself in Consul. */
export interface SpringApplication {
  readonly origin: string;
  readonly port: number;
  /** As `GET /instance` says it. */
  readonly instance: string;
  /** Ends it, with its goodbye to Consul (SIGTERM) or without (SIGKILL). */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

export interface SpringOptions {
  readonly name: string;
  readonly port: number;
  /** The service that it calls by name. */
  readonly callee?: string;
}

const JAVA = [
  // For a process that lives for a minute: less compiling, fewer threads, and no more memory than it needs.
  ...['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx192m'],
  // There is no name server to ask for the name of an address, which would take seconds.
  '-Djdk.net.hosts.file=/etc/hosts',
];

export async function startSpring(host: Host, consul: URL, options: SpringOptions): Promise<SpringApplication> {
  const { name, port, callee = '' } = options;
  const process = await host.start({
    name: `${name}-${port}`,
    program: { file: 'java', prefix: [...JAVA, '-jar', await buildSpringApplication()] },
    arguments: [
      `--spring.application.name=${name}`,
      `--server.port=${port}`,
      `--spring.cloud.consul.discovery.ip-address=${host.address}`,
      `--spring.cloud.consul.host=${consul.hostname}`,
      `--spring.cloud.consul.port=${consul.port}`,
      `--callee=${callee}`,
    ],
  });
  const origin = `http://${host.address}:${port}`;
  await untilUp(process, origin);
  return {
    ...{ origin, port },
    instance: `${name}@${host.address}:${port}`,
    end: (signal) => process.end(signal),
  };
}

function untilUp(process: RunningProcess, origin: string): Promise<void> {
  return waitUntilReady(process, async () => (await fetch(`${origin}/actuator/health`)).ok);
}
