import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import type { KubernetesPlane, RunDirectory } from '../../control-plane/index.ts';
import { freePorts } from '../../control-plane/ports.ts';
import { until } from '../../rig/until.ts';
import { bundle } from '../bundle.ts';
import { startSubject, type Subject } from '../subjects.ts';
import { REPLAYED, type Recording } from './recording.ts';

/** The replaying API server, in a process of its own. */
export interface ReplayServer extends Subject {
  /** As the real one: TLS, with the certificate of the real one. */
  readonly port: number;
  /** A ready pod becomes not ready, or the other way round. */
  flip(pod: number): Promise<unknown>;
  /** Answers nobody for a while, and comes back with every pod changed; returns when everything was read again. */
  goAway(ms: number): Promise<void>;
}

const RELIST_LIMIT_MS = 180_000;
const START_LIMIT_MS = 60_000;
let servers = 0;

export async function startReplayServer(
  run: RunDirectory,
  plane: KubernetesPlane,
  recording: Recording,
  pods: number,
): Promise<ReplayServer> {
  const [port = 0, control = 0] = await freePorts(2);
  const program = join(run.path, 'replay.mjs');
  const file = join(run.path, `recording-${++servers}.json`);
  await bundle(fileURLToPath(new URL('replay/main.ts', import.meta.url)), program);
  await writeFile(file, JSON.stringify(recording));
  // kube-apiserver makes both for itself.
  const certificates = dirname(plane.caFile);
  const subject = await startSubject(run, 'replay', [program], {
    REPLAY_RECORDING: file,
    REPLAY_PODS: String(pods),
    REPLAY_CERT: plane.caFile,
    REPLAY_KEY: join(certificates, 'apiserver.key'),
    REPLAY_TARGET: plane.server,
    REPLAY_PORT: String(port),
    REPLAY_CONTROL: String(control),
  });
  const post = async (path: string) => {
    const { statusCode, body } = await request(`http://127.0.0.1:${control}${path}`, { method: 'POST' });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`POST ${path} to the replaying API server: ${statusCode} ${text}`);
    return Number(text);
  };
  await subject.during(until('the replaying API server', () => post('/hello').then(() => true), START_LIMIT_MS));
  return {
    ...subject,
    port,
    flip: (pod) => post(`/flip?pod=${pod}`),
    goAway: async (ms) => {
      const expected = (await post(`/away?ms=${ms}`)) + Object.keys(REPLAYED).length;
      await until('everything to be read again', async () => (await post('/lists')) >= expected, RELIST_LIMIT_MS);
    },
  };
}
