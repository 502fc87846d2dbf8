import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import type { KubernetesPlane, RunDirectory } from '../../control-plane/index.ts';
import { writeKubeconfig } from '../../control-plane/kubernetes-credentials.ts';
import { freePort } from '../../control-plane/ports.ts';
import type { ConsulApi } from '../../rig/consul.ts';
import { until } from '../../rig/until.ts';
import { bundle } from '../bundle.ts';
import { consularCommand } from '../consular-command.ts';
import { sumOf } from '../prometheus.ts';
import { raftEntries } from '../raft-entries.ts';
import { startSubject, type Subject } from '../subjects.ts';
import { readCompletelyAt } from './log.ts';

/** A subject that registers pods. */
export interface Registrar extends Subject {
  /** Milliseconds from its start until it had read Kubernetes completely. */
  readMs(): Promise<number>;
  /** Transactions that it has sent to Consul. */
  transactions(): Promise<number>;
  /** Milliseconds from its start until it says that it is ready; the floor does not know such a thing. */
  readyMs?(): Promise<number>;
}

export interface StartOptions {
  /** Consular says at this level only when it has read something completely; the floor always says it. @default false */
  readonly debug?: boolean;
  /** Of a relay to the API server. @default the API server's own */
  readonly port?: number;
  /** Further variables of Consular's environment. @default none */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Program {
  readonly name: 'floor' | 'consular';
  start(consul: ConsulApi, options?: StartOptions): Promise<Registrar>;
}

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const READ_LIMIT_MS = 120_000;

export async function floorProgram(run: RunDirectory, plane: KubernetesPlane): Promise<Program> {
  const file = join(run.path, 'floor.mjs');
  await bundle(path('floor.ts'), file);
  return {
    name: 'floor',
    start: async (consul, { port } = {}) => {
      const before = (await raftEntries(consul)).transactions;
      const subject = await startSubject(run, 'floor', [file], {
        FLOOR_SERVER: serverAt(plane, port),
        FLOOR_CA: plane.caFile,
        FLOOR_TOKEN: plane.adminToken,
        FLOOR_CONSUL: consul.address,
      });
      return {
        ...subject,
        readMs: () =>
          untilSaid(subject, 'that it has listed the pods', (lines) => {
            const listed = lines.find((line) => line.startsWith('listed '));
            return listed === undefined ? undefined : Number(listed.split(' ')[1]);
          }),
        // It counts nothing. Nothing of what it sends is refused, so that Consul applies each of its transactions.
        transactions: async () => (await raftEntries(consul)).transactions - before,
      };
    },
  };
}

function serverAt({ server }: KubernetesPlane, port?: number): string {
  return port === undefined ? server : server.replace(/\d+$/, String(port));
}

/** The bundle, as it is shipped, without the direction that the floor does not have. */
export async function consularProgram(run: RunDirectory, plane: KubernetesPlane): Promise<Program> {
  // The same at every start: it is in Consular's own entry, and a restart with nothing changed is what is measured.
  const port = await freePort();
  return {
    name: 'consular',
    start: async (consul, { debug = false, port: apiPort, environment = {} } = {}) => {
      const kubeconfig = join(run.path, 'kubeconfig');
      const server = serverAt(plane, apiPort);
      await writeKubeconfig({ file: kubeconfig, server, caFile: plane.caFile, token: plane.adminToken });
      const file = join(run.path, 'consular.yaml');
      const settings = {
        cluster: 'bench',
        kubernetes: { kubeconfig },
        consul: { address: consul.address },
        toKubernetes: { enabled: false },
        http: { address: `127.0.0.1:${port}` },
        log: { level: debug ? 'debug' : 'info' },
      };
      await writeFile(file, JSON.stringify(settings));
      const subject = await startSubject(run, 'consular', consularCommand(file), environment);
      const get = (what: string) => request(`http://127.0.0.1:${port}${what}`);
      return {
        ...subject,
        readMs: () => untilSaid(subject, 'that it has read Kubernetes completely', readCompletelyAt),
        transactions: async () =>
          sumOf(await (await get('/metrics')).body.text(), 'consular_consul_transactions_total'),
        readyMs: async () => {
          const work = until('consular to be ready', async () => (await get('/readyz')).statusCode === 200, 60_000);
          await subject.during(work);
          return Date.now() - subject.startedAt;
        },
      };
    },
  };
}

/** The time is in what it says, so that looking for it need not be quick. */
async function untilSaid(
  subject: Subject,
  what: string,
  find: (lines: readonly string[]) => number | undefined,
): Promise<number> {
  const said = until(`${subject.name} to say ${what}`, async () => find(await subject.lines()), READ_LIMIT_MS);
  return (await subject.during(said)) - subject.startedAt;
}
