import { fileURLToPath } from 'node:url';
import { startProcess, waitUntilReady, type RunDirectory, type RunningProcess } from '../control-plane/index.ts';
import { freePort, withFreshPorts } from '../control-plane/ports.ts';
import type { ConsulApi } from '../rig/consul.ts';

/** A process that registers itself in Consul exactly as an application with Spring Cloud Consul does. */
export interface SpringApp {
  readonly name: string;
  /** As Spring makes it: name and server.port. */
  readonly id: string;
  /** Of the virtual machine that it pretends to run on. */
  readonly address: string;
  readonly port: number;
  /** What it says to GET /. */
  ask(): Promise<string>;
  /** As Spring does at its start. */
  register(): Promise<void>;
  /** As Spring does at its graceful shutdown; returns as soon as Consul agrees, the process ends afterwards. */
  deregister(): Promise<void>;
  /** As a crash does: nobody tells Consul. */
  kill(): Promise<void>;
}

const PROGRAM = { file: process.execPath, prefix: [fileURLToPath(new URL('./spring-app.js', import.meta.url))] };
/** Spring's default is 10 s; the demo is in more of a hurry. */
export const HEALTH_CHECK_INTERVAL = '1s';

export async function startSpringApp(
  consul: ConsulApi,
  run: RunDirectory,
  { name, address, port }: Pick<SpringApp, 'name' | 'address' | 'port'>,
): Promise<SpringApp> {
  const id = `${name}-${port}`;
  const { process: server, origin } = await withFreshPorts(() => startServer(run, id, name));
  return {
    ...{ name, id, address, port },
    ask: () => getText(`${origin}/`),
    register: async () =>
      void (await consul.must('PUT', '/agent/service/register', {
        Name: name,
        ID: id,
        Address: address,
        Port: port,
        Tags: [],
        Meta: { secure: 'false' },
        // No initial status, so that Consul begins with critical.
        Check: { HTTP: `${origin}/actuator/health`, Interval: HEALTH_CHECK_INTERVAL },
      })),
    deregister: async () => {
      await consul.deregisterFromAgent(id);
      // Nobody waits: what happens to the process no longer matters to Consul.
      void server.end('SIGTERM');
    },
    kill: () => server.end('SIGKILL'),
  };
}

async function startServer(
  run: RunDirectory,
  id: string,
  name: string,
): Promise<{ process: RunningProcess; origin: string }> {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const server = await startProcess({ name: id, program: PROGRAM, arguments: [name, String(port)], run });
  await waitUntilReady(server, async () => (await getText(`${origin}/`)) === `I am ${name}`, 30_000);
  return { process: server, origin };
}

async function getText(url: string): Promise<string> {
  const response = await fetch(url);
  return response.text();
}
