import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { freePort } from '../../control-plane/ports.ts';
import { until } from '../../rig/until.ts';
import { bundle } from '../bundle.ts';
import { consularCommand } from '../consular-command.ts';
import { startSubject, type Subject } from '../subjects.ts';
import { NAMESPACE, type Stage } from './stage.ts';

/** A subject that mirrors services. */
export interface Mirrorer extends Subject {
  /** Milliseconds from its start until it says that it is ready; the floor does not know such a thing. */
  readyMs?(): Promise<number>;
}

export interface Program {
  readonly name: 'floor' | 'consular';
  /** @param consulAddress of a proxy in front of Consul. @default Consul's own */
  start(consulAddress?: string): Promise<Mirrorer>;
}

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
/** Room for the service that is added, and for the one of pods. */
const SPARE_SERVICES = 100;

export async function floorProgram({ directory, plane, consul }: Stage): Promise<Program> {
  const file = join(directory.path, 'floor.mjs');
  await bundle(path('floor.ts'), file);
  return {
    name: 'floor',
    start: (consulAddress = consul.address) =>
      startSubject(directory, 'floor', [file], {
        FLOOR_SERVER: plane.server,
        FLOOR_CA: plane.caFile,
        FLOOR_TOKEN: plane.adminToken,
        FLOOR_CONSUL: consulAddress,
        FLOOR_NAMESPACE: NAMESPACE,
      }),
  };
}

/** The bundle, as it is shipped, with both directions: what it costs to follow Consul is what both cost. */
export async function consularProgram({ directory, plane, consul, services }: Stage): Promise<Program> {
  // The same at every start: it is in Consular's own entry, and a restart with nothing changed is what is measured.
  const port = await freePort();
  return {
    name: 'consular',
    start: async (consulAddress = consul.address) => {
      const file = join(directory.path, 'consular.yaml');
      const settings = {
        cluster: 'bench',
        kubernetes: { kubeconfig: plane.kubeconfig },
        consul: { address: consulAddress },
        toKubernetes: { namespaces: [NAMESPACE], maxServices: services + SPARE_SERVICES },
        http: { address: `127.0.0.1:${port}` },
      };
      await writeFile(file, JSON.stringify(settings));
      const subject = await startSubject(directory, 'consular', consularCommand(file));
      return {
        ...subject,
        readyMs: async () => {
          const ready = async () => (await request(`http://127.0.0.1:${port}/readyz`)).statusCode === 200;
          await subject.during(until('consular to be ready', ready, 60_000));
          return Date.now() - subject.startedAt;
        },
      };
    },
  };
}
