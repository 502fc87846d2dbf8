import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  openRunDirectory,
  startKubernetes,
  type KubernetesPlane,
  type RunDirectory,
} from '../../control-plane/index.ts';
import { bundle } from '../bundle.ts';
import type { ScaleOptions } from '../options.ts';
import { measureEach, type Report } from '../report.ts';
import { say } from '../subjects.ts';
import { consularProgram, floorProgram, type Program } from '../to-consul/programs.ts';
import { layOut } from './layout.ts';
import { measureLife, type Life } from './life.ts';
import { record } from './record/index.ts';
import type { Recording } from './recording.ts';
import { startReplayServer } from './replay-server.ts';
import { judgeFigures } from './rows.ts';

export interface Figures {
  readonly pods: number;
  readonly nodes: number;
  readonly services: number;
  readonly floor: Life;
  readonly consular: Life;
}

interface Bench {
  readonly directory: RunDirectory;
  readonly plane: KubernetesPlane;
  readonly recording: Recording;
  readonly floor: Program;
  readonly consular: Program;
  /** The file that measures the event loop. */
  readonly preload: string;
}

/** Both programs at each size, with a real Consul and with an API server that replays what the real one said in this run. */
export async function run(options: ScaleOptions): Promise<Report<readonly Figures[]>> {
  say('starting the control plane ...');
  const plane = await startKubernetes();
  const directory = await openRunDirectory('bench-scale');
  try {
    const preload = join(directory.path, 'loop-delay.mjs');
    await bundle(fileURLToPath(new URL('loop-delay.ts', import.meta.url)), preload);
    const [floor, consular] = [await floorProgram(directory, plane), await consularProgram(directory, plane)];
    const bench = { directory, plane, recording: await record(plane), floor, consular, preload };
    const { figures, failure } = await measureEach(
      options.sizes,
      (pods) => measureSize(bench, pods, options),
      (measured) => measured.length > 0,
    );
    const shapes = figures.map(({ pods, nodes, services }) => `${pods} pods on ${nodes} nodes in ${services} services`);
    const title = `to-consul with ${shapes.join('; ')}; an API server that replays recorded bytes of the real one`;
    return { title: [title], figures, rows: judgeFigures(figures), failure };
  } finally {
    await directory.close();
    await plane.stop();
  }
}

async function measureSize(bench: Bench, pods: number, options: ScaleOptions): Promise<Figures> {
  const { directory, plane, recording, floor, consular, preload } = bench;
  const layout = layOut(pods);
  const replay = await startReplayServer(directory, plane, recording, pods);
  try {
    const stage = { replay, layout, options, ownEntries: 0, delays: undefined };
    const floorLife = await replay.during(measureLife({ ...stage, program: floor }));
    const delays = { folder: join(directory.path, `loop-delay-${pods}`), preload };
    const consularLife = await replay.during(measureLife({ ...stage, program: consular, ownEntries: 1, delays }));
    return { pods, nodes: layout.nodes, services: layout.services.length, floor: floorLife, consular: consularLife };
  } finally {
    await replay.stop();
  }
}
